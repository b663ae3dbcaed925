/* SPDX-License-Identifier: MIT */
/*
 * Connection strings of Chronicle: what is accepted is the same when it is written and read again;
 * what is refused, or redacted, does not show the secret that was put into it.
 *
 * Input: a line that is a string, and the pieces of one that stand around a password and a key.
 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "wire/chronicle_string.h"
#include "wire/url.h"

#define SECRET "Zq9Kv"

static struct bl_chronicle_string *read_again(const struct bl_buf *out, struct bl_mem *mem)
{
    struct bl_chronicle_string *s = NULL;
    int rc = bl_chronicle_string_parse(mem, bl_span(bl_buf_head(out), bl_buf_len(out)), &s, NULL);

    /* Escapes may make it longer than a string may be. */
    BL_ASSERT(rc == 0 || bl_buf_len(out) > BL_URL_MAX);
    return s;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_same(const struct bl_chronicle_string *a, const struct bl_chronicle_string *b)
{
    BL_ASSERT(a->srv == b->srv && a->hosts_n == b->hosts_n && a->params_n == b->params_n);
    for (size_t i = 0; i < a->hosts_n; i++) {
        BL_ASSERT(is_same(a->hosts[i].name, b->hosts[i].name));
        BL_ASSERT(a->hosts[i].port == b->hosts[i].port && a->hosts[i].port > 0);
    }
    for (size_t i = 0; i < a->params_n; i++) {
        BL_ASSERT(is_same(a->params[i].key, b->params[i].key));
        BL_ASSERT(is_same(a->params[i].value, b->params[i].value));
        BL_ASSERT(i == 0 || strcmp(a->params[i - 1].key, a->params[i].key) <= 0);
    }
    BL_ASSERT(is_same(a->user, b->user) && is_same(a->password, b->password));
    BL_ASSERT(is_same(a->api_key, b->api_key));
    BL_ASSERT(a->no_auth == b->no_auth && a->disable_tls == b->disable_tls);
    BL_ASSERT(a->skip_tls_validation == b->skip_tls_validation && a->auth_port == b->auth_port);
    BL_ASSERT(a->balancer == b->balancer && is_same(a->name_server.name, b->name_server.name));
}

static void check_questions(const struct bl_chronicle_string *s)
{
    enum bl_chronicle_auth auth;
    struct belay_error error;

    if (bl_chronicle_string_auth(s, &auth, &error) < 0)
        fuzz_check_sentence(error.text, sizeof error.text);
    else
        BL_ASSERT(auth != BL_CHRONICLE_AUTH_API_KEY || s->api_key);
    if (bl_chronicle_string_check_tls(s, &error) < 0)
        fuzz_check_sentence(error.text, sizeof error.text);
}

static void check_accepted(const struct bl_chronicle_string *s, struct bl_mem *mem)
{
    struct bl_chronicle_string *again;
    struct bl_buf out = {0}, twice = {0};

    BL_ASSERT(bl_chronicle_string_write(s, &out) == 0);
    again = read_again(&out, mem);
    if (again) {
        check_same(s, again);
        BL_ASSERT(bl_chronicle_string_write(again, &twice) == 0);
        BL_ASSERT(bl_span_equal(bl_span(bl_buf_head(&out), bl_buf_len(&out)),
                                bl_span(bl_buf_head(&twice), bl_buf_len(&twice))));
    }
    check_questions(s);
    bl_chronicle_string_free(again);
    bl_buf_free(&out, mem);
    bl_buf_free(&twice, mem);
}

/* Other credentials leave nothing of the old ones. */
static void check_changed(const struct bl_chronicle_string *s)
{
    struct bl_chronicle_string *other;

    if (bl_chronicle_string_with_api_key(s, "k", &other, NULL) == 0) {
        enum bl_chronicle_auth auth;

        BL_ASSERT(bl_chronicle_string_auth(other, &auth, NULL) == 0);
        BL_ASSERT(auth == BL_CHRONICLE_AUTH_API_KEY && !other->user && !other->password);
        BL_ASSERT(other->hosts_n == s->hosts_n && other->disable_tls == s->disable_tls);
        bl_chronicle_string_free(other);
    }
}

static bool shows(const char *text, size_t len)
{
    return memmem(text, len, SECRET, strlen(SECRET)) != NULL;
}

static void check_text(struct bl_span text, bool secret, struct bl_mem *mem)
{
    struct bl_chronicle_string *s;
    struct belay_error error = {0};
    struct bl_buf out = {0};

    if (bl_chronicle_string_parse(mem, text, &s, &error) < 0) {
        BL_ASSERT(error.code == BELAY_EINVAL);
        fuzz_check_sentence(error.text, sizeof error.text);
        BL_ASSERT(!secret || !shows(error.text, strlen(error.text)));
        return;
    }
    check_accepted(s, mem);
    check_changed(s);
    BL_ASSERT(bl_chronicle_string_write_redacted(s, &out) == 0);
    BL_ASSERT(!secret || !shows(bl_buf_head(&out), bl_buf_len(&out)));
    bl_buf_free(&out, mem);
    bl_chronicle_string_free(s);
}

static bool has_none_of(struct bl_span text, const char *set)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || strchr(set, text.data[i]))
            return false;
    }
    return true;
}

/* A password, with anything around it, and a key, which nothing ends; the host is in order. */
static void check_secrets(struct bl_span before, struct bl_span after, struct bl_span host,
                          struct bl_mem *mem)
{
    char text[512];
    int n;

    if (!has_none_of(host, "@?=&%/:") || host.len > 100 || before.len > 100 || after.len > 100)
        return;
    if (host.len > 0 && shows(host.data, host.len))
        return;
    n = snprintf(text, sizeof text, "chronicle://u:%.*s" SECRET "%.*s@%.*s", (int)before.len,
                 before.data ? before.data : "", (int)after.len, after.data ? after.data : "",
                 (int)host.len, host.data ? host.data : "");
    /* "&" and "=" after a "?" are keys, which are no secrets by their place. */
    if (has_none_of(before, "?") && has_none_of(after, "?"))
        check_text(bl_span(text, (size_t)n), true, mem);
    if (!has_none_of(before, "&%") || !has_none_of(after, "&"))
        return;
    n = snprintf(text, sizeof text, "chronicle://%.*s?apiKey=%.*s" SECRET "%.*s", (int)host.len,
                 host.data ? host.data : "", (int)before.len, before.data ? before.data : "",
                 (int)after.len, after.data ? after.data : "");
    check_text(bl_span(text, (size_t)n), true, mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct bl_span text = fuzz_line(&in), before = fuzz_line(&in), after = fuzz_line(&in);
    struct bl_span host = fuzz_rest(&in);
    struct bl_mem mem;

    bl_mem_init(&mem, NULL);
    check_text(text, false, &mem);
    check_secrets(before, after, host, &mem);
    BL_ASSERT(mem.live == 0);
    return 0;
}
