/* SPDX-License-Identifier: MIT */
/* Digests: the canonical encoding of an identity, and pins of public keys. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "net/tls.h"

#define PIN_PREFIX   "sha256//"
#define PIN_BASE64_N 44

int bl_tls_print_begin(struct bl_tls_print *print)
{
    print->md = EVP_MD_CTX_new();
    print->failed = !print->md || EVP_DigestInit_ex(print->md, EVP_sha256(), NULL) != 1;
    if (!print->failed)
        return 0;
    bl_tls_print_end(print, NULL);
    return BELAY_ENOMEM;
}

static void put(struct bl_tls_print *print, const void *data, uint64_t len)
{
    uint8_t prefix[8];

    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)(len >> (56 - 8 * i));
    if (EVP_DigestUpdate(print->md, prefix, sizeof prefix) != 1 ||
        EVP_DigestUpdate(print->md, data, (size_t)len) != 1)
        print->failed = true;
}

void bl_tls_print_field(struct bl_tls_print *print, const char *tag, const void *data, size_t len)
{
    put(print, tag, strlen(tag));
    put(print, data, len);
}

void bl_tls_print_text(struct bl_tls_print *print, const char *tag, const char *text)
{
    if (text)
        bl_tls_print_field(print, tag, text, strlen(text));
}

void bl_tls_print_number(struct bl_tls_print *print, const char *tag, uint64_t number)
{
    bl_tls_print_field(print, tag, &number, sizeof number);
}

int bl_tls_print_end(struct bl_tls_print *print, uint8_t *digest)
{
    if (digest && (print->failed || EVP_DigestFinal_ex(print->md, digest, NULL) != 1))
        print->failed = true;
    EVP_MD_CTX_free(print->md);
    print->md = NULL;
    return print->failed ? BELAY_ENOMEM : 0;
}

bool bl_tls_sha256(const void *data, size_t len, uint8_t digest[BL_TLS_DIGEST])
{
    return EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) == 1;
}

bool bl_tls_key_digest(const X509 *cert, uint8_t digest[BL_TLS_DIGEST])
{
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    bool ok = len > 0 && bl_tls_sha256(der, (size_t)len, digest);

    OPENSSL_free(der);
    return ok;
}

void bl_tls_pin_print(const uint8_t digest[BL_TLS_DIGEST], char out[BL_TLS_PIN_TEXT])
{
    unsigned char base64[PIN_BASE64_N + 1];

    EVP_EncodeBlock(base64, digest, BL_TLS_DIGEST);
    snprintf(out, BL_TLS_PIN_TEXT, PIN_PREFIX "%s", (const char *)base64);
}

bool bl_tls_pin_parse(const char *text, uint8_t digest[BL_TLS_DIGEST])
{
    size_t prefix = sizeof PIN_PREFIX - 1;
    unsigned char bytes[PIN_BASE64_N / 4 * 3];
    char again[BL_TLS_PIN_TEXT];

    if (!text || strlen(text) != prefix + PIN_BASE64_N ||
        EVP_DecodeBlock(bytes, (const unsigned char *)text + prefix, PIN_BASE64_N) !=
            (int)sizeof bytes)
        return false;
    /* The decoder is generous with blanks and padding; printed again, only the true form is the
     * same. */
    bl_tls_pin_print(bytes, again);
    if (strcmp(again, text) != 0)
        return false;
    memcpy(digest, bytes, BL_TLS_DIGEST);
    return true;
}

int bl_tls_digest_compare(const void *a, const void *b)
{
    return memcmp(a, b, BL_TLS_DIGEST);
}

const uint8_t *bl_tls_fingerprint(const struct belay_tls *tls)
{
    return tls->fingerprint;
}
