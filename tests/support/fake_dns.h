/* SPDX-License-Identifier: MIT */
/* A name server on strings, for a loop's world: it answers what the test says, when it says so. */
#ifndef TEST_SUPPORT_FAKE_DNS_H
#define TEST_SUPPORT_FAKE_DNS_H

#include "belay/world.h"
#include "support/test.h"

#define FAKE_QUERIES_MAX 64

struct fake_query {
    bool open;
    char name[256];
    enum belay_dns_type type;
    belay_dns_fn *fn;
    void *arg;
};

struct fake_dns {
    struct belay_dns dns;
    unsigned n, forgotten; /* queries so far; given up by the resolver */
    struct fake_query queries[FAKE_QUERIES_MAX];
};

void fake_dns_init(struct fake_dns *f);
/* The oldest open query for a name and type; NULL. */
struct fake_query *fake_dns_find(struct fake_dns *f, const char *name, enum belay_dns_type type);
unsigned fake_dns_open(const struct fake_dns *f);
void fake_dns_answer(struct fake_query *q, int status, const struct belay_dns_record *records,
                     size_t n);
/* Answers with IP addresses, given as text ("192.0.2.1 192.0.2.2"). */
void fake_dns_answer_ips(struct fake_query *q, const char *ips);

#endif
