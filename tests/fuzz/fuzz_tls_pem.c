/* SPDX-License-Identifier: MIT */
/* Files of PEM, as the trust store and the client's certificate read them. */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "belay/error.h"
#include "fuzz/fuzz.h"
#include "net/tls_pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bl_tls_pem pem = {
        .noun = "CA file", .path = "some.pem", .data = (char *)(uintptr_t)data, .len = size};
    struct belay_error error = {.code = 0};
    int code = 0, number = 0;
    X509 *cert;
    BIO *bio;

    if (size == 0)
        return 0; /* refused when the file is read */
    bio = bl_tls_pem_bio(&pem, &error);
    BL_ASSERT(bio != NULL);
    while ((cert = bl_tls_pem_cert(bio, &pem, ++number, &code, &error))) {
        BL_ASSERT(code == 0);
        X509_free(cert);
        BL_ASSERT((size_t)number <= size);
    }
    BL_ASSERT(code == 0 || code == BELAY_EFILE);
    if (code == 0) {
        BL_ASSERT(ERR_peek_error() == 0);
        BL_ASSERT(bl_tls_pem_no_cert(&pem, &error) == BELAY_EFILE);
    }
    BL_ASSERT(code == 0 || error.code == code);
    fuzz_check_sentence(error.text, sizeof error.text);
    ERR_clear_error();
    BIO_free(bio);
    return 0;
}
