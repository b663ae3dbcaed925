/* SPDX-License-Identifier: MIT */
/* A pool's options as text, in the order of the struct: numbers by the tables, the rest in words.
 */
#include <stdio.h>

#include "conn/options.h"
#include "keep/pool.h"

#define NUMBER_MAX 64 /* "max_connections_per_endpoint -9223372036854775808" */

struct text {
    char *out;
    size_t size, len;
};

static void put(struct text *t, const char *name, const char *value)
{
    bool fits = t->len < t->size;
    int more = snprintf(fits ? t->out + t->len : NULL, fits ? t->size - t->len : 0, "%s%s%s",
                        t->len ? ", " : "", name, value);

    if (more > 0)
        t->len += (size_t)more;
}

/* What the caller's version of the struct has, over zeros. */
static void take(void *copy, size_t copy_size, const void *given)
{
    size_t size = 0;

    memset(copy, 0, copy_size);
    if (given)
        memcpy(&size, given, sizeof size);
    if (size >= sizeof size)
        memcpy(copy, given, size < copy_size ? size : copy_size);
}

static void put_dial(struct text *t, const struct belay_dial_options *given)
{
    struct belay_dial_options dial;
    char all[1024];

    if (!given) {
        put(t, "dial ", "default");
        return;
    }
    take(&dial, sizeof dial, given);
    bl_options_print(bl_dial_options, bl_dial_options_n, &dial, all, sizeof all);
    put(t, all, "");
}

static void put_callbacks(struct text *t, const struct belay_pool_callbacks *given)
{
    struct belay_pool_callbacks c;
    bool hooks;

    take(&c, sizeof c, given);
    hooks = c.on_connection_created || c.on_connection_closed || c.on_connection_reused;
    put(t, "health_check ", c.health_check ? "set" : "none");
    put(t, "hooks ", hooks ? "set" : "none");
    put(t, "on_leak ", c.on_leak ? "set" : "none");
}

static const char *order_word(enum belay_reuse_order order)
{
    switch (order) {
    case BELAY_REUSE_DEFAULT:
        return "default";
    case BELAY_REUSE_LIFO:
        return "lifo";
    case BELAY_REUSE_FIFO:
        return "fifo";
    case BELAY_REUSE_LEAST_USED:
        return "least used";
    }
    return "unknown";
}

#define AT(field) offsetof(struct belay_pool_options, field)

/* The fields from one offset to another that are no numbers. */
static void put_words(struct text *t, const struct belay_pool_options *o, size_t from, size_t to)
{
    const struct belay_connector_ops *ops = o->connector.ops;

    if (from <= AT(connector) && AT(connector) < to)
        put(t, "connector ", !ops ? "plain" : ops->name ? ops->name : "unnamed");
    if (from <= AT(dial) && AT(dial) < to)
        put_dial(t, o->dial);
    if (from <= AT(callbacks) && AT(callbacks) < to)
        put_callbacks(t, o->callbacks);
    if (from <= AT(reuse_order) && AT(reuse_order) < to)
        put(t, "reuse_order ", order_word(o->reuse_order));
    if (from <= AT(cache) && AT(cache) < to)
        put(t, "cache ", o->cache ? "given" : "own");
    if (from <= AT(shared) && AT(shared) < to)
        put(t, "shared ", o->shared ? "yes" : "no");
}

size_t belay_pool_options_print(const struct belay_pool_options *options, char *out, size_t size)
{
    struct text t = {.out = out, .size = size};
    struct belay_pool_options o;
    size_t at = 0;

    take(&o, sizeof o, options);
    if (size > 0)
        out[0] = '\0';
    for (size_t i = 0; i < bl_pool_options_n; i++) {
        const struct bl_option *field = &bl_pool_options[i];
        char number[NUMBER_MAX];

        if (field->offset == AT(reuse_order))
            continue;
        put_words(&t, &o, at, field->offset);
        at = field->offset;
        bl_options_print(field, 1, &o, number, sizeof number);
        put(&t, number, "");
    }
    put_words(&t, &o, at, sizeof o);
    return t.len;
}
