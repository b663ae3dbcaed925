/* SPDX-License-Identifier: MIT */
/*
 * SRV records of one name server that the caller names, past the cache and the system's servers: its
 * own address is looked up first, then it is asked over a seam made for this question.
 */
#include <stdio.h>

#include "net/resolver_inside.h"

#define SERVERS_MAX 4 /* of its addresses */

struct bl_lookup_at {
    struct belay_loop *loop;
    struct bl_lookup *lookup; /* of the server; NULL once it is known */
    struct belay_dns dns;     /* arg NULL: not made yet */
    void *query;              /* under way; NULL: none */
    bl_lookup_srv_fn *fn;
    void *arg;
    char servers[SERVERS_MAX * BELAY_ADDR_TEXT_MAX];
    char name[]; /* asked for; then that of the server */
};

static void fail(struct bl_lookup_at *l, int status)
{
    const char *what = belay_strerror(status);
    struct belay_error error;

    if (status == BELAY_ENONAME)
        what = "no SRV records";
    else if (status == BELAY_ETIMEDOUT)
        what = "no answer from its name server";
    bl_error_set(&error, status, BELAY_STAGE_RESOLVE, "looking up %s at %s: %s", l->name,
                 l->servers, what);
    l->fn(NULL, 0, &error, l->arg);
}

static void on_records(int status, const struct belay_dns_record *records, size_t n, void *arg)
{
    struct bl_lookup_at *l = arg;
    struct bl_srv list[BL_RECORDS_MAX];
    size_t found = 0;

    l->query = NULL;
    for (size_t i = 0; status == 0 && i < n && found < BL_RECORDS_MAX; i++)
        list[found++] = (struct bl_srv){records[i].target, records[i].port, records[i].priority,
                                        records[i].weight};
    if (found == 0) {
        fail(l, status ? status : BELAY_ENONAME);
        return;
    }
    bl_srv_order(list, found, &l->loop->rand);
    l->fn(list, found, NULL, l->arg);
}

static void list_servers(struct bl_lookup_at *l, const struct belay_addr *addrs, size_t n)
{
    char text[BELAY_ADDR_TEXT_MAX];
    size_t at = 0;

    for (size_t i = 0; i < n && i < SERVERS_MAX; i++) {
        belay_addr_print(&addrs[i], text, sizeof text);
        at += (size_t)snprintf(l->servers + at, sizeof l->servers - at, "%s%s", i ? "," : "", text);
    }
}

static void on_server(const struct belay_addr *addrs, size_t n, bool more,
                      const struct belay_error *error, void *arg)
{
    struct bl_lookup_at *l = arg;
    int rc;

    if (more)
        bl_resolve_cancel(l->lookup); /* what there is will do */
    l->lookup = NULL;
    if (error) {
        l->fn(NULL, 0, error, l->arg);
        return;
    }
    list_servers(l, addrs, n);
    rc = bl_dns_cares_new(l->loop, l->servers, &l->dns);
    if (rc == 0)
        rc = l->dns.query(l->loop, l->name, BELAY_DNS_SRV, on_records, l, &l->query, l->dns.arg);
    if (rc < 0)
        fail(l, rc);
}

int bl_resolve_srv_at(struct belay_loop *loop, const char *server, uint16_t port, const char *name,
                      bl_lookup_srv_fn *fn, void *arg, struct bl_lookup_at **ret)
{
    struct bl_lookup_options options = {.port = port};
    char lower[BL_NAME_MAX + 1];
    struct belay_addr numeric;
    struct bl_lookup_at *l;
    int rc;

    if (loop->dns)
        return BELAY_ENOTSUP;
    if (bl_name_classify(name, lower, &numeric) != BL_NAME_DNS)
        return BELAY_EINVAL;
    l = bl_zalloc(&loop->mem, sizeof *l + strlen(lower) + 1);
    if (!l)
        return BELAY_ENOMEM;
    l->loop = loop;
    l->fn = fn;
    l->arg = arg;
    memcpy(l->name, lower, strlen(lower) + 1);
    rc = bl_resolve(loop, server, &options, on_server, l, &l->lookup);
    if (rc < 0) {
        bl_free(&loop->mem, l);
        return rc;
    }
    *ret = l;
    return 0;
}

void bl_resolve_srv_at_free(struct bl_lookup_at *l)
{
    if (!l)
        return;
    bl_resolve_cancel(l->lookup);
    if (l->dns.arg)
        bl_dns_cares_free(l->loop, &l->dns);
    bl_free(&l->loop->mem, l);
}
