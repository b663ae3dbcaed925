/* SPDX-License-Identifier: MIT */
/* Reading connection strings: the scheme, user and password, hosts. */
#include "base/error.h"
#include "base/text.h"
#include "wire/chronicle_string_parser.h"
#include "wire/credentials.h"

int bl_chronicle_no_memory(const struct bl_chronicle_parser *p)
{
    return bl_error_set(p->url.error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                        "no memory to read a connection string");
}

const char *bl_chronicle_show(const struct bl_chronicle_parser *p, const char *value,
                              char out[BL_CHRONICLE_VALUE_MAX])
{
    out[0] = '\0';
    if (p->url.all_secret)
        return out;
    out[0] = ' ';
    out[1] = '"';
    bl_text_show(out + 2, BL_CHRONICLE_VALUE_MAX - 3, value, strlen(value));
    strcat(out, "\"");
    return out;
}

/* ---- parts ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (bl_lower(c) >= 'a' && bl_lower(c) <= 'f');
}

static bool has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    }
    return false;
}

int bl_chronicle_decode(struct bl_chronicle_parser *p, struct bl_span part, const char *what,
                        char **ret)
{
    size_t len;
    char *plain;

    for (size_t i = 0; i < part.len; i++) {
        if (part.data[i] == '%' &&
            (part.len - i < 3 || !is_hex(part.data[i + 1]) || !is_hex(part.data[i + 2])))
            return bl_url_refuse(&p->url, "a \"%%\" in %s is no escape (write it as %%25)", what);
    }
    plain = bl_unescape(p->s->mem, part, &len);
    if (!plain)
        return bl_chronicle_no_memory(p);
    if (has_control(plain, len)) {
        bl_free_secret(p->s->mem, plain, len);
        return bl_url_refuse(&p->url, "%s contains a control character", what);
    }
    *ret = plain;
    return 0;
}

static int parse_userinfo(struct bl_chronicle_parser *p, struct bl_span info)
{
    const char *end = info.data + info.len;
    const char *colon = info.len ? memchr(info.data, ':', info.len) : NULL;
    int rc = 0;

    if (info.len > 0)
        rc = bl_chronicle_decode(p, bl_span_between(info.data, colon ? colon : end),
                                 "the user name", &p->s->user);
    if (rc == 0 && colon)
        rc = bl_chronicle_decode(p, bl_span_between(colon + 1, end), "the password",
                                 &p->s->password);
    return rc;
}

/* ---- hosts ---- */

int bl_chronicle_parse_host(struct bl_mem *mem, struct bl_url_parser *url, struct bl_span text,
                            uint16_t default_port, struct bl_chronicle_host *ret)
{
    char name[BL_HOST_MAX + 2];
    size_t len;
    int rc = 0;

    memset(&url->url, 0, sizeof url->url);
    url->url.scheme = BL_SCHEME_HTTP; /* of which a host may be followed by nothing */
    if (bl_url_is_bare_ipv6(text))
        rc = belay_addr_parse_ip(text.data, text.len, 0, &url->url.ip);
    else if (text.len > 1 && text.data[text.len - 1] == ':')
        rc = bl_url_refuse(url, "the port is missing");
    else
        rc = bl_url_parse_authority(url, text);
    if (rc < 0)
        return rc;
    len = bl_url_host(&url->url, name);
    ret->name = bl_strndup(mem, name, len);
    if (!ret->name)
        return BELAY_ENOMEM;
    ret->port_given = url->url.port_given;
    ret->port = ret->port_given ? url->url.port : default_port;
    ret->ip = url->url.ip;
    ret->ip.port = ret->ip.family == BELAY_FAMILY_NONE ? 0 : ret->port;
    return 0;
}

static size_t count_items(struct bl_span list)
{
    size_t n = 1;

    for (size_t i = 0; i < list.len; i++)
        n += list.data[i] == ',';
    return n;
}

static int check_srv(const struct bl_chronicle_parser *p)
{
    if (p->s->srv && p->s->hosts[0].ip.family != BELAY_FAMILY_NONE)
        return bl_url_refuse(&p->url, "chronicle+srv looks up a name, and the host is an address");
    return 0;
}

static int parse_hosts(struct bl_chronicle_parser *p, struct bl_span list)
{
    struct bl_chronicle_string *s = p->s;
    const char *end = list.data + list.len, *at = list.data;
    size_t n = count_items(list);

    if (s->srv && n > 1)
        return bl_url_refuse(&p->url, "chronicle+srv has a single host, whose records name the "
                                      "others");
    if (n > BL_CHRONICLE_HOSTS_MAX)
        return bl_url_refuse(&p->url, "it has more than %d hosts", BL_CHRONICLE_HOSTS_MAX);
    s->hosts = bl_zalloc(s->mem, n * sizeof s->hosts[0]);
    if (!s->hosts)
        return bl_chronicle_no_memory(p);
    while (s->hosts_n < n) {
        const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        struct bl_span item = bl_span_between(at, comma ? comma : end);
        int rc;

        if (item.len == 0 && n > 1)
            return bl_url_refuse(&p->url, "the host number %zu of %zu is empty", s->hosts_n + 1, n);
        rc = bl_chronicle_parse_host(s->mem, &p->url, item, BL_CHRONICLE_PORT,
                                     &s->hosts[s->hosts_n]);
        if (rc < 0)
            return rc == BELAY_ENOMEM ? bl_chronicle_no_memory(p) : rc;
        s->hosts_n++;
        at = comma ? comma + 1 : end;
    }
    return check_srv(p);
}

/* ---- all of it ---- */

/* Sets p->s->srv and what follows "://". */
static int parse_scheme(struct bl_chronicle_parser *p, struct bl_span text,
                        struct bl_span *ret_rest)
{
    long len = bl_url_scheme_len(text);
    struct bl_span name = bl_span(text.data, len > 0 ? (size_t)len : 0);
    char shown[40];

    if (len <= 0)
        return bl_url_refuse(&p->url, "the scheme is missing (chronicle:// or chronicle+srv://)");
    *ret_rest = bl_span(text.data + len + 3, text.len - (size_t)len - 3);
    p->s->srv = bl_span_equal_nocase(name, bl_span_of("chronicle+srv"));
    if (p->s->srv || bl_span_equal_nocase(name, bl_span_of("chronicle")))
        return 0;
    if (!bl_url_is_scheme(name))
        return bl_url_refuse(&p->url, "what stands before \"://\" is not a scheme");
    return bl_url_refuse(&p->url, "unsupported scheme \"%s\" (chronicle or chronicle+srv)",
                         bl_text_show(shown, sizeof shown, name.data, name.len));
}

/* "user:secret" where the host was forgotten reads as a host and a port. */
static bool has_port_that_is_none(struct bl_span hosts)
{
    size_t colons = 0;
    bool digits = true;

    for (size_t i = 0; i < hosts.len; i++) {
        char c = hosts.data[i];

        if (c == ',' || c == '[') {
            colons = c == '[' ? 2 : 0; /* those of an address are not looked at */
            digits = true;
        } else if (c == ':') {
            colons++;
        } else if (colons == 1) {
            digits = digits && c >= '0' && c <= '9';
            if (!digits)
                return true;
        }
    }
    return false;
}

/*
 * Whether a secret may stand where none belongs: without a scheme; "key=value" outside of the
 * query; an "@" after a "?" that was not escaped in a password; half a user. What stands before the
 * last "@" is not shown anyway.
 */
static bool may_hide_secrets(struct bl_span text, struct bl_span before_query)
{
    long scheme_len = bl_url_scheme_len(before_query);
    struct bl_span rest, tail;
    const char *at;

    if (scheme_len < 0 || memchr(before_query.data, '=', before_query.len))
        return true;
    rest = bl_span_between(before_query.data + scheme_len + 3, text.data + text.len);
    at = rest.len ? memrchr(rest.data, '@', rest.len) : NULL;
    tail = bl_span_between(rest.data, before_query.data + before_query.len);
    if (at)
        return at >= tail.data + tail.len;
    return has_port_that_is_none(tail);
}

static int parse_all(struct bl_chronicle_parser *p, struct bl_span text, struct bl_span query)
{
    struct bl_span rest = {0}, hosts;
    const char *slash, *at;
    int rc = parse_scheme(p, text, &rest);

    if (rc < 0)
        return rc;
    slash = rest.len ? memchr(rest.data, '/', rest.len) : NULL;
    hosts = slash ? bl_span_between(rest.data, slash) : rest;
    if (slash && slash + 1 < rest.data + rest.len)
        return bl_url_refuse(&p->url, "after the hosts comes \"?\" (in a password, \"/\" is %%2F)");
    at = hosts.len ? memrchr(hosts.data, '@', hosts.len) : NULL;
    if (at) {
        rc = parse_userinfo(p, bl_span_between(hosts.data, at));
        hosts = bl_span_between(at + 1, hosts.data + hosts.len);
    }
    if (rc == 0)
        rc = parse_hosts(p, hosts);
    if (rc == 0)
        rc = bl_chronicle_parse_params(p, query);
    return rc;
}

/* Into the two sides of the "?", of which the second may be absent. */
static void split_query(struct bl_span text, struct bl_span *before, struct bl_span *query)
{
    const char *question = memchr(text.data, '?', text.len);

    *before = question ? bl_span_between(text.data, question) : text;
    if (question)
        *query = bl_span_between(question + 1, text.data + text.len);
}

int bl_chronicle_string_parse(struct bl_mem *mem, struct bl_span text,
                              struct bl_chronicle_string **ret, struct belay_error *error)
{
    struct bl_chronicle_parser p = {.url = {.what = "connection string", .error = error}};
    struct bl_span query = {0};
    int rc;

    if (text.len == 0)
        return bl_url_refuse(&p.url, "it is empty");
    split_query(text, &p.url.text, &query);
    p.url.all_secret = may_hide_secrets(text, p.url.text);
    if (text.len > BL_URL_MAX)
        return bl_url_refuse(&p.url, "it is longer than %d bytes", BL_URL_MAX);
    if (has_control(text.data, text.len))
        return bl_url_refuse(&p.url, "it contains a control character");
    p.s = bl_zalloc(mem, sizeof *p.s);
    if (!p.s)
        return bl_chronicle_no_memory(&p);
    p.s->mem = mem;
    rc = parse_all(&p, p.url.text, query);
    if (rc < 0)
        bl_chronicle_string_free(p.s);
    else
        *ret = p.s;
    return rc;
}
