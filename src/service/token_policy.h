/* SPDX-License-Identifier: MIT */
/*
 * When to fetch a token, and which one to use meanwhile. Pure: what happened and `now` go in; no
 * clock, no memory. token.c performs.
 *
 * The first is fetched when the first is asked for. One that has little time left is used while the
 * next is on its way; one that has none is waited for. There is one fetch at a time, whoever waits;
 * after one that failed there is none for 5 seconds, and who asks goes on with the token there is,
 * until its time is over, or without.
 *
 * Tokens are numbered. Who was refused with one says its number: where it is still the newest, the
 * next is fetched at once, whatever failed before, and waited for.
 */
#ifndef BL_SERVICE_TOKEN_POLICY_H
#define BL_SERVICE_TOKEN_POLICY_H

#include "belay/world.h"

#define BL_TP_MARGIN_NS   UINT64_C(60000000000) /* of the time left, below which it is renewed */
#define BL_TP_THROTTLE_NS UINT64_C(5000000000)
#define BL_TP_LIFE_MAX_S  INT64_C(31536000)

struct bl_tp {
    uint64_t number; /* of the token there is, from 1; 0: there never was one */
    bool fetching;
    uint64_t begun_at;   /* of the fetch: its token's time counts from there */
    uint64_t renew_at;   /* the token is used, and the next fetched */
    uint64_t expires_at; /* it is not used any more */
    uint64_t not_before; /* no fetch, unless one was refused */
};

enum bl_tp_verdict {
    BL_TP_USE,  /* the token there is */
    BL_TP_NONE, /* go without */
    BL_TP_WAIT, /* until the fetch has ended, then see bl_tp_settled */
};

void bl_tp_init(struct bl_tp *tp);

/*
 * Somebody wants one; `refused` is the number of the token that was refused, 0: none was. With
 * *ret_fetch a fetch is to be begun, and bl_tp_fetched or bl_tp_failed follows.
 */
enum bl_tp_verdict bl_tp_ask(struct bl_tp *tp, uint64_t refused, uint64_t now, bool *ret_fetch);

/* It came: good for so many seconds from when the fetch began (more than a year counts as one). */
void bl_tp_fetched(struct bl_tp *tp, int64_t life_s);
void bl_tp_failed(struct bl_tp *tp, uint64_t now);

/* What who waited goes on with: USE or NONE. A token that was fetched is used once whatever its
 * time. */
enum bl_tp_verdict bl_tp_settled(const struct bl_tp *tp, bool fetched, uint64_t now);

#endif
