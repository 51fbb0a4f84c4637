/* CSRs as wolfSSL writes them: wolfssl OUT KEY.der NAME rsa|ec CN(0|1). The key is in the form of RFC 8017 or RFC 5915. */
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    byte der[8192], out[4096];
    FILE *file = fopen(argv[2], "rb");
    if (file == NULL) return 1;
    size_t size = fread(der, 1, sizeof der, file);
    fclose(file);
    WC_RNG random;
    RsaKey rsa;
    ecc_key ec;
    word32 at = 0;
    int is_rsa = strcmp(argv[4], "rsa") == 0;
    if (wc_InitRng(&random) != 0 || wc_InitRsaKey(&rsa, NULL) != 0 || wc_ecc_init(&ec) != 0) return 1;
    if ((is_rsa ? wc_RsaPrivateKeyDecode(der, &at, &rsa, size) : wc_EccPrivateKeyDecode(der, &at, &ec, size)) != 0) return 1;
    if (!is_rsa && wc_ecc_make_pub(&ec, NULL) != 0) return 1;
    Cert request;
    wc_InitCert(&request);
    request.version = 0;
    if (argv[5][0] == '1') strncpy(request.subject.commonName, argv[3], CTC_NAME_SIZE - 1);
    size_t length = strlen(argv[3]);
    if (length > 100) return 2;
    request.altNames[0] = 0x30, request.altNames[1] = (byte) (length + 2);
    request.altNames[2] = 0x82, request.altNames[3] = (byte) length;
    memcpy(request.altNames + 4, argv[3], length);
    request.altNamesSz = (int) length + 4;
    request.sigType = is_rsa ? CTC_SHA256wRSA : CTC_SHA256wECDSA;
    int made = wc_MakeCertReq(&request, out, sizeof out, is_rsa ? &rsa : NULL, is_rsa ? NULL : &ec);
    if (made < 0) { fprintf(stderr, "wc_MakeCertReq %d\n", made); return 1; }
    made = wc_SignCert(request.bodySz, request.sigType, out, sizeof out, is_rsa ? &rsa : NULL, is_rsa ? NULL : &ec, &random);
    if (made < 0) { fprintf(stderr, "wc_SignCert %d\n", made); return 1; }
    file = fopen(argv[1], "wb");
    return file == NULL || fwrite(out, 1, (size_t) made, file) != (size_t) made || fclose(file) != 0;
}
