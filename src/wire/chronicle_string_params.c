/* SPDX-License-Identifier: MIT */
/* The query of a connection string: keys, and what their values mean. */
#include <stddef.h>

#include "base/assert.h"
#include "wire/chronicle_string_parser.h"
#include "wire/credentials.h"
#include "wire/field.h"

typedef int apply_fn(struct bl_chronicle_parser *p, const char *value, size_t field);

static apply_fn apply_text, apply_flag, apply_port, apply_auth, apply_balancer, apply_server;

#define FIELD(name) offsetof(struct bl_chronicle_string, name)

static const struct known {
    const char *key;
    apply_fn *apply;
    size_t field;
} known[] = {
    {"apiKey", apply_text, FIELD(api_key)},
    {"auth", apply_auth, 0},
    {"authPort", apply_port, FIELD(auth_port)},
    {"certificatePassword", apply_text, FIELD(certificate_password)},
    {"certificatePath", apply_text, FIELD(certificate_path)},
    {"disableTls", apply_flag, FIELD(disable_tls)},
    {"loadBalancer", apply_balancer, 0},
    {"skipCompatibilityCheck", apply_flag, FIELD(skip_compatibility_check)},
    {"skipTlsValidation", apply_flag, FIELD(skip_tls_validation)},
    {"srvNameServer", apply_server, 0},
};

static void *field_of(struct bl_chronicle_parser *p, size_t field)
{
    return (char *)p->s + field;
}

static const char *key_of(size_t field)
{
    for (size_t i = 0; i < BL_COUNT(known); i++) {
        if (known[i].field == field)
            return known[i].key;
    }
    BL_UNREACHABLE("a field without a key");
}

static bool is(const char *value, const char *word)
{
    return bl_span_equal_nocase(bl_span_of(value), bl_span_of(word));
}

/* ---- what values mean ---- */

static int apply_text(struct bl_chronicle_parser *p, const char *value, size_t field)
{
    *(const char **)field_of(p, field) = *value ? value : NULL;
    return 0;
}

static int apply_flag(struct bl_chronicle_parser *p, const char *value, size_t field)
{
    char shown[BL_CHRONICLE_VALUE_MAX];
    bool yes = is(value, "true");

    if (!yes && !is(value, "false"))
        return bl_url_refuse(&p->url, "%s is true or false, not%s", key_of(field),
                             bl_chronicle_show(p, value, shown));
    *(bool *)field_of(p, field) = yes;
    return 0;
}

static int apply_port(struct bl_chronicle_parser *p, const char *value, size_t field)
{
    char shown[BL_CHRONICLE_VALUE_MAX];
    uint64_t port;

    if (!bl_field_decimal(bl_span_of(value), UINT16_MAX, &port) || port == 0)
        return bl_url_refuse(&p->url, "%s%s is no port (1 to 65535)", key_of(field),
                             bl_chronicle_show(p, value, shown));
    *(uint16_t *)field_of(p, field) = (uint16_t)port;
    return 0;
}

static int apply_auth(struct bl_chronicle_parser *p, const char *value, size_t field)
{
    (void)field;
    if (*value && !is(value, "none"))
        return bl_url_refuse(&p->url, "the only value of auth is none (credentials and apiKey "
                                      "need none)");
    p->s->no_auth = *value != '\0';
    return 0;
}

static int apply_balancer(struct bl_chronicle_parser *p, const char *value, size_t field)
{
    static const char *const words[] = {"least-connections", "round-robin", "random"};
    char shown[BL_CHRONICLE_VALUE_MAX];

    (void)field;
    for (size_t i = 0; i < BL_COUNT(words); i++) {
        if (is(value, words[i])) {
            p->s->balancer = (enum bl_chronicle_balancer)i;
            return 0;
        }
    }
    return bl_url_refuse(&p->url, "loadBalancer is least-connections, round-robin or random, not%s",
                         bl_chronicle_show(p, value, shown));
}

static int apply_server(struct bl_chronicle_parser *p, const char *value, size_t field)
{
    struct bl_url_parser server = {.text = bl_span_of(value),
                                   .what = "srvNameServer",
                                   .all_secret = p->url.all_secret,
                                   .error = p->url.error};
    int rc;

    (void)field;
    if (*value == '\0')
        return 0;
    if (strpbrk(value, "@/?#"))
        return bl_url_refuse(&p->url, "srvNameServer is a host and a port");
    rc = bl_chronicle_parse_host(p->s->mem, &server, server.text, 53, &p->s->name_server);
    return rc == BELAY_ENOMEM ? bl_chronicle_no_memory(p) : rc;
}

/* ---- reading ---- */

static const struct known *find_known(const char *key)
{
    for (size_t i = 0; i < BL_COUNT(known); i++) {
        if (is(key, known[i].key))
            return &known[i];
    }
    return NULL;
}

/* Takes key and value, whether it fails or not. Behind those that are equal, so that they keep their
 * order. */
static void insert(struct bl_chronicle_string *s, char *key, char *value)
{
    size_t i = s->params_n++;

    while (i > 0 && strcmp(s->params[i - 1].key, key) > 0) {
        s->params[i] = s->params[i - 1];
        i--;
    }
    s->params[i] = (struct bl_chronicle_param){key, value};
}

static bool is_there(const struct bl_chronicle_string *s, const char *key)
{
    for (size_t i = 0; i < s->params_n; i++) {
        if (strcmp(s->params[i].key, key) == 0)
            return true;
    }
    return false;
}

/* `key` and `value` become the string's, whatever comes of them. */
static int take(struct bl_chronicle_parser *p, char *key, char *value)
{
    const struct known *k = find_known(key);
    bool again = false;

    if (k) {
        memcpy(key, k->key, strlen(key)); /* of the same length: spelt as it should be */
        again = is_there(p->s, key);
    }
    insert(p->s, key, value);
    if (again)
        return bl_url_refuse(&p->url, "%s is given twice", key);
    return k ? k->apply(p, value, k->field) : 0;
}

static int parse_param(struct bl_chronicle_parser *p, struct bl_span item)
{
    const char *equals = memchr(item.data, '=', item.len), *end = item.data + item.len;
    char *key = NULL, *value = NULL;
    int rc;

    if (p->s->params_n == BL_CHRONICLE_PARAMS_MAX)
        return bl_url_refuse(&p->url, "it has more than %d keys", BL_CHRONICLE_PARAMS_MAX);
    if (equals == item.data)
        return bl_url_refuse(&p->url, "a key is missing before \"=\"");
    if (memchr(item.data, '@', (size_t)((equals ? equals : end) - item.data)))
        return bl_url_refuse(&p->url, "a key contains an \"@\" (in a password, \"?\" is %%3F)");
    rc = bl_chronicle_decode(p, bl_span_between(item.data, equals ? equals : end), "a key", &key);
    if (rc < 0)
        return rc;
    rc = bl_chronicle_decode(p, equals ? bl_span_between(equals + 1, end) : bl_span("", 0),
                             find_known(key) ? find_known(key)->key : "a value", &value);
    if (rc < 0) {
        bl_free_secret(p->s->mem, key, strlen(key));
        return rc;
    }
    return take(p, key, value);
}

int bl_chronicle_parse_params(struct bl_chronicle_parser *p, struct bl_span query)
{
    struct bl_chronicle_string *s = p->s;
    const char *end, *at = query.data;
    size_t n = 1;

    if (query.len == 0)
        return 0;
    end = query.data + query.len;
    for (size_t i = 0; i < query.len; i++)
        n += query.data[i] == '&';
    n = n < BL_CHRONICLE_PARAMS_MAX ? n : BL_CHRONICLE_PARAMS_MAX;
    s->params = bl_zalloc(s->mem, n * sizeof s->params[0]);
    if (!s->params)
        return bl_chronicle_no_memory(p);
    while (at < end) {
        const char *amp = memchr(at, '&', (size_t)(end - at));
        struct bl_span item = bl_span_between(at, amp ? amp : end);
        int rc = item.len > 0 ? parse_param(p, item) : 0;

        if (rc < 0)
            return rc;
        at = amp ? amp + 1 : end;
    }
    return 0;
}
