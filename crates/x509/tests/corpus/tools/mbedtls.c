/* CSRs as Mbed TLS writes them: mbedtls OUT KEY NAME SUBJECT USAGE(0|1) */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_csr.h>
#include <stdio.h>
#include <string.h>

#define MUST(call) if ((call) != 0) { fprintf(stderr, "%s failed\n", #call); return 1; }

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context key;
    mbedtls_x509write_csr csr;
    unsigned char text[4096], san[300];
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_pk_init(&key);
    mbedtls_x509write_csr_init(&csr);
    MUST(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0));
    MUST(mbedtls_pk_parse_keyfile(&key, argv[2], NULL));
    mbedtls_x509write_csr_set_key(&csr, &key);
    mbedtls_x509write_csr_set_md_alg(&csr, MBEDTLS_MD_SHA256);
    MUST(mbedtls_x509write_csr_set_subject_name(&csr, argv[4]));
    /* This version has no function for names: the extension is given as DER. */
    size_t length = strlen(argv[3]);
    if (length > 100) return 2;
    san[0] = 0x30, san[1] = (unsigned char) (length + 2), san[2] = 0x82, san[3] = (unsigned char) length;
    memcpy(san + 4, argv[3], length);
    MUST(mbedtls_x509write_csr_set_extension(&csr, "\x55\x1d\x11", 3, san, length + 4));
    if (argv[5][0] == '1') {
        MUST(mbedtls_x509write_csr_set_key_usage(&csr, MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_ENCIPHERMENT));
    }
    MUST(mbedtls_x509write_csr_pem(&csr, text, sizeof text, mbedtls_ctr_drbg_random, &random));
    FILE *out = fopen(argv[1], "w");
    if (out == NULL || fputs((char *) text, out) < 0 || fclose(out) != 0) return 1;
    return 0;
}
