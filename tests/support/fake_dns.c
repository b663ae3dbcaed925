/* SPDX-License-Identifier: MIT */
/* The name server on strings: questions are kept until the test answers. */
#include "support/fake_dns.h"

#include <stdio.h>

static int query(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                 belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct fake_dns *f = arg;
    struct fake_query *q;

    (void)loop;
    assert_true(f->n < FAKE_QUERIES_MAX);
    q = &f->queries[f->n++];
    q->open = true;
    snprintf(q->name, sizeof q->name, "%s", name);
    q->type = type;
    q->fn = fn;
    q->arg = fn_arg;
    *ret_handle = q;
    return 0;
}

static void forget(void *handle, void *arg)
{
    struct fake_query *q = handle;
    struct fake_dns *f = arg;

    assert_true(q->open);
    q->open = false;
    f->forgotten++;
}

void fake_dns_init(struct fake_dns *f)
{
    memset(f, 0, sizeof *f);
    f->dns = (struct belay_dns){.size = sizeof f->dns, .query = query, .forget = forget, .arg = f};
}

struct fake_query *fake_dns_find(struct fake_dns *f, const char *name, enum belay_dns_type type)
{
    for (unsigned i = 0; i < f->n; i++) {
        struct fake_query *q = &f->queries[i];

        if (q->open && q->type == type && strcmp(q->name, name) == 0)
            return q;
    }
    return NULL;
}

unsigned fake_dns_open(const struct fake_dns *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < f->n; i++)
        n += f->queries[i].open;
    return n;
}

void fake_dns_answer(struct fake_query *q, int status, const struct belay_dns_record *records,
                     size_t n)
{
    assert_non_null(q);
    assert_true(q->open);
    q->open = false;
    q->fn(status, records, n, q->arg);
}

void fake_dns_answer_ips(struct fake_query *q, const char *ips)
{
    struct belay_dns_record records[8] = {0};
    size_t n = 0;

    while (*ips) {
        size_t len = strcspn(ips, " ");

        assert_true(n < 8);
        records[n].ttl_s = 60;
        assert_int_equal(belay_addr_parse_ip(ips, len, 0, &records[n++].addr), 0);
        ips += len + (ips[len] == ' ');
    }
    fake_dns_answer(q, 0, records, n);
}
