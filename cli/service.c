/* SPDX-License-Identifier: MIT */
/* A service on the command line, and where its addresses come from. */
#include "service.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "say.h"

/* ---- parsing ---- */

/* "NAME=": letters, digits and "._-", so that no address begins like it. */
static size_t name_len(const char *text)
{
    size_t len = 0;

    while (isalnum((unsigned char)text[len]) || (text[len] && strchr("._-", text[len])))
        len++;
    return text[len] == '=' ? len : 0;
}

static size_t scheme_len(const char *text)
{
    size_t len = 0;

    while (isalnum((unsigned char)text[len]) || text[len] == '+' || text[len] == '-')
        len++;
    return strncmp(text + len, "://", 3) == 0 ? len : 0;
}

static char *scheme_of(const char *text)
{
    size_t len = scheme_len(text);
    char *scheme = len                              ? memory_copy(text, len)
                   : strncmp(text, "unix:", 5) == 0 ? memory_copy("unix", 4)
                                                    : memory_copy("tcp", 3);

    for (char *c = scheme; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return scheme;
}

static bool is_http(const char *scheme)
{
    return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
}

bool service_is_http(const struct service *s)
{
    return is_http(s->scheme);
}

bool service_is_grpc(const struct service *s)
{
    return strcmp(s->scheme, "grpc") == 0 || strcmp(s->scheme, "grpcs") == 0;
}

bool service_is_tls(const struct service *s)
{
    return strcmp(s->scheme, "tls") == 0 || strcmp(s->scheme, "https") == 0 ||
           strcmp(s->scheme, "grpcs") == 0;
}

/* What is asked by requests or calls is dialled by their client, which finds the way by itself. */
static bool is_asked(const struct service *s)
{
    return service_is_http(s) || service_is_grpc(s);
}

static bool set_once(char **at, char *value, const char *what, const char *address,
                     struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];
    bool same = !*at || strcmp(*at, value) == 0;

    if (!same)
        complain(why, "%s: addresses of one service have the same %s",
                 text_show(shown, sizeof shown, address), what);
    if (*at)
        free(value);
    else
        *at = value;
    return same;
}

/* What follows the host and port of an http:// URL. */
static size_t path_at(const char *url)
{
    size_t start = scheme_len(url) + 3;

    return start + strcspn(url + start, "/?#");
}

static char *path_of(const char *url)
{
    const char *path = url + path_at(url);
    size_t len = strcspn(path, "#");
    bool bare = path[0] != '/';
    char *ret = memory_get(len + 2, 1);

    ret[0] = '/';
    memcpy(ret + bare, path, len);
    return ret;
}

static bool add_address(struct service *s, const char *text, size_t len, struct complaint *why)
{
    char *address;

    address = memory_copy(text, len);
    strings_add(&s->addresses, address);
    if (!set_once(&s->scheme, scheme_of(address), "scheme", address, why))
        return false;
    if (!service_is_http(s))
        return true;
    if (!set_once(&s->path, path_of(address), "path", address, why))
        return false;
    address[path_at(address)] = '\0';
    if (strchr(address, '@'))
        return complain(why, "credentials are given by -u NAME:PASSWORD, not in an address");
    return true;
}

static bool parse_list(struct service *s, const char *given, const char *text,
                       struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];

    for (;;) {
        size_t len = strcspn(text, ",");

        if (len == 0)
            return complain(why, "%s: an address is empty", text_show(shown, sizeof shown, given));
        if (!add_address(s, text, len, why))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

/* After "srv:" or "file:". */
static bool parse_place(struct service *s, const char *text, const char *what,
                        struct complaint *why)
{
    size_t scheme = scheme_len(text);
    const char *place = scheme ? text + scheme + 3 : text;

    s->scheme = scheme ? scheme_of(text) : memory_copy("tcp", 3);
    if (service_is_http(s))
        s->path = memory_copy("/", 1);
    if (strcmp(s->scheme, "tcp") != 0 && !service_is_tls(s) && !is_asked(s))
        return complain(why, "%s gives addresses of tcp, tls, http, https, grpc or grpcs", what);
    if (place[0] == '\0')
        return complain(why, "%s is empty", what);
    strings_add(&s->addresses, memory_copy(place, strlen(place)));
    return true;
}

static bool parse(struct service *s, const char *text, struct complaint *why)
{
    const char *given = text;
    size_t name = name_len(text);

    memset(s, 0, sizeof *s);
    s->name = memory_copy(text, name ? name : strlen(text));
    if (name)
        text += name + 1;
    if (strncasecmp(text, "srv:", 4) == 0) {
        s->kind = SERVICE_SRV;
        return parse_place(s, text + 4, "srv:", why);
    }
    if (strncasecmp(text, "file:", 5) == 0) {
        s->kind = SERVICE_FILE;
        return parse_place(s, text + 5, "file:", why);
    }
    s->kind = SERVICE_LIST;
    return parse_list(s, given, text, why);
}

bool service_parse(struct service *s, const char *text, struct complaint *why)
{
    if (!parse(s, text, why))
        return false;
#ifndef BELAY_CLI_GRPC
    if (service_is_grpc(s))
        return complain(why, "%s: this belay was built without gRPC", s->scheme);
#endif
    return true;
}

const char *service_address(const struct service *s, const struct belay_endpoint *address,
                            char out[SERVICE_ADDRESS_MAX])
{
    const char *name = belay_endpoint_name(address);

    if (!service_is_grpc(s))
        return name;
    snprintf(out, SERVICE_ADDRESS_MAX, "grpc%s", name + strlen("http"));
    return out;
}

/* ---- opening ---- */

static int refuse(const struct client_options *o, const struct belay_error *error)
{
    if (o->proxies.why.text[0])
        say("choosing a proxy: %s", o->proxies.why.text);
    else if (error->kind)
        return client_refuse("reading the address", error);
    return EXIT_USAGE;
}

/* gRPC is HTTP as far as endpoints are concerned. To be freed. */
static char *url_of(const struct service *s, const char *address)
{
    size_t size = strlen(address) + 2;
    char *url = memory_get(size, 1);

    if (service_is_grpc(s))
        snprintf(url, size, "http%s", address + 4);
    else
        snprintf(url, size, "%s", address);
    return url;
}

static int open_endpoint(const struct service *s, const struct client_options *o,
                         struct belay_loop *loop, struct belay_tls *tls, const char *url,
                         struct belay_endpoint **ret, struct belay_error *error)
{
    struct belay_endpoint_options options = belay_endpoint_options_init();
    char *given;
    int rc;

    if (!is_asked(s))
        return client_open_endpoint(o, loop, tls, url, ret, error);
    given = url_of(s, url);
    options.url = given;
    options.tls = service_is_tls(s) ? tls : NULL;
    rc = belay_endpoint_new(loop, &options, ret, error);
    free(given);
    if (rc < 0)
        return EXIT_USAGE;
    error->kind = BELAY_KIND_NONE;
    if (client_check_family(o, *ret, url) == EXIT_FINE)
        return EXIT_FINE;
    belay_endpoint_unref(*ret);
    return EXIT_USAGE;
}

static int open_list(struct service *s, const struct client_options *o, struct belay_loop *loop,
                     struct belay_tls *tls)
{
    struct belay_endpoint **endpoints = memory_get(s->addresses.n, sizeof *endpoints);
    struct belay_error error = {.kind = BELAY_KIND_NONE};
    size_t n = 0;
    int status = EXIT_FINE, rc = 0;

    while (status == EXIT_FINE && n < s->addresses.n) {
        status = open_endpoint(s, o, loop, tls, s->addresses.items[n], &endpoints[n], &error);
        n += status == EXIT_FINE;
    }
    if (status == EXIT_FINE)
        rc = belay_source_list(loop, endpoints, n, BELAY_SOURCE_IN_ORDER, &s->source);
    else
        status = refuse(o, &error);
    while (n > 0)
        belay_endpoint_unref(endpoints[--n]);
    free(endpoints);
    if (rc == 0)
        return status;
    say("starting: %s", belay_strerror(rc));
    return EXIT_PROBLEM;
}

/* The domain of "_xmpp._tcp.example.com", which its servers are verified by. */
static const char *domain_of(const char *name)
{
    while (name[0] == '_') {
        const char *dot = strchr(name, '.');

        if (!dot || dot[1] == '\0')
            break;
        name = dot + 1;
    }
    return name;
}

static bool has_rules_of_hosts(const struct client_options *o)
{
    if (o->routes.n == 0 && !o->unix_path)
        return false;
    say("reading the options: %s is for addresses that are given, not for srv: and file:",
        o->unix_path ? "--unix" : "--resolve or --connect-to");
    return true;
}

/* What stands in the records or the file has its own host and port. */
static int open_place(struct service *s, const struct client_options *o, struct belay_loop *loop,
                      struct belay_tls *tls)
{
    struct belay_endpoint_options options = belay_endpoint_options_init();
    struct belay_endpoint *like;
    struct belay_error error = {.kind = BELAY_KIND_NONE};
    const char *place = s->addresses.items[0];
    int rc;

    if (!is_asked(s) && (has_rules_of_hosts(o) || client_set_route(o, &options) != EXIT_FINE))
        return EXIT_USAGE;
    options.scheme = !service_is_grpc(s) ? s->scheme : service_is_tls(s) ? "https" : "http";
    options.host = s->kind == SERVICE_SRV ? domain_of(place) : "localhost";
    options.port = is_asked(s) ? 0 : 1;
    options.tls = service_is_tls(s) ? tls : NULL;
    if (!is_asked(s) && client_route(&options, (void *)o) < 0)
        return refuse(o, &error);
    if (belay_endpoint_new(loop, &options, &like, &error) < 0)
        return refuse(o, &error);
    rc = s->kind == SERVICE_SRV ? belay_source_srv(like, place, &s->source)
                                : belay_source_file(like, place, &s->source);
    belay_endpoint_unref(like);
    if (rc == 0)
        return EXIT_FINE;
    say("reading the address: %s: %s", s->name, belay_strerror(rc));
    return belay_error_kind_of(rc) == BELAY_KIND_USAGE ? EXIT_USAGE : EXIT_PROBLEM;
}

int service_open(struct service *s, const struct client_options *o, struct belay_loop *loop,
                 struct belay_tls *tls)
{
    return s->kind == SERVICE_LIST ? open_list(s, o, loop, tls) : open_place(s, o, loop, tls);
}

void service_free(struct service *s)
{
    belay_source_unref(s->source);
    for (size_t i = 0; i < s->addresses.n; i++)
        free(s->addresses.items[i]);
    free(s->addresses.items);
    free(s->name);
    free(s->scheme);
    free(s->path);
    memset(s, 0, sizeof *s);
}
