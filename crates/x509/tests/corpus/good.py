"""Good CSRs as the tools of others write them, and hostile ones that those tools write too.

Each function gets a `Tool` and adds its rows; a tool that is not on the machine adds none, and `make` keeps the rows that
it had."""

import re
import shutil
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography import x509
import cryptography

import hostile
import keys
from der import *
from hostile import NAME
from keys import Ec

HERE = Path(__file__).parent
SAN_OPTION = f"subjectAltName=DNS:{NAME}"


class Missing(Exception):
    """The tool is not on this machine."""


class Tool:
    """Runs one program, in a folder that holds the keys."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *arguments, stdin=""):
        if shutil.which(str(arguments[0])) is None:
            raise Missing(arguments[0])
        finished = subprocess.run(
            [str(argument) for argument in arguments], cwd=self.folder, input=stdin, capture_output=True, text=True, timeout=300)
        if finished.returncode:
            raise RuntimeError(f"{arguments}: {finished.stdout}{finished.stderr}")
        return finished.stdout + finished.stderr

    def version(self, *arguments):
        return re.search(r"\d+(\.\d+)+\w*", self.run(*arguments))[0]

    def out(self):
        return (self.folder / "out").read_bytes()


def write_keys(folder):
    made = {
        "p256": Ec("the device"), "p384": Ec("p384", ec.SECP384R1()),
        "rsa2048": keys.sound("rsa", 2048), "rsa3072": keys.sound("rsa 3072", 3072), "rsa4096": keys.sound("rsa 4096", 4096),
        "p521": Ec("p521", ec.SECP521R1()), "secp256k1": Ec("secp256k1", ec.SECP256K1()), "rsa1024": keys.sound("rsa 1024", 1024),
    }
    for name, key in made.items():
        (folder / f"{name}.pem").write_bytes(key.pem())
        private = serialization.load_pem_private_key(key.pem(), None)
        (folder / f"{name}.der").write_bytes(private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
    (folder / "ed25519.pem").write_bytes(edwards.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def openssl(tool, good, bad):
    by = f"OpenSSL {tool.version('openssl', 'version')}"

    def req(key, *options, subject="/", san=True):
        tool.run("openssl", "req", "-new", "-key", f"{key}.pem", "-subj", subject, *(["-addext", SAN_OPTION] if san else []),
                 *options, "-out", "out")
        return tool.out()

    usage = ["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=serverAuth",
             "-addext", "basicConstraints=critical,CA:FALSE"]
    good("openssl-p256", by, "P-256, empty subject", req("p256"))
    good("openssl-p256-cn", by, "P-256, the name in the subject too", req("p256", subject=f"/CN={NAME}"))
    good("openssl-p256-cn-case", by, "the subject in capitals", req("p256", subject=f"/CN={NAME.upper()}"))
    good("openssl-p256-text", by, "with text before the PEM block", req("p256", "-text"))
    good("openssl-p256-der", by, "in DER", req("p256", "-outform", "DER"))
    good("openssl-p256-sha384", by, "P-256 signed with SHA-384", req("p256", "-sha384"))
    good("openssl-p256-sha512", by, "P-256 signed with SHA-512", req("p256", "-sha512"))
    good("openssl-p256-extensions", by, "all extensions that a server has", req("p256", *usage))
    good("openssl-p256-newhdr", by, "labelled NEW CERTIFICATE REQUEST", req("p256", "-newhdr"))
    good("openssl-p384", by, "P-384", req("p384"))
    good("openssl-p384-sha256", by, "P-384 signed with SHA-256", req("p384", "-sha256"))
    good("openssl-p384-extensions", by, "P-384 and all extensions", req("p384", *usage, subject=f"/CN={NAME}"))
    for size in (2048, 3072, 4096):
        good(f"openssl-rsa{size}", by, f"RSA-{size}", req(f"rsa{size}"), policy="device-rsa")
    good("openssl-rsa2048-sha512", by, "RSA signed with SHA-512", req("rsa2048", "-sha512"), policy="device-rsa")
    good("openssl-organisation-lax", by, "an organisation, where any subject is taken",
         req("p256", subject=f"/C=DE/O=Acme/CN={NAME}"), policy="lets_encrypt")
    good("openssl-ca-lax", by, "CA:TRUE, where other extensions are left out",
         req("p256", "-addext", "basicConstraints=CA:TRUE"), policy="lets_encrypt")

    bad("07-openssl-sha1", "csr_sigalg_unsupported", by, "SHA-1", req("rsa2048", "-sha1"), policy="device-rsa")
    bad("07-openssl-pss", "csr_sigalg_unsupported", by, "RSA-PSS", req("rsa2048", "-sigopt", "rsa_padding_mode:pss"), policy="device-rsa")
    bad("07-openssl-ed25519", "csr_sigalg_unsupported", by, "Ed25519", req("ed25519"))
    bad("09-openssl-p521", "key_type_not_allowed", by, "P-521", req("p521"))
    bad("09-openssl-secp256k1", "key_type_not_allowed", by, "secp256k1", req("secp256k1"))
    bad("09-openssl-rsa1024", "key_size_not_allowed", by, "RSA-1024", req("rsa1024"), policy="device-rsa")
    tool.run("openssl", "pkey", "-in", "p256.pem", "-out", "compressed.pem", "-ec_conv_form", "compressed")
    bad("11-openssl-compressed", "key_invalid_point", by, "a compressed point", req("compressed"))
    tool.run("openssl", "pkey", "-in", "p256.pem", "-out", "explicit.pem", "-ec_param_enc", "explicit")
    bad("11-openssl-explicit", "key_invalid_point", by, "explicit parameters", req("explicit"))
    bad("21-openssl-ca", "csr_extension_not_allowed", by, "CA:TRUE", req("p256", "-addext", "basicConstraints=CA:TRUE"))
    bad("21-openssl-staple", "csr_extension_not_allowed", by, "must-staple", req("p256", "-addext", "tlsfeature=status_request"))
    bad("23-openssl-no-san", "san_missing", by, "the name in the subject only", req("p256", subject=f"/CN={NAME}", san=False))
    bad("23-openssl-ip", "san_type_not_allowed", by, "an IP address",
        req("p256", "-addext", "subjectAltName=IP:10.0.0.1", san=False))
    bad("24-openssl-organisation", "subject_not_allowed", by, "country and organisation", req("p256", subject=f"/C=DE/O=Acme/CN={NAME}"))
    bad("24-openssl-multi-valued", "subject_not_allowed", by, "a relative name of two attributes",
        req("p256", "-multivalue-rdn", subject=f"/CN={NAME}+OU=Unit"))
    bad("25-openssl-mismatch", "cn_mismatch", by, "another name in the subject", req("p256", subject="/CN=evil.fleet.test"))
    bad("30-openssl-wildcard", "wildcard_not_granted", by, "a wildcard beside the name",
        req("p256", "-addext", f"subjectAltName=DNS:*.{NAME},DNS:{NAME}", san=False), policy="lets_encrypt", grant="-")
    (tool.folder / "password.cnf").write_text(
        "[req]\nprompt=no\ndistinguished_name=dn\nattributes=at\nreq_extensions=ext\n[dn]\n"
        f"CN={NAME}\n[at]\nchallengePassword=secret\n[ext]\n{SAN_OPTION}\n")
    tool.run("openssl", "req", "-new", "-key", "p256.pem", "-config", "password.cnf", "-out", "out")
    bad("22-openssl-password", "csr_attribute_not_allowed", by, "a challenge password", tool.out())


def gnutls(tool, good, bad):
    by = f"GnuTLS certtool {tool.version('certtool', '--version')}"

    def req(key, template):
        (tool.folder / "template").write_text(template)
        tool.run("certtool", "--generate-request", "--load-privkey", f"{key}.pem", "--template", "template",
                 "--outfile", "out", "--no-text")
        return tool.out()

    plain = f'dns_name = "{NAME}"\nsigning_key\ntls_www_server\n'
    good("gnutls-p256", by, "P-256 with key usage and serverAuth", req("p256", plain))
    good("gnutls-p256-cn", by, "the name in the subject too", req("p256", f'cn = "{NAME}"\n{plain}'))
    good("gnutls-p384", by, "P-384", req("p384", plain))
    good("gnutls-rsa2048", by, "RSA-2048 with keyEncipherment", req("rsa2048", plain + "encryption_key\n"), policy="device-rsa")
    bad("21-gnutls-client", "csr_extension_not_allowed", by, "clientAuth too", req("p256", plain + "tls_www_client\n"))
    bad("21-gnutls-ca", "csr_extension_not_allowed", by, "a CA", req("p256", plain + "ca\ncert_signing_key\n"))
    bad("22-gnutls-password", "csr_attribute_not_allowed", by, "a challenge password", req("p256", plain + 'challenge_password = "secret"\n'))
    bad("23-gnutls-ip", "san_too_many", by, "an IP address beside the name", req("p256", plain + 'ip_address = "10.0.0.1"\n'))
    bad("24-gnutls-organisation", "subject_not_allowed", by, "an organisation", req("p256", 'organization = "Acme"\n' + plain))


def go(tool, good, bad):
    by = f"Go {tool.version('go', 'version')}"
    tool.run("go", "build", "-o", "requests", HERE / "tools/requests.go")

    def req(key, form="plain"):
        tool.run(tool.folder / "requests", "out", f"{key}.pem", NAME, form)
        return tool.out()

    good("go-p256", by, "P-256", req("p256"))
    good("go-p256-cn", by, "the name in the subject too", req("p256", "cn"))
    good("go-p256-sha384", by, "P-256 signed with SHA-384", req("p256", "sha384"))
    good("go-p384", by, "P-384", req("p384"))
    good("go-rsa2048", by, "RSA-2048", req("rsa2048"), policy="device-rsa")
    bad("23-go-ip", "san_too_many", by, "an IP address beside the name", req("p256", "ip"))
    bad("23-go-uri", "san_type_not_allowed", by, "a URI beside the name", req("p256", "uri"), policy="lets_encrypt", grant="-")
    bad("24-go-organisation", "subject_not_allowed", by, "an organisation", req("p256", "organization"))


def java(tool, good, bad):
    by = f"Java keytool {tool.version('java', '-version')}"

    def req(key):
        tool.run("openssl", "req", "-x509", "-new", "-key", f"{key}.pem", "-subj", f"/CN={NAME}", "-days", "1", "-out", "java.crt")
        tool.run("openssl", "pkcs12", "-export", "-inkey", f"{key}.pem", "-in", "java.crt", "-name", "k", "-passout", "pass:secret",
                 "-out", "java.p12")
        tool.run("keytool", "-certreq", "-keystore", "java.p12", "-storepass", "secret", "-alias", "k", "-file", "out",
                 "-ext", f"san=dns:{NAME}")
        return tool.out()

    lax = {"policy": "lets_encrypt"}
    good("java-p256-lax", by, "NEW CERTIFICATE REQUEST, with a subject key identifier", req("p256"), **lax)
    good("java-p384-lax", by, "P-384, likewise", req("p384"), **lax)
    good("java-rsa2048-lax", by, "RSA-2048, likewise", req("rsa2048"), **lax)
    bad("21-java", "csr_extension_not_allowed", by, "a subject key identifier", req("p256"))


def mbedtls(tool, good, bad):
    program = tool.folder / "mbedtls"
    by = f"Mbed TLS {tool.version('pkg-config', '--modversion', 'mbedtls') if has_pkg_config('mbedtls') else debian('libmbedtls-dev')}"
    tool.run("cc", "-o", program, HERE / "tools/mbedtls.c", "-lmbedx509", "-lmbedcrypto")

    def req(key, subject="", usage="0"):
        tool.run(program, "out", f"{key}.pem", NAME, subject, usage)
        return tool.out()

    null = "ECDSA with NULL as its parameters"
    good("mbedtls-p256-null", by, f"P-256, {null}", req("p256"))
    good("mbedtls-p256-cn", by, "the name in the subject too, with key usage", req("p256", f"CN={NAME}", "1"))
    good("mbedtls-p384", by, "P-384", req("p384"))
    bad("07-mbedtls-null", "csr_sigalg_unsupported", by, f"{null}, where that is not taken", req("p256"), policy="device-no-null")
    good("mbedtls-rsa2048", by, "RSA-2048", req("rsa2048", usage="1"), policy="device-rsa")
    bad("24-mbedtls-organisation", "subject_not_allowed", by, "an organisation", req("p256", f"O=Acme,CN={NAME}"))


def wolfssl(tool, good, bad):
    program = tool.folder / "wolfssl"
    by = f"wolfSSL {debian('libwolfssl-dev')}"
    tool.run("cc", "-o", program, HERE / "tools/wolfssl.c", "-lwolfssl")

    def req(key, kind, common_name="0"):
        tool.run(program, "out", f"{key}.der", NAME, kind, common_name)
        return tool.out()

    good("wolfssl-p256", by, "P-256, in DER", req("p256", "ec"))
    good("wolfssl-p256-cn", by, "the name in the subject too", req("p256", "ec", "1"))
    good("wolfssl-rsa2048", by, "RSA-2048", req("rsa2048", "rsa"), policy="device-rsa")


def boringssl(tool, good, bad):
    manifest = HERE / "tools/boringssl/Cargo.toml"
    tool.run("cargo", "build", "--quiet", "--locked", "--manifest-path", manifest)
    metadata = tool.run("cargo", "metadata", "--format-version", "1", "--no-deps", "--manifest-path", manifest)
    program = Path(re.search(r'"target_directory":"([^"]+)"', metadata)[1]) / "debug/corpus-boringssl"
    version = re.search(r'name = "boring-sys"\nversion = "([^"]+)"', manifest.with_name("Cargo.lock").read_text())[1]
    by = f"BoringSSL of boring-sys {version}"

    def req(key, *common_name):
        tool.run(program, "out", f"{key}.pem", NAME, *common_name)
        return tool.out()

    good("boringssl-p256", by, "P-256", req("p256"))
    good("boringssl-p256-cn", by, "the name in the subject too", req("p256", NAME))
    good("boringssl-p384", by, "P-384 with SHA-256", req("p384"))
    good("boringssl-rsa2048", by, "RSA-2048", req("rsa2048"), policy="device-rsa")


def botan(tool, good, bad):
    by = f"Botan {tool.version('botan', 'version')}"

    def req(key, *options):
        (tool.folder / "out").write_text(tool.run("botan", "gen_pkcs10", f"{key}.pem", NAME, f"--dns={NAME}", *options))
        return tool.out()

    good("botan-p256-lax", by, "P-256 with extensions and an empty challenge password", req("p256"), policy="lets_encrypt")
    good("botan-p384-lax", by, "P-384, likewise", req("p384"), policy="lets_encrypt")
    good("botan-rsa2048-lax", by, "RSA-2048, likewise", req("rsa2048", "--emsa=EMSA3"), policy="lets_encrypt")


def nss(tool, good, bad):
    by = f"NSS certutil {debian('libnss3-tools')}"
    database = tool.folder / "nss"
    database.mkdir(exist_ok=True)
    tool.run("certutil", "-N", "-d", database, "--empty-password")
    (tool.folder / "noise").write_bytes(bytes(range(256)) * 8)

    def req(*options):
        tool.run("certutil", "-R", "-d", database, "-s", f"CN={NAME}", "--extSAN", f"dns:{NAME}", "-z", "noise", "-a", "-o", "out", *options)
        return tool.out()

    good("nss-p256", by, "P-256, with text before the PEM block", req("-k", "ec", "-q", "nistp256"))
    good("nss-p384", by, "P-384", req("-k", "ec", "-q", "nistp384", "-Z", "SHA384"))
    good("nss-rsa2048", by, "RSA-2048", req("-k", "rsa", "-g", "2048"), policy="device-rsa")


def python(tool, good, bad):
    by = f"Python cryptography {cryptography.__version__}"

    def req(key, *names, digest=hashes.SHA256(), subject=(), general=x509.DNSName):
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(
            [x509.NameAttribute(kind, value) for kind, value in subject]))
        builder = builder.add_extension(x509.SubjectAlternativeName([general(name) for name in names or [NAME]]), critical=False)
        private = serialization.load_pem_private_key((tool.folder / f"{key}.pem").read_bytes(), None)
        return builder.sign(private, digest).public_bytes(serialization.Encoding.PEM)

    cn = x509.NameOID.COMMON_NAME
    good("python-p256", by, "P-256", req("p256"))
    good("python-p256-cn", by, "the name in the subject too", req("p256", subject=[(cn, NAME)]))
    good("python-p384", by, "P-384", req("p384", digest=hashes.SHA384()))
    good("python-rsa2048", by, "RSA-2048", req("rsa2048"), policy="device-rsa")
    two = req("p256", "b.fleet.test", NAME)
    good("python-two-names", by, "two names, both granted", two, grant=f"{NAME},b.fleet.test")
    good("python-two-names-lax", by, "two names of whomever", two, policy="lets_encrypt", grant="-")
    good("python-hundred-names", by, "a hundred names", req("p256", *[f"n{number}.fleet.test" for number in range(100)]),
         policy="lets_encrypt", grant="-")
    good("python-wildcard", by, "a wildcard that was granted", req("p256", f"*.{NAME}"), grant=f"*.{NAME}")
    good("python-name-and-wildcard", by, "the name and its wildcard, both granted", req("p256", NAME, f"*.{NAME}"),
         grant=f"{NAME},*.{NAME}")
    good("python-subtree", by, "a name below a subtree that was granted", req("p256", f"a.b.{NAME}"), grant=f".{NAME}")
    good("python-a-label", by, "an A-label, where these are taken", req("p256", "xn--bcher-kva.fleet.test"),
         policy="lets_encrypt", grant="-")


def rust(tool, good, bad):
    lock = (HERE / "../../../../Cargo.lock").resolve().read_text()
    version = re.search(r'name = "rcgen"\nversion = "([^"]+)"', lock)[1]
    workspace = str((HERE / "../../../..").resolve())
    tool.run("cargo", "build", "--quiet", "--manifest-path", f"{workspace}/Cargo.toml", "-p", "fleetcert-x509", "--example", "corpus-rust")
    metadata = tool.run("cargo", "metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path", f"{workspace}/Cargo.toml")
    program = Path(re.search(r'"target_directory":"([^"]+)"', metadata)[1]) / "debug/examples/corpus-rust"

    def req(writer, key, *rest):
        tool.run(program, writer, "out", f"{key}.pem", NAME, *rest)
        return tool.out()

    by = f"rcgen {version}"
    good("rcgen-p256", by, "P-256, in DER", req("rcgen", "p256"))
    good("rcgen-p256-cn", by, "the name in the subject too", req("rcgen", "p256", NAME))
    good("rcgen-p384", by, "P-384", req("rcgen", "p384"))
    good("rcgen-rsa2048", by, "RSA-2048", req("rcgen", "rsa2048"), policy="device-rsa")
    by = "fleetcert-x509"
    good("fleetcert-p256", by, "P-256", req("fleetcert", "p256"))
    good("fleetcert-p384", by, "P-384", req("fleetcert", "p384"))
    good("fleetcert-rsa4096", by, "RSA-4096", req("fleetcert", "rsa4096"), policy="device-rsa")


def writer(tool, good, bad):
    by = "our own writer"
    good("own-plain", by, "as the hostile ones are, with nothing wrong", hostile.csr())
    good("own-printable-cn", by, "the common name as a PrintableString", hostile.subject(rdn(pair(3, NAME, PRINTABLE))))
    good("own-upper-case", by, "the name in capitals: it folds to the granted one", hostile.names(dns(NAME.upper())))
    good("own-lone-usage", by, "keyEncipherment alone", hostile.one_more(KEY_USAGE, b"\x03\x02\x05\x20"))
    usual = sequence(extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"))), san(dns(NAME)))
    windows = [attribute("1.3.6.1.4.1.311.13.2.3", element(IA5, b"10.0.20348.2")), attribute(EXTENSION_REQUEST, usual)]
    good("own-as-certreq-lax", by, "in the shape that Windows' certreq gives it", hostile.pem(
        hostile.csr(subject=sequence(rdn(pair(3, NAME))), attributes=windows), "NEW CERTIFICATE REQUEST"), policy="lets_encrypt")
    hostile.rows(lambda name, expected, what, content, policy="device", grant=NAME:
                 bad(name, expected, by, what, content, policy=policy, grant=grant))


def has_pkg_config(name):
    return shutil.which("pkg-config") and subprocess.run(["pkg-config", "--exists", name]).returncode == 0


def debian(package):
    if shutil.which("dpkg-query") is None:
        raise Missing(package)
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    if found.returncode or not found.stdout:
        raise Missing(package)
    return re.match(r"(?:\d+:)?([\d.]+)", found.stdout)[1]


TOOLS = [writer, openssl, gnutls, go, java, mbedtls, wolfssl, boringssl, botan, nss, python, rust]
