/* SPDX-License-Identifier: MIT */
/* Proxies: made from text and options, link by link from the last alternative on, then never
 * changed. */
#include "conn/proxy.h"

#include "base/error.h"
#include "base/options.h"

#define DEPTH_MAX 64 /* references in a row: giving one back may give back all */

static int refuse(struct belay_error *error, const char *what, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "proxy: %s: %s", what, why);
}

/* ---- one ---- */

static int set(struct belay_proxy *p, const struct bl_proxy_link *link, struct belay_proxy *before,
               struct belay_proxy *or_else, struct belay_error *error)
{
    uint32_t below = before ? before->depth : 0;
    int rc;

    p->before = belay_proxy_ref(before);
    p->or_else = belay_proxy_ref(or_else);
    p->depth = 1 + (or_else && or_else->depth > below ? or_else->depth : below);
    if (p->depth > DEPTH_MAX)
        return refuse(error, "before", "more than 64 are made of each other");
    rc = bl_proxy_link_set(p, link, error);
    return rc < 0 ? rc : bl_proxy_ways_set(p, error);
}

static int proxy_new(struct belay_loop *loop, const struct bl_proxy_link *link,
                     struct belay_proxy *before, struct belay_proxy *or_else,
                     struct belay_proxy **ret, struct belay_error *error)
{
    struct belay_proxy *p = bl_zalloc(&loop->mem, sizeof *p);
    int rc;

    if (!p)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a proxy: out of memory");
    p->loop = loop;
    p->refs = 1;
    rc = set(p, link, before, or_else, error);
    if (rc < 0) {
        belay_proxy_unref(p);
        return rc;
    }
    *ret = p;
    return 0;
}

/* ---- a list ---- */

struct list {
    struct belay_loop *loop;
    const struct belay_proxy_options *options;
    struct bl_span text;
    struct bl_span ways[BL_PROXY_WAYS_MAX];
    size_t ways_n;
    size_t links_n; /* of all ways */
};

static int split(struct list *l, struct belay_error *error)
{
    struct bl_span rest = l->text, way, link;

    while (bl_proxy_next_way(&rest, &way)) {
        struct bl_span left = way;
        size_t n = 0;

        if (l->ways_n == BL_PROXY_WAYS_MAX)
            return refuse(error, "url", "there are more than 16 alternatives");
        l->ways[l->ways_n++] = way;
        while (bl_proxy_next_link(&left, &link))
            n++;
        if (n == 0)
            return refuse(error, "url", l->ways_n > 1 ? "an alternative is empty" : "is empty");
        l->links_n += n;
    }
    return 0;
}

/* What is of one proxy alone is not said of several. */
static int check(const struct list *l, struct belay_error *error)
{
    const struct belay_proxy_options *o = l->options;
    const char *what = o->unix_path     ? "unix_path"
                       : o->user        ? "user"
                       : o->password    ? "password"
                       : o->server_name ? "server_name"
                                        : NULL;

    if (l->links_n > 1 && what)
        return refuse(error, what, "is of one proxy, and the url names several");
    return 0;
}

/* The links of one way, each through the one before it; the last has the alternative. */
static int make_way(const struct list *l, struct bl_span way, struct belay_proxy *or_else,
                    struct belay_proxy **ret, struct belay_error *error)
{
    struct bl_proxy_link what = {.options = l->options, .text = l->text};
    struct belay_proxy *before = belay_proxy_ref(l->options->before);
    int rc = 0;

    while (rc == 0 && bl_proxy_next_link(&way, &what.link)) {
        struct bl_span left = way, other;
        bool last = !bl_proxy_next_link(&left, &other);
        struct belay_proxy *next = NULL;

        what.chained |= !last;
        rc = proxy_new(l->loop, &what, before, last ? or_else : NULL, &next, error);
        belay_proxy_unref(before);
        before = next;
    }
    if (rc == 0)
        *ret = before;
    return rc;
}

static int make(struct belay_loop *loop, const struct belay_proxy_options *o,
                struct belay_proxy **ret, struct belay_error *error)
{
    struct list l = {.loop = loop, .options = o};
    struct belay_proxy *alternatives;
    int rc;

    if (!o->url)
        return refuse(error, "url", "is missing");
    l.text = bl_span(o->url, strnlen(o->url, BL_URL_MAX + 1));
    if (l.text.len > BL_URL_MAX)
        return refuse(error, "url", "is longer than 65,535 bytes");
    rc = split(&l, error);
    rc = rc < 0 ? rc : check(&l, error);
    if (rc < 0)
        return rc;
    alternatives = belay_proxy_ref(o->or_else);
    for (size_t i = l.ways_n; rc == 0 && i-- > 0;) {
        struct belay_proxy *way;

        rc = make_way(&l, l.ways[i], alternatives, &way, error);
        belay_proxy_unref(alternatives);
        alternatives = rc == 0 ? way : NULL;
    }
    if (rc == 0)
        *ret = alternatives;
    return rc;
}

/* ---- what is public ---- */

int belay_proxy_new(struct belay_loop *loop, const struct belay_proxy_options *options,
                    struct belay_proxy **ret_proxy, struct belay_error *error)
{
    struct belay_proxy_options o;
    int rc = bl_options_resolve(&o, sizeof o, options, NULL, 0, error);

    return rc < 0 ? rc : make(loop, &o, ret_proxy, error);
}

int belay_proxy_parse(struct belay_loop *loop, const char *text, struct belay_proxy **ret_proxy,
                      struct belay_error *error)
{
    struct belay_proxy_options o = belay_proxy_options_init();

    o.url = text;
    return make(loop, &o, ret_proxy, error);
}

struct belay_proxy *belay_proxy_ref(struct belay_proxy *p)
{
    if (p)
        p->refs++;
    return p;
}

void belay_proxy_unref(struct belay_proxy *p)
{
    struct belay_proxy *before, *or_else;

    if (!p || --p->refs > 0)
        return;
    before = p->before;
    or_else = p->or_else;
    bl_proxy_ways_clear(p);
    bl_proxy_link_clear(p);
    bl_free(&p->loop->mem, p);
    belay_proxy_unref(before);
    belay_proxy_unref(or_else);
}

const char *belay_proxy_name(const struct belay_proxy *p)
{
    return p->name;
}
