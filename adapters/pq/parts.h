/* SPDX-License-Identifier: MIT */
/* What the adapter's files share: how to connect, and what an error says. */
#ifndef BL_PQ_PARTS_H
#define BL_PQ_PARTS_H

#include "belay-pq.h"

#define PQ_PARAMS_MAX 64

struct belay_pq {
    PQconninfoOption *info; /* conninfo, parsed */
    enum belay_pq_reset reset;
    void (*on_notice)(const char *text, void *arg);
    void *notice_arg;
    char *host; /* what libpq will dial: a name, an address, a directory, or a list */
    char *port;
    char *url;     /* of the endpoint */
    char *tag;     /* user and database */
    bool looks_up; /* host is one name: belay looks it up */
};

/* session.c */
extern const struct belay_connector_ops bl_pq_ops;

/* bl_pq_error.c: one line of what libpq says, after a sentence, with its code, kind and stage. */
void bl_pq_connect_error(const PGconn *pg, const char *name, enum belay_stage stage,
                         struct belay_error *error);
void bl_pq_lost_error(const PGconn *pg, const char *name, struct belay_error *error);
int bl_pq_error(struct belay_error *error, int code, enum belay_stage stage, const char *format,
                ...) BELAY_PRINTF(4, 5);

#endif
