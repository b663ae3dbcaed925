/* SPDX-License-Identifier: MIT */
/*
 * Where kernels may be: the hosts of the string, or, of chronicle+srv, what the caller's function or
 * the SRV records of _chronicle._tcp.<name> say, asked of the name server that the string names, or
 * of the system's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "net/resolver.h"
#include "service/chronicle.h"
#include "wire/chronicle_string_parser.h"

#define SERVICE "_chronicle._tcp."

/* ---- places ---- */

const char *bl_chronicle_place_text(const struct bl_chronicle_host *place,
                                    char out[BL_CHRONICLE_PLACE_SIZE])
{
    bool brackets = place->ip.family == BELAY_FAMILY_IPV6;

    snprintf(out, BL_CHRONICLE_PLACE_SIZE, brackets ? "[%s]:%u" : "%s:%u", place->name,
             (unsigned)place->port);
    return out;
}

int bl_chronicle_places_make(struct bl_chronicle_places *places, struct bl_mem *mem, size_t n)
{
    places->n = 0;
    places->list = bl_zalloc(mem, (n ? n : 1) * sizeof *places->list);
    return places->list ? 0 : BELAY_ENOMEM;
}

void bl_chronicle_places_free(struct bl_chronicle_places *places, struct bl_mem *mem)
{
    for (size_t i = 0; i < places->n; i++)
        bl_free(mem, places->list[i].name);
    bl_free(mem, places->list);
    *places = (struct bl_chronicle_places){0};
}

int bl_chronicle_places_add(struct bl_chronicle_places *places, struct bl_mem *mem,
                            const char *host, struct belay_error *error)
{
    struct bl_url_parser url = {.text = bl_span_of(host), .what = "address", .error = error};
    int rc =
        bl_chronicle_parse_host(mem, &url, url.text, BL_CHRONICLE_PORT, &places->list[places->n]);

    if (rc == 0)
        places->n++;
    return rc;
}

/* What is known already: `host` with its own port. */
static int copy_host(struct belay_chronicle *c, const struct bl_chronicle_host *host)
{
    struct bl_chronicle_host *place = &c->attempt.places.list[c->attempt.places.n];

    *place = *host;
    place->name = bl_strdup(&c->loop->mem, host->name);
    if (!place->name)
        return BELAY_ENOMEM;
    c->attempt.places.n++;
    return 0;
}

static int make_places(struct belay_chronicle *c, size_t n)
{
    return bl_chronicle_places_make(&c->attempt.places, &c->loop->mem, n);
}

static void resolved(struct belay_chronicle *c)
{
    c->attempt.step = BL_CHRONICLE_RESOLVED;
    bl_chronicle_run_later(c);
}

static void take_hosts(struct belay_chronicle *c)
{
    const struct bl_chronicle_string *s = c->string;
    int rc = make_places(c, s->hosts_n);

    for (size_t i = 0; i < s->hosts_n && rc == 0; i++)
        rc = copy_host(c, &s->hosts[i]);
    if (rc < 0)
        bl_chronicle_attempt_no_memory(c, "its addresses");
    else
        resolved(c);
}

/* ---- SRV records ---- */

struct bl_chronicle_lookup {
    struct bl_lookup *of_system;
    struct bl_lookup_at *of_server;
};

/* The same order after each look-up, as round-robin counts on it: they come as they were drawn by
 * weight, which is for those who take the first. */
static int compare(const void *x, const void *y)
{
    const struct bl_srv *a = x, *b = y;
    int names;

    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    names = strcmp(a->target, b->target);
    return names ? names : (int)a->port - b->port;
}

static int take_record(struct belay_chronicle *c, const struct bl_srv *record)
{
    struct bl_chronicle_places *places = &c->attempt.places;
    int rc = bl_chronicle_places_add(places, &c->loop->mem, record->target, NULL);
    struct bl_chronicle_host *place;

    if (rc < 0)
        return rc == BELAY_ENOMEM ? rc : 0; /* a name that is none leads nowhere */
    place = &places->list[places->n - 1];
    place->port = record->port;
    if (place->ip.family != BELAY_FAMILY_NONE)
        place->ip.port = record->port;
    return 0;
}

static void on_records(const struct bl_srv *records, size_t n, const struct belay_error *error,
                       void *arg)
{
    struct bl_srv sorted[BL_CHRONICLE_HOSTS_MAX];
    struct belay_chronicle *c = arg;
    int rc;

    c->attempt.lookup->of_system = NULL;
    if (error) {
        bl_chronicle_attempt_fail(c, error);
        return;
    }
    n = n < BL_CHRONICLE_HOSTS_MAX ? n : BL_CHRONICLE_HOSTS_MAX;
    memcpy(sorted, records, n * sizeof *records);
    qsort(sorted, n, sizeof *sorted, compare);
    rc = make_places(c, n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = take_record(c, &sorted[i]);
    if (rc < 0)
        bl_chronicle_attempt_no_memory(c, "its addresses");
    else
        resolved(c);
}

static int ask_dns(struct belay_chronicle *c)
{
    const struct bl_chronicle_host *server = &c->string->name_server;
    char name[sizeof SERVICE + BL_HOST_MAX + 1];
    struct bl_chronicle_lookup *lookup = bl_zalloc(&c->loop->mem, sizeof *lookup);

    c->attempt.lookup = lookup;
    if (!lookup)
        return BELAY_ENOMEM;
    snprintf(name, sizeof name, SERVICE "%s", c->string->hosts[0].name);
    if (server->name)
        return bl_resolve_srv_at(c->loop, server->name, server->port, name, on_records, c,
                                 &lookup->of_server);
    return bl_resolve_srv(c->loop, name, c->attempt.number > 1, on_records, c, &lookup->of_system);
}

static void ask_caller(struct belay_chronicle *c)
{
    struct belay_chronicle_query *query = bl_chronicle_query_new(c, BL_CHRONICLE_Q_RESOLVE, 0);

    if (query)
        c->functions.resolve(query, c->string->hosts[0].name, c->functions.arg);
}

void bl_chronicle_resolve(struct belay_chronicle *c)
{
    struct belay_error error;
    int rc;

    if (!c->string->srv) {
        take_hosts(c);
        return;
    }
    if (c->functions.resolve) {
        ask_caller(c);
        return;
    }
    rc = ask_dns(c);
    if (rc == 0)
        return;
    bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "looking up " SERVICE "%s: %s", c->label,
                 belay_strerror(rc));
    bl_chronicle_attempt_fail(c, &error);
}

void bl_chronicle_resolve_cancel(struct belay_chronicle *c)
{
    struct bl_chronicle_lookup *lookup = c->attempt.lookup;

    if (!lookup)
        return;
    c->attempt.lookup = NULL;
    bl_resolve_cancel(lookup->of_system);
    bl_resolve_srv_at_free(lookup->of_server);
    bl_free(&c->loop->mem, lookup);
}
