/* SPDX-License-Identifier: MIT */
/*
 * What the tls_*.c files share: the identity, the tickets kept per peer, and the filter.
 *
 *     tls_identity.c     options to an SSL_CTX      tls_session.c  tickets, LRU over peers
 *     tls_pem.c          files of PEM               tls_filter.c   the filter's functions
 *     tls_fingerprint.c  what makes two identities  tls_bio.c      OpenSSL's way to the filter
 * below equal; pins                tls_verify.c   why a certificate was refused tls_facts.c what a
 * handshake came to   tls_error.c    what OpenSSL's results mean
 */
#ifndef BL_NET_TLS_H
#define BL_NET_TLS_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/map.h"
#include "net/filter.h"

#define BL_TLS_DIGEST   32 /* SHA-256 */
#define BL_TLS_TICKETS  4  /* kept per peer */
#define BL_TLS_FIRST    32 /* bytes of the peer's that an error can show */
#define BL_TLS_FILE_MAX (16u << 20)
#define BL_TLS_PIN_TEXT 64

struct belay_tls {
    struct belay_loop *loop;
    uint32_t refs;
    uint32_t sessions_max; /* 0: no resumption */
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    bool foreign;   /* the caller's SSL_CTX: its callbacks and modes are left alone */
    bool no_verify; /* believed, whoever answers */
    bool no_verify_name;
    uint32_t pins_n;
    uint8_t (*pins)[BL_TLS_DIGEST]; /* sorted */
    uint8_t fingerprint[BL_TLS_DIGEST];
    struct bl_map peers;
    struct bl_list recent; /* peers, the last dialled first */
};

/* ---- tls_facts.c ---- */

/* A certificate for those who ask: connections to one peer share it, as it seldom changes. */
struct bl_tls_shown {
    uint32_t refs;
    uint32_t len;
    X509 *cert;
    char pin[BL_TLS_PIN_TEXT];
    uint8_t der[];
};
void bl_tls_shown_put(struct bl_mem *mem, struct bl_tls_shown *shown);
int bl_tls_facts(struct bl_filter *filter, struct belay_tls_facts *facts);

/* ---- tls_session.c ---- */

/* The tickets of one name under one session key. Connections refer to it; it goes when neither they
   nor tickets are left. */
struct bl_tls_peer {
    struct bl_map_node node;
    struct bl_list recent; /* linked while it is in the map */
    uint32_t refs;
    uint32_t tickets_n;
    struct {
        SSL_SESSION *session;
        int64_t expires_ms;     /* wall clock */
    } tickets[BL_TLS_TICKETS];  /* the newest last */
    struct bl_tls_shown *shown; /* the last certificate that was asked for */
    uint32_t key_len;
    uint8_t key[];
};

void bl_tls_sessions_init(struct belay_tls *tls);
void bl_tls_sessions_fini(struct belay_tls *tls);
/* With a reference. NULL when memory is out. */
struct bl_tls_peer *bl_tls_peer_get(struct belay_tls *tls, const char *name, const void *key,
                                    size_t key_len);
void bl_tls_peer_put(struct belay_tls *tls, struct bl_tls_peer *peer);
/* The newest ticket that is still good, taken out: it is the caller's reference. NULL: none. */
SSL_SESSION *bl_tls_session_take(struct belay_tls *tls, struct bl_tls_peer *peer);
/* Takes over a reference. Never allocates. */
void bl_tls_session_keep(struct belay_tls *tls, struct bl_tls_peer *peer, SSL_SESSION *session);

/* ---- tls_filter.c, tls_open.c, tls_bio.c ---- */

struct bl_tls_filter {
    struct bl_filter filter;
    struct belay_tls *tls;
    SSL *ssl;
    struct bl_tls_peer *peer;  /* NULL: no resumption */
    struct belay_error *error; /* of the call in progress, for BIO and verification */
    SSL_SESSION *seen;         /* with a foreign SSL_CTX: the session last looked at, a reference */
    char *alpn;
    struct bl_tls_shown *shown; /* once asked for */
    int below_code;             /* the error of the filter below in this call; 0: none */
    uint8_t want;               /* what the obvious does not cover */
    bool up : 1;                /* the handshake is done and its result accepted */
    bool heard : 1;             /* application bytes have come */
    bool failed : 1;            /* TLS failed: the session is not to be resumed */
    bool refused : 1;           /* *error says why the certificate was refused */
    bool starved : 1;           /* in this call, the filter below had nothing to give */
    bool choked : 1;            /* in this call, it took nothing */
    bool ended : 1;             /* our close_notify is out */
    bool eof : 1;               /* the filter below has ended */
    bool discreet : 1;          /* errors quote nothing that came */
    uint8_t first_n;
    char first[BL_TLS_FIRST]; /* what the peer began with, to be shown if it is not TLS */
};

void bl_tls_filter_init(struct bl_tls_filter *f, struct belay_tls *tls, struct bl_filter *below);
BIO_METHOD *bl_tls_bio_method(void); /* NULL when memory is out */
/* A BIO over the filter below `f`, and `f` of an SSL made with it. */
BIO *bl_tls_bio_new(const BIO_METHOD *method, struct bl_tls_filter *f);
struct bl_tls_filter *bl_tls_filter_of(const SSL *ssl);
/* Before a handshake fails: what the peer sent meanwhile, as far as it fits in `first`. */
void bl_tls_bio_listen(struct bl_tls_filter *f);

/* For SSL_CTX_sess_set_new_cb. */
int bl_tls_on_session(SSL *ssl, SSL_SESSION *session);

/* ---- tls_verify.c, tls_error.c ---- */

/* An SSL_verify_cb that writes the reason into the error of the call in progress. */
int bl_tls_verify(int ok, X509_STORE_CTX *ctx);
/* BELAY_EPIN unless the peer's public key is pinned, or nothing is. */
int bl_tls_check_pins(struct bl_tls_filter *f, struct belay_error *error);

/* What a result <= 0 of an SSL function means: 0 (close_notify came), BELAY_EAGAIN or an error,
 * described. */
int bl_tls_result(struct bl_tls_filter *f, int result, struct belay_error *error);
/* The error queue while an identity is made: BELAY_ENOMEM, or BELAY_ETLS with OpenSSL's words. */
int bl_tls_setup_failed(struct belay_error *error, const char *what);
/* Whether memory being out is among what the error queue holds. */
bool bl_tls_out_of_memory(void);
/* OpenSSL's words for an entry of the error queue, such as its oldest. */
const char *bl_tls_reason(unsigned long e);

/* ---- tls_fingerprint.c ---- */

/* A digest over tagged, length-prefixed fields. A failure is remembered until the end. */
struct bl_tls_print {
    EVP_MD_CTX *md;
    bool failed;
};
int bl_tls_print_begin(struct bl_tls_print *print); /* BELAY_ENOMEM */
void bl_tls_print_field(struct bl_tls_print *print, const char *tag, const void *data, size_t len);
void bl_tls_print_text(struct bl_tls_print *print, const char *tag,
                       const char *text); /* NULL: absent */
void bl_tls_print_number(struct bl_tls_print *print, const char *tag, uint64_t number);
/* Frees what it holds; digest NULL: only that. */
int bl_tls_print_end(struct bl_tls_print *print, uint8_t *digest);

bool bl_tls_sha256(const void *data, size_t len, uint8_t digest[BL_TLS_DIGEST]);
/* SHA-256 of a certificate's public key, as pins have it. */
bool bl_tls_key_digest(const X509 *cert, uint8_t digest[BL_TLS_DIGEST]);
void bl_tls_pin_print(const uint8_t digest[BL_TLS_DIGEST], char out[BL_TLS_PIN_TEXT]);
bool bl_tls_pin_parse(const char *text, uint8_t digest[BL_TLS_DIGEST]);
int bl_tls_digest_compare(const void *a, const void *b);

/* ---- tls_trust.c, tls_client.c ---- */

/* Trust and identity from PEM into an SSL_CTX and its fingerprint: BELAY_EFILE with file and
 * reason. */
int bl_tls_load_trust(struct belay_tls *tls, const struct belay_tls_options *o,
                      struct bl_tls_print *print, struct belay_error *error);
int bl_tls_load_client(struct belay_tls *tls, const struct belay_tls_options *o,
                       struct bl_tls_print *print, struct belay_error *error);

#endif
