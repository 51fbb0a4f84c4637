// CSRs as Go's standard library writes them: requests OUT KEY NAME FORM
package main

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/url"
	"os"
)

func main() {
	out, keyFile, name, form := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	text, err := os.ReadFile(keyFile)
	must(err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(err)
	template := x509.CertificateRequest{DNSNames: []string{name}}
	switch form {
	case "cn":
		template.Subject = pkix.Name{CommonName: name}
	case "sha384":
		template.SignatureAlgorithm = x509.ECDSAWithSHA384
	case "ip":
		template.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)}
	case "uri":
		template.URIs = []*url.URL{{Scheme: "spiffe", Host: name, Path: "/device"}}
	case "organization":
		template.Subject = pkix.Name{Organization: []string{"Acme"}, CommonName: name}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	must(err)
	must(os.WriteFile(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o644))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
