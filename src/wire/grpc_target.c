/* SPDX-License-Identifier: MIT */
/* Targets of gRPC: the parser of URLs does hosts and ports, and says what is wrong with them. */
#include "wire/grpc_target.h"

#include "base/assert.h"
#include "base/text.h"
#include "wire/field.h"
#include "wire/url_parser.h"

#define DNS_PORT 53

enum scheme { DNS, GRPC, GRPCS, IPV4, IPV6, UNIX, UNIX_ABSTRACT, SCHEMES_N };

static const char *const names[SCHEMES_N] = {"dns",  "grpc", "grpcs",        "ipv4",
                                             "ipv6", "unix", "unix-abstract"};

static struct bl_span after(struct bl_span text, size_t len)
{
    return bl_span(text.data + len, text.len - len);
}

static bool starts_with_slashes(struct bl_span text)
{
    return text.len >= 2 && memcmp(text.data, "//", 2) == 0;
}

/* ---- hosts and ports ---- */

/* "host:" and "[::1]:": most often a variable that was empty. */
static bool lacks_its_port(struct bl_span text)
{
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
    size_t last = text.len - 1;

    return colon && text.data[last] == ':' &&
           (colon == text.data + last || text.data[last - 1] == ']');
}

/* `scheme` gives the port that is not written. */
static int parse_host(struct bl_url_parser *p, struct bl_span text, enum bl_scheme scheme,
                      struct bl_url *ret)
{
    int rc;

    if (text.len > 0 && memchr(text.data, '@', text.len))
        return bl_url_refuse(p, "a target has no user name or password");
    if (lacks_its_port(text))
        return bl_url_refuse(p, "the port is missing");
    memset(&p->url, 0, sizeof p->url);
    p->url.scheme = scheme;
    rc = bl_url_parse_authority(p, text);
    if (rc == 0)
        *ret = p->url;
    return rc;
}

static int check_nothing_follows(const struct bl_url_parser *p, struct bl_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr("/?#", text.data[i], 3))
            return bl_url_refuse(p, "nothing comes after the host and the port");
    }
    return 0;
}

static int parse_name(struct bl_url_parser *p, struct bl_span text, struct bl_grpc_target *t)
{
    enum bl_scheme scheme =
        t->security == BL_GRPC_SECURITY_PLAIN ? BL_SCHEME_HTTP : BL_SCHEME_HTTPS;
    int rc;

    if (t->security != BL_GRPC_SECURITY_UNSAID && text.len > 0 && text.data[text.len - 1] == '/')
        text.len--; /* as of a URL */
    rc = check_nothing_follows(p, text);
    return rc < 0 ? rc : parse_host(p, text, scheme, &t->host);
}

/* dns://server/host */
static int parse_dns(struct bl_url_parser *p, struct bl_span text, struct bl_grpc_target *t)
{
    const char *slash;
    int rc = 0;

    if (!starts_with_slashes(text))
        return parse_name(p, text, t);
    text = after(text, 2);
    slash = text.len ? memchr(text.data, '/', text.len) : NULL;
    if (!slash)
        return bl_url_refuse(p, "after \"dns://\" comes the name server, \"/\", and the host "
                                "(dns:host and dns:///host have no name server)");
    if (slash > text.data) {
        rc = parse_host(p, bl_span_between(text.data, slash), BL_SCHEME_HTTPS, &t->server);
        if (rc == 0 && !t->server.port_given)
            t->server.port = DNS_PORT;
        if (rc == 0 && t->server.ip.family == BELAY_FAMILY_NONE)
            rc = bl_url_refuse(p, "the name server is not a numeric address");
        t->server.ip.port = t->server.port;
    }
    return rc < 0 ? rc : parse_name(p, bl_span_between(slash + 1, text.data + text.len), t);
}

/* ---- addresses ---- */

static int parse_address(struct bl_url_parser *p, struct bl_span text, struct belay_addr *ret)
{
    struct bl_url url;
    char part[BL_URL_PART_MAX];
    int rc;

    if (bl_url_is_bare_ipv6(text))
        return belay_addr_parse_ip(text.data, text.len, bl_scheme_info(BL_SCHEME_HTTPS)->port, ret);
    rc = check_nothing_follows(p, text);
    if (rc == 0)
        rc = parse_host(p, text, BL_SCHEME_HTTPS, &url);
    if (rc == 0 && url.ip.family == BELAY_FAMILY_NONE)
        return bl_url_refuse(p, "the address%s is not numeric", bl_url_part(p, text, part));
    if (rc == 0)
        *ret = url.ip;
    return rc;
}

static int parse_addresses(struct bl_url_parser *p, struct bl_span text, int family,
                           struct bl_grpc_target *t)
{
    struct bl_span rest, item;
    struct belay_addr addr;
    char part[BL_URL_PART_MAX];

    if (text.len >= 3 && memcmp(text.data, "///", 3) == 0)
        text = after(text, 3);
    rest = text;
    while (bl_field_next_part(&rest, &item)) {
        int rc = parse_address(p, item, &addr);

        if (rc < 0)
            return rc;
        if (addr.family != family)
            return bl_url_refuse(p, "the address%s is not IPv%c", bl_url_part(p, item, part),
                                 family == BELAY_FAMILY_IPV4 ? '4' : '6');
        if (++t->addresses_n > BL_GRPC_ADDRESSES_MAX)
            return bl_url_refuse(p, "it has more than %d addresses", BL_GRPC_ADDRESSES_MAX);
    }
    t->kind = BL_GRPC_TARGET_ADDRESSES;
    t->addresses = text;
    return 0;
}

bool bl_grpc_target_next(struct bl_span *rest, struct belay_addr *ret)
{
    struct bl_url_parser p = {0};
    struct bl_span item;

    if (!bl_field_next_part(rest, &item))
        return false;
    p.text = item;
    return parse_address(&p, item, ret) == 0;
}

/* ---- Unix sockets ---- */

static int parse_unix(struct bl_url_parser *p, struct bl_span path, struct bl_grpc_target *t)
{
    if (starts_with_slashes(path)) {
        path = after(path, 2);
        if (path.len > 0 && path.data[0] != '/')
            return bl_url_refuse(p, "a Unix socket has no host (write unix:///path or unix:path)");
    }
    if (path.len == 0)
        return bl_url_refuse(p, "the path of the Unix socket is empty");
    if (belay_addr_from_path(path.data, path.len, &t->socket) < 0)
        return bl_url_refuse(p, "the path of the Unix socket is longer than %d bytes",
                             BELAY_UNIX_PATH_MAX - 1);
    t->kind = BL_GRPC_TARGET_UNIX;
    return 0;
}

static int parse_abstract(struct bl_url_parser *p, struct bl_span name, struct bl_grpc_target *t)
{
    char path[BELAY_UNIX_PATH_MAX] = "@";

    if (name.len == 0)
        return bl_url_refuse(p, "the name of the Unix socket is empty");
    if (name.len > BELAY_UNIX_PATH_MAX - 2)
        return bl_url_refuse(p, "the name of the Unix socket is longer than %d bytes",
                             BELAY_UNIX_PATH_MAX - 2);
    memcpy(path + 1, name.data, name.len);
    if (belay_addr_from_path(path, name.len + 1, &t->socket) < 0)
        return bl_url_refuse(p, "no Unix socket has such a name");
    t->kind = BL_GRPC_TARGET_UNIX;
    return 0;
}

/* ---- schemes ---- */

static int refuse_scheme(struct bl_url_parser *p, struct bl_span name)
{
    const char *nearest = NULL;
    char shown[40];
    size_t best = 3;

    if (!bl_url_is_scheme(name))
        return bl_url_refuse(p, "what stands before \"://\" is not a scheme");
    for (unsigned i = 0; i < SCHEMES_N; i++) {
        size_t distance = bl_text_distance(name, bl_span_of(names[i]));

        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    bl_text_show(shown, sizeof shown, name.data, name.len);
    if (bl_span_equal_nocase(name, bl_span_of("http")))
        nearest = "grpc";
    if (bl_span_equal_nocase(name, bl_span_of("https")))
        nearest = "grpcs";
    if (nearest)
        return bl_url_refuse(p, "unknown scheme \"%s\" (did you mean \"%s\"?)", shown, nearest);
    return bl_url_refuse(p,
                         "unknown scheme \"%s\" (dns, grpc, grpcs, ipv4, ipv6, unix, "
                         "unix-abstract)",
                         shown);
}

/* The scheme before the colon, or SCHEMES_N. */
static unsigned find_scheme(struct bl_span text)
{
    const char *colon = memchr(text.data, ':', text.len);
    unsigned i = 0;

    if (!colon)
        return SCHEMES_N;
    while (i < SCHEMES_N &&
           !bl_span_equal_nocase(bl_span_between(text.data, colon), bl_span_of(names[i])))
        i++;
    return i;
}

static int parse_url(struct bl_url_parser *p, struct bl_span rest, unsigned scheme,
                     struct bl_grpc_target *t)
{
    t->security = scheme == GRPC ? BL_GRPC_SECURITY_PLAIN : BL_GRPC_SECURITY_TLS;
    if (!starts_with_slashes(rest))
        return bl_url_refuse(p, "after \"%s:\" comes \"//\"", names[scheme]);
    return parse_name(p, after(rest, 2), t);
}

static int parse_any(struct bl_url_parser *p, struct bl_grpc_target *t)
{
    long scheme_len = bl_url_scheme_len(p->text);
    unsigned scheme = find_scheme(p->text);
    struct bl_span rest = p->text;

    if (scheme < SCHEMES_N)
        rest = after(rest, strlen(names[scheme]) + 1);
    else if (scheme_len >= 0)
        return refuse_scheme(p, bl_span(p->text.data, (size_t)scheme_len));
    switch (scheme) {
    case DNS:
        return parse_dns(p, rest, t);
    case GRPC:
    case GRPCS:
        return parse_url(p, rest, scheme, t);
    case IPV4:
        return parse_addresses(p, rest, BELAY_FAMILY_IPV4, t);
    case IPV6:
        return parse_addresses(p, rest, BELAY_FAMILY_IPV6, t);
    case UNIX:
        return parse_unix(p, rest, t);
    case UNIX_ABSTRACT:
        return parse_abstract(p, rest, t);
    default:
        return parse_name(p, rest, t);
    }
}

int bl_grpc_target_parse(struct bl_span text, struct bl_grpc_target *ret, struct belay_error *error)
{
    struct bl_url_parser p = {.text = text, .what = "target", .error = error};
    struct bl_grpc_target target = {0};
    int rc;

    if (text.len == 0)
        return bl_url_refuse(&p, "it is empty");
    if (text.len > BL_URL_MAX)
        return bl_url_refuse(&p, "it is longer than %d bytes", BL_URL_MAX);
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return bl_url_refuse(&p, "it contains a control character");
    }
    rc = parse_any(&p, &target);
    if (rc == 0)
        *ret = target;
    return rc;
}
