/* SPDX-License-Identifier: MIT */
/* A new TLS filter: SSL with names, ALPN, a ticket and the loop's idea of the date. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "net/tls.h"

#define SERVER_NAME_MAX 255

/* A name as certificates and SNI have it: without the final dot. */
struct peer_name {
    char text[SERVER_NAME_MAX + 1];
    bool is_ip;
    struct belay_addr addr;
};

static int parse_name(const char *given, struct peer_name *ret, struct belay_error *error)
{
    size_t len = given ? strlen(given) : 0;

    if (len > 1 && given[len - 1] == '.')
        len--;
    if (len > SERVER_NAME_MAX)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_TLS,
                            "the name to verify is longer than %d bytes", SERVER_NAME_MAX);
    memcpy(ret->text, given ? given : "", len);
    ret->text[len] = '\0';
    ret->is_ip = len > 0 && belay_addr_parse_ip(ret->text, len, 0, &ret->addr) == 0;
    return 0;
}

/* Only subjectAltName counts (RFC 9525), and a wildcard stands for one whole label. */
static bool expect_name(X509_VERIFY_PARAM *param, const struct peer_name *name)
{
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (name->is_ip)
        return X509_VERIFY_PARAM_set1_ip(param, name->addr.u.ip,
                                         name->addr.family == BELAY_FAMILY_IPV4 ? 4 : 16) == 1;
    return X509_VERIFY_PARAM_set1_host(param, name->text, 0) == 1;
}

static int set_verification(struct bl_tls_filter *f, const struct peer_name *name,
                            struct belay_error *error)
{
    struct belay_tls *tls = f->tls;
    X509_VERIFY_PARAM *param = SSL_get0_param(f->ssl);

    if (tls->foreign && SSL_get_verify_callback(f->ssl) == NULL)
        SSL_set_verify(f->ssl, SSL_get_verify_mode(f->ssl), bl_tls_verify);
    /* A caller's SSL_CTX may have a date of its own. */
    if (!(X509_VERIFY_PARAM_get_flags(param) & X509_V_FLAG_USE_CHECK_TIME))
        X509_VERIFY_PARAM_set_time(param, (time_t)(bl_wall_ms(tls->loop) / 1000));
    if (tls->no_verify || tls->no_verify_name)
        return 0;
    if (name->text[0] == '\0')
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_TLS,
                            "there is no name to verify the peer's certificate against");
    return expect_name(param, name) ? 0 : bl_tls_setup_failed(error, "setting the name to verify");
}

static int set_resumption(struct bl_tls_filter *f, const struct bl_tls_want *want,
                          const struct peer_name *name, struct belay_error *error)
{
    SSL_SESSION *session;

    if (f->tls->sessions_max == 0 || !want->session_key || want->session_key_len == 0)
        return 0;
    f->peer = bl_tls_peer_get(f->tls, name->text, want->session_key, want->session_key_len);
    if (!f->peer)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    session = bl_tls_session_take(f->tls, f->peer);
    if (session) {
        SSL_set_session(f->ssl, session); /* if it does not fit, the handshake is a full one */
        SSL_SESSION_free(session);
    }
    return 0;
}

static int prepare(struct bl_tls_filter *f, const struct bl_tls_want *want,
                   struct belay_error *error)
{
    struct peer_name name;
    BIO *bio;
    int code = parse_name(want->server_name, &name, error);

    if (code != 0)
        return code;
    f->ssl = SSL_new(f->tls->ctx);
    bio = f->ssl ? bl_tls_bio_new(f->tls->bio, f) : NULL;
    if (!bio)
        return bl_tls_setup_failed(error, "making a TLS connection");
    SSL_set_bio(f->ssl, bio, bio);
    SSL_set_connect_state(f->ssl);
    SSL_set_read_ahead(f->ssl, 1);
    /* Not SSL_MODE_RELEASE_BUFFERS: it costs a request 1 % of its time, and `idle` frees them as
     * well. */
    SSL_set_mode(f->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_AUTO_RETRY);
    code = set_verification(f, &name, error);
    if (code == 0 && !want->no_sni && !name.is_ip && name.text[0] != '\0' &&
        SSL_set_tlsext_host_name(f->ssl, name.text) != 1)
        code = bl_tls_setup_failed(error, "setting the server name");
    if (code == 0 && want->alpn_len > 0 &&
        SSL_set_alpn_protos(f->ssl, want->alpn, (unsigned)want->alpn_len) != 0)
        code = bl_tls_setup_failed(error, "setting the protocols to offer");
    return code != 0 ? code : set_resumption(f, want, &name, error);
}

int bl_tls_filter_new(struct belay_loop *loop, const struct bl_tls_want *want,
                      struct bl_filter *below, struct bl_filter **ret, struct belay_error *error)
{
    struct bl_tls_filter *f = bl_zalloc(&loop->mem, sizeof *f);
    int code;

    if (!f)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    bl_tls_filter_init(f, want->tls, below);
    f->discreet = want->discreet;
    ERR_clear_error();
    code = prepare(f, want, error);
    if (code != 0) {
        f->filter.ops->close(&f->filter);
        return code;
    }
    *ret = &f->filter;
    return 0;
}
