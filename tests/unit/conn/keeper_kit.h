/* SPDX-License-Identifier: MIT */
/* A keeper that only writes down what it was told of its one connection. */
#ifndef TEST_CONN_KEEPER_KIT_H
#define TEST_CONN_KEEPER_KIT_H

#include "conn/conn.h"
#include "support/puppet.h"

struct keeper {
    struct belay_conn *conn; /* NULL once it was freed */
    struct belay_dial_options dial;
    unsigned opened, failed, changed, checked, closed;
    int check_result;
    bool close_at_once;         /* from within `opened` */
    struct bl_conn_facts facts; /* when it was told last */
    int code;                   /* of what failed or was lost */
    enum belay_stage stage;
    bool final;
    char text[BELAY_ERROR_TEXT_MAX];
};

/* With the default options; *k->dial may be changed before keeper_open. */
void keeper_init(struct keeper *k);
int keeper_open(struct keeper *k, struct belay_endpoint *endpoint,
                const struct belay_connector *connector);
unsigned keeper_told(const struct keeper *k); /* of anything */

#endif
