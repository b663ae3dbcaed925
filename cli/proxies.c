/* SPDX-License-Identifier: MIT */
/* Proxies, as curl understands them: no_proxy counts for those that were given, too. */
#include "proxies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

void proxies_add(struct proxies *p, const char *url)
{
    p->off = *url == '\0';
    if (p->off)
        p->given.n = 0;
    else
        strings_add(&p->given, (char *)(uintptr_t)url);
}

/* ---- making them ---- */

/* Credentials in the URL, be they empty, go before --proxy-user. */
static bool has_user(const char *url)
{
    const char *scheme = strstr(url, "://");

    url = scheme ? scheme + 3 : url;
    return url[strcspn(url, "@/?#")] == '@';
}

/* Undoes "%3A", in place. False when a NUL comes of it. */
static bool unescape(char *text)
{
    const char *from = text, *end = text + strlen(text);
    char *to = text;

    while (from < end) {
        *to = text_unescape(&from, end);
        if (*to++ == '\0')
            return false;
    }
    *to = '\0';
    return true;
}

static int refuse_nul(struct belay_error *error)
{
    memset(error, 0, sizeof *error);
    error->code = BELAY_EINVAL;
    error->kind = BELAY_KIND_USAGE;
    snprintf(error->text, sizeof error->text, "-U: has a NUL byte in it");
    return error->code;
}

/* One, or a list. */
static int make_with(const struct proxies *p, const char *url, char *user,
                     struct belay_proxy *before, struct belay_proxy **ret,
                     struct belay_error *error)
{
    struct belay_proxy_options o = belay_proxy_options_init();
    char *colon = user ? strchr(user, ':') : NULL;

    if (colon)
        *colon = '\0';
    o.url = url;
    o.user = user;
    o.password = colon ? colon + 1 : NULL;
    o.tls = p->tls;
    o.before = before;
    if (user && (!unescape(user) || (colon && !unescape(colon + 1))))
        return refuse_nul(error);
    return belay_proxy_new(p->loop, &o, ret, error);
}

/* --proxy-user is of the last. */
static int make(const struct proxies *p, const char *url, bool last, struct belay_proxy *before,
                struct belay_proxy **ret, struct belay_error *error)
{
    size_t len = p->user ? strlen(p->user) : 0;
    char *user = p->user && last && !has_user(url) ? memory_copy(p->user, len) : NULL;
    int rc = make_with(p, url, user, before, ret, error);

    if (user)
        explicit_bzero(user, len);
    free(user);
    return rc;
}

static int make_chain(struct proxies *p)
{
    struct belay_error error;

    for (size_t i = 0; i < p->given.n; i++) {
        struct belay_proxy *next;
        int rc = make(p, p->given.items[i], i + 1 == p->given.n, p->chain, &next, &error);

        if (rc < 0) {
            say("reading the options: --proxy: %s", error.text);
            return error.kind == BELAY_KIND_USAGE ? EXIT_USAGE : EXIT_PROBLEM;
        }
        belay_proxy_unref(p->chain);
        p->chain = next;
    }
    return EXIT_FINE;
}

/* Whether one may be spoken to over TLS: authorities are read only then. */
static bool any_https(const struct proxies *p)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};
    bool any = false;

    for (size_t i = 0; i < p->given.n; i++)
        any |= strcasestr(p->given.items[i], "https://") != NULL;
    for (size_t i = 0; !p->off && !p->given.n && i < sizeof names / sizeof *names; i++)
        any |= getenv(names[i]) && strcasestr(getenv(names[i]), "https://");
    return any;
}

int proxies_open(struct proxies *p, struct belay_loop *loop, const struct belay_tls_options *tls)
{
    struct belay_tls_options o = belay_tls_options_init();
    struct belay_error error;

    p->loop = loop;
    o.ca_file = tls->ca_file;
    o.ca_dir = tls->ca_dir;
    o.min_version = tls->min_version;
    if (any_https(p) && (o.ca_file || o.ca_dir || o.min_version) &&
        belay_tls_new(loop, &o, &p->tls, &error) < 0) {
        say("preparing TLS: %s", error.text);
        return error.kind == BELAY_KIND_USAGE ? EXIT_USAGE : EXIT_PROBLEM;
    }
    return make_chain(p);
}

void proxies_close(struct proxies *p)
{
    for (size_t i = 0; i < p->made_n; i++) {
        belay_proxy_unref(p->made[i].proxy);
        free(p->made[i].text);
    }
    free(p->made);
    belay_proxy_unref(p->chain);
    belay_tls_unref(p->tls);
    p->made = NULL;
    p->made_n = 0;
    p->chain = NULL;
    p->tls = NULL;
}

void proxies_free(struct proxies *p)
{
    free(p->given.items);
}

/* ---- choosing ---- */

static bool is_exception(const char *name)
{
    return strcmp(name, "no_proxy") == 0 || strcmp(name, "NO_PROXY") == 0;
}

/* A belay_env_fn: the environment, with what --noproxy says in place of its no_proxy. */
static const char *look_up(const char *name, void *arg)
{
    struct proxies *p = arg;
    const char *value = p->noproxy && is_exception(name) ? p->noproxy : getenv(name);

    if (!is_exception(name) && value && *value)
        p->seen = value;
    return value;
}

static bool is_exempt(struct proxies *p, const char *host, int port)
{
    const char *list = look_up("no_proxy", p);

    return belay_no_proxy_names(list && *list ? list : look_up("NO_PROXY", p), host, port);
}

static struct belay_proxy *keep(struct proxies *p, struct belay_proxy *proxy)
{
    p->made = memory_grow(p->made, p->made_n + 1, sizeof *p->made);
    p->made[p->made_n++] = (struct proxies_made){memory_copy(p->seen, strlen(p->seen)), proxy};
    return proxy;
}

/* What the library made of it knows neither --proxy-user nor --cacert. */
static int from_environment(struct proxies *p, const char *scheme, const char *host, int port,
                            struct belay_proxy **ret, struct belay_error *error)
{
    struct belay_proxy *proxy = NULL;
    int rc = belay_proxy_from_env(p->loop, scheme, host, port, look_up, p, &proxy, error);

    if (rc < 0 || !proxy)
        return rc;
    for (size_t i = 0; i < p->made_n; i++) {
        if (strcmp(p->made[i].text, p->seen) == 0) {
            belay_proxy_unref(proxy);
            *ret = p->made[i].proxy;
            return 0;
        }
    }
    if (p->user || p->tls) {
        belay_proxy_unref(proxy);
        rc = make(p, p->seen, true, NULL, &proxy, error);
    }
    if (rc == 0)
        *ret = keep(p, proxy);
    return rc;
}

int proxies_choose(struct proxies *p, const char *scheme, const char *host, int port,
                   struct belay_proxy **ret)
{
    struct belay_error error;
    int rc = 0;

    *ret = NULL;
    p->why.text[0] = '\0';
    if (p->off)
        return 0;
    if (!p->given.n)
        rc = from_environment(p, scheme, host, port, ret, &error);
    else if (!is_exempt(p, host, port))
        *ret = p->chain;
    if (rc < 0)
        complain(&p->why, "%s", error.text);
    return rc;
}

/* ---- who looks names up ---- */

static bool ends_with(const char *from, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(end - from) >= len && memcmp(end - len, word, len) == 0;
}

bool proxies_look_up_here(const struct belay_proxy *proxy)
{
    const char *way = proxy ? belay_proxy_name(proxy) : "direct://", *bar, *colon, *last = NULL;

    /* Its last link decides. */
    for (bool more = true; more; way = bar) {
        bar = strchr(way, '|');
        more = bar != NULL;
        bar = bar ? bar + 1 : way + strlen(way);
        for (colon = strstr(way, "://"); colon && colon < bar; colon = strstr(colon + 1, "://"))
            last = colon;
        if (last && (ends_with(way, last, "socks5") || ends_with(way, last, "socks4") ||
                     ends_with(way, last, "direct")))
            return true;
    }
    return false;
}
