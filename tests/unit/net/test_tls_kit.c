/* SPDX-License-Identifier: MIT */
#include "test_tls_kit.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "belay/loop.h"

/* ---- the loop ---- */

static uint64_t fixed_now(void *arg)
{
    (void)arg;
    return 1000000000;
}

static int64_t wall(void *arg)
{
    return ((struct kit *)arg)->wall_ms;
}

int kit_set_up(void **state)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct kit *kit = calloc(1, sizeof *kit);

    failing_alloc_init(&kit->alloc);
    kit->wall_ms = KIT_NOW_MS;
    kit->clock = (struct belay_clock){sizeof kit->clock, fixed_now, wall, kit};
    kit->world = belay_world_init();
    kit->world.clock = &kit->clock;
    kit->world.allocator = &kit->alloc.allocator;
    o.world = &kit->world;
    assert_int_equal(belay_loop_new(&o, &kit->loop, NULL), 0);
    snprintf(kit->dir, sizeof kit->dir, "/tmp/belay-tls-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
    *state = kit;
    return 0;
}

static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        char name[400];

        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlink(name) != 0)
            remove_dir(name);
    }
    closedir(dir);
    rmdir(path);
}

int kit_tear_down(void **state)
{
    struct kit *kit = *state;
    bool clean;

    belay_loop_free(kit->loop);
    clean = failing_alloc_live(&kit->alloc) == 0;
    remove_dir(kit->dir);
    free(kit);
    return clean ? 0 : -1;
}

/* ---- certificates ---- */

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static void set_date(ASN1_TIME *out, int days)
{
    assert_non_null(ASN1_TIME_adj(out, (time_t)(KIT_NOW_MS / 1000), days, 0));
}

struct kit_cert kit_cert_make(const struct kit_cert_plan *plan)
{
    static long serial = 1;
    struct kit_cert made = {EVP_EC_gen("P-256"), X509_new()};
    X509_NAME *name = X509_get_subject_name(made.cert);
    X509 *issuer = plan->issuer ? plan->issuer->cert : made.cert;
    bool dated = plan->from_days || plan->to_days;

    X509_set_version(made.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    set_date(X509_getm_notBefore(made.cert), dated ? plan->from_days : -10);
    set_date(X509_getm_notAfter(made.cert), dated ? plan->to_days : 100);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)plan->cn, -1, -1,
                               0);
    X509_set_issuer_name(made.cert, X509_get_subject_name(issuer));
    X509_set_pubkey(made.cert, made.key);
    add_extension(made.cert, issuer, NID_basic_constraints,
                  plan->ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (plan->san)
        add_extension(made.cert, issuer, NID_subject_alt_name, plan->san);
    assert_true(X509_sign(made.cert, plan->issuer ? plan->issuer->key : made.key, EVP_sha256()) >
                0);
    return made;
}

void kit_cert_free(struct kit_cert *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->cert);
}

static struct kit_cert the_ca, the_site;

static void free_made(void)
{
    kit_cert_free(&the_ca);
    kit_cert_free(&the_site);
}

const struct kit_cert *kit_ca(void)
{
    if (!the_ca.cert) {
        the_ca = kit_cert_make(&(struct kit_cert_plan){.cn = "Test CA", .ca = true});
        atexit(free_made);
    }
    return &the_ca;
}

const struct kit_cert *kit_site(void)
{
    if (!the_site.cert)
        the_site = kit_cert_make(&(struct kit_cert_plan){
            .cn = "a.test", .san = "DNS:a.test,DNS:*.w.test,IP:127.0.0.1", .issuer = kit_ca()});
    return &the_site;
}

static char *text_of(BIO *bio)
{
    char *at, *text;
    long len = BIO_get_mem_data(bio, &at);

    text = strndup(at, (size_t)len);
    BIO_free(bio);
    return text;
}

char *kit_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_true(PEM_write_bio_X509(bio, cert));
    return text_of(bio);
}

const char *kit_file(struct kit *kit, const char *name, const char *text)
{
    static char paths[4][160];
    static unsigned next;
    char *path = paths[next++ % 4];
    FILE *file;

    snprintf(path, sizeof paths[0], "%s/%s", kit->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

const char *kit_cert_file(struct kit *kit, const char *name, X509 *const *certs, size_t n)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *path;
    char *text;

    for (size_t i = 0; i < n; i++)
        assert_true(PEM_write_bio_X509(bio, certs[i]));
    text = text_of(bio);
    path = kit_file(kit, name, text);
    free(text);
    return path;
}

const char *kit_key_file(struct kit *kit, const char *name, EVP_PKEY *key, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *path;
    char *text;

    assert_true(PEM_write_bio_PKCS8PrivateKey(bio, key, passphrase ? EVP_aes_128_cbc() : NULL,
                                              passphrase, passphrase ? (int)strlen(passphrase) : 0,
                                              NULL, NULL));
    text = text_of(bio);
    path = kit_file(kit, name, text);
    free(text);
    return path;
}

struct belay_tls *kit_identity(struct kit *kit, void (*more)(struct belay_tls_options *o))
{
    struct belay_tls_options o = belay_tls_options_init();
    struct belay_tls *tls = NULL;
    char *pem = kit_pem(kit_ca()->cert);

    o.ca_pem = pem;
    if (more)
        more(&o);
    assert_int_equal(belay_tls_new(kit->loop, &o, &tls, NULL), 0);
    free(pem);
    return tls;
}

/* ---- the pipe ---- */

static struct kit_wire *wire_of(struct bl_filter *f)
{
    return BL_CONTAINER(f, struct kit_wire, filter);
}

static ptrdiff_t wire_read(struct bl_filter *f, void *out, size_t size, struct belay_error *error)
{
    struct kit_wire *w = wire_of(f);
    size_t n = bl_buf_len(&w->in);

    if (w->stutter && w->calls++ % 2 == 0)
        return BELAY_EAGAIN;
    if (n == 0 && w->broken)
        return bl_error_set(error, w->broken, BELAY_STAGE_NONE, "the wire is broken");
    if (n == 0)
        return w->eof ? 0 : BELAY_EAGAIN;
    n = n < size ? n : size;
    n = w->chop ? 1 : n;
    memcpy(out, bl_buf_head(&w->in), n);
    bl_buf_consume(&w->in, n);
    w->reads++;
    return (ptrdiff_t)n;
}

static ptrdiff_t wire_write(struct bl_filter *f, const struct belay_bytes *bytes, size_t n,
                            struct belay_error *error)
{
    struct kit_wire *w = wire_of(f);
    size_t total = 0;

    if (w->broken)
        return bl_error_set(error, w->broken, BELAY_STAGE_NONE, "the wire is broken");
    if (w->choked || (w->stutter && w->calls++ % 2 == 0))
        return BELAY_EAGAIN;
    for (size_t i = 0; i < n && !(w->chop && total); i++) {
        size_t len = w->chop ? 1 : bytes[i].len;

        bl_buf_append(&w->out, &w->mem, bytes[i].data, len);
        total += len;
    }
    w->writes++;
    return (ptrdiff_t)total;
}

static int wire_shutdown(struct bl_filter *f, struct belay_error *error)
{
    (void)error;
    wire_of(f)->shut = true;
    return 0;
}

static void wire_close(struct bl_filter *f)
{
    struct kit_wire *w = wire_of(f);

    bl_buf_free(&w->in, &w->mem);
    bl_buf_free(&w->out, &w->mem);
    w->closed = true;
}

static const struct bl_filter_ops wire_ops = {
    .name = "wire",
    .read = wire_read,
    .write = wire_write,
    .shutdown = wire_shutdown,
    .close = wire_close,
};

/* ---- the server ---- */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    const char *mine = arg;
    static unsigned char wire[64]; /* outlives the call: *out points into it */

    (void)ssl;
    wire[0] = (unsigned char)strlen(mine);
    memcpy(wire + 1, mine, wire[0]);
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, wire, wire[0] + 1u, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

/* The server's idea of the date is the kit's too. */
static void trust_clients(SSL_CTX *ctx)
{
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), (time_t)(KIT_NOW_MS / 1000));
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), kit_ca()->cert);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
}

SSL_CTX *kit_server(const struct kit_server_plan *plan)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const struct kit_cert *cert = plan && plan->cert ? plan->cert : kit_site();

    assert_int_equal(SSL_CTX_use_certificate(ctx, cert->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, cert->key), 1);
    SSL_CTX_set_security_level(ctx, 0);
    if (plan && plan->max_version)
        SSL_CTX_set_max_proto_version(ctx, plan->max_version);
    if (plan && plan->alpn)
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, (void *)(uintptr_t)plan->alpn);
    if (plan && plan->wants_client)
        trust_clients(ctx);
    return ctx;
}

static void move_to_server(struct kit_pair *pair)
{
    struct kit_wire *w = &pair->wire;
    size_t n = bl_buf_len(&w->out);

    if (n > 0)
        BIO_write(SSL_get_rbio(pair->server), bl_buf_head(&w->out), (int)n);
    bl_buf_clear(&w->out);
}

static void move_to_client(struct kit_pair *pair)
{
    char *data;
    long n = BIO_get_mem_data(SSL_get_wbio(pair->server), &data);

    if (n > 0)
        assert_int_equal(bl_buf_append(&pair->wire.in, &pair->wire.mem, data, (size_t)n), 0);
    BIO_reset(SSL_get_wbio(pair->server));
}

void kit_pump(struct kit_pair *pair)
{
    if (!pair->server)
        return;
    ERR_clear_error();
    move_to_server(pair);
    if (!SSL_is_init_finished(pair->server)) {
        int result = SSL_do_handshake(pair->server);

        if (result != 1 && SSL_get_error(pair->server, result) == SSL_ERROR_SSL)
            pair->server_failed = true;
    }
    move_to_client(pair);
    ERR_clear_error();
}

/* ---- two ends ---- */

void kit_pair_init(struct kit_pair *pair, struct kit *kit, SSL_CTX *ctx)
{
    memset(pair, 0, sizeof *pair);
    pair->kit = kit;
    pair->wire.filter.ops = &wire_ops;
    bl_mem_init(&pair->wire.mem, NULL);
    if (!ctx)
        return;
    pair->server = SSL_new(ctx);
    SSL_set_bio(pair->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(pair->server);
}

int kit_dial_want(struct kit_pair *pair, const struct bl_tls_want *want)
{
    return bl_tls_filter_new(pair->kit->loop, want, &pair->wire.filter, &pair->client,
                             &pair->error);
}

int kit_dial(struct kit_pair *pair, struct belay_tls *tls, const char *name)
{
    struct bl_tls_want want = {.tls = tls,
                               .server_name = name ? name : "a.test",
                               .session_key = "key",
                               .session_key_len = 3};

    return kit_dial_want(pair, &want);
}

int kit_shake(struct kit_pair *pair)
{
    int code = BELAY_EAGAIN;

    for (int i = 0; i < 100000 && code == BELAY_EAGAIN; i++) {
        code = pair->client->ops->start(pair->client, &pair->error);
        if (code == BELAY_EAGAIN)
            assert_int_not_equal(pair->client->ops->want(pair->client), 0);
        kit_pump(pair);
    }
    return code;
}

int kit_connect(struct kit_pair *pair, struct kit *kit, SSL_CTX *ctx, struct belay_tls *tls)
{
    kit_pair_init(pair, kit, ctx);
    assert_int_equal(kit_dial(pair, tls, NULL), 0);
    return kit_shake(pair);
}

void kit_pair_close(struct kit_pair *pair)
{
    if (pair->client)
        pair->client->ops->close(pair->client);
    assert_false(pair->wire.closed);
    wire_close(&pair->wire.filter);
    if (pair->server)
        SSL_set_shutdown(pair->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(pair->server);
}

ptrdiff_t kit_read(struct kit_pair *pair, void *out, size_t size)
{
    ptrdiff_t n = BELAY_EAGAIN;

    for (int i = 0; i < 100000 && n == BELAY_EAGAIN; i++) {
        bool idle = bl_buf_len(&pair->wire.in) == 0 && !pair->wire.stutter && i > 1;

        kit_pump(pair);
        n = bl_filter_read(pair->client, out, size, &pair->error);
        if (idle)
            break;
    }
    return n;
}

void kit_write_all(struct kit_pair *pair, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        struct belay_bytes bytes = {(const char *)data + done, len - done};
        ptrdiff_t n = bl_filter_write(pair->client, &bytes, 1, &pair->error);

        assert_true(n > 0 || n == BELAY_EAGAIN);
        done += n > 0 ? (size_t)n : 0;
        kit_pump(pair);
    }
}

void kit_server_writes(struct kit_pair *pair, const void *data, size_t len)
{
    assert_int_equal(SSL_write(pair->server, data, (int)len), (int)len);
    kit_pump(pair);
}

size_t kit_server_reads(struct kit_pair *pair, void *out, size_t size)
{
    size_t total = 0, n = 0;

    kit_pump(pair);
    while (total < size && SSL_read_ex(pair->server, (char *)out + total, size - total, &n) == 1)
        total += n;
    kit_pump(pair);
    return total;
}

void kit_exchange(struct kit_pair *pair)
{
    char got[64];

    kit_write_all(pair, "0123456789", 10);
    assert_int_equal(kit_server_reads(pair, got, sizeof got), 10);
    assert_memory_equal(got, "0123456789", 10);
    kit_server_writes(pair, "9876543210", 10);
    for (size_t n = 0; n < 10;) {
        ptrdiff_t r = kit_read(pair, got + n, sizeof got - n);

        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_memory_equal(got, "9876543210", 10);
}

void assert_says(const struct belay_error *error, int code, const char *words)
{
    if (error->code != code || !strstr(error->text, words))
        fail_msg("expected %s with \"%s\", got %s \"%s\"", belay_error_name(code), words,
                 belay_error_name(error->code), error->text);
}
