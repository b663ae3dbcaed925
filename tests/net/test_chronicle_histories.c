/* SPDX-License-Identifier: MIT */
/*
 * Random histories: callers, servers and time do what they like to a connection, in any order. Its
 * promises hold after each step, and in the end it is connected, or ends. BELAY_SEED begins with
 * that one.
 */
#include "chronicle_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"

#define HISTORIES 60
#define STEPS     80

struct history {
    struct chronicle_kit k;
    struct bl_rand rand;
    struct chk_waiter waiters[STEPS];
    int asked;
    enum belay_chronicle_phase phase; /* as was told last; 0: nothing was */
    char id[40], former[40];
    bool subscribed, deaf, answered[CHK_HELD];
};

static unsigned upto(struct history *h, unsigned n)
{
    return (unsigned)bl_rand_below(&h->rand, n);
}

/* Up by one, or down to the ground; each session has an id of its own. */
static void on_phase(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                     const char *connection_id, void *arg)
{
    struct history *h = arg;

    (void)c;
    if (h->phase == BELAY_CHRONICLE_DISCONNECTED)
        assert_int_equal(phase, BELAY_CHRONICLE_CONNECTED);
    else if (h->phase == BELAY_CHRONICLE_CONNECTED)
        assert_int_not_equal(phase, BELAY_CHRONICLE_CONNECTED);
    else if (h->phase == BELAY_CHRONICLE_REGISTERED)
        assert_int_equal(phase, BELAY_CHRONICLE_DISCONNECTED);
    if (h->phase > BELAY_CHRONICLE_DISCONNECTED) {
        assert_string_equal(connection_id, h->id);
    } else if (h->phase == BELAY_CHRONICLE_DISCONNECTED) {
        assert_string_not_equal(connection_id, h->former);
        snprintf(h->former, sizeof h->former, "%s", connection_id);
    }
    snprintf(h->id, sizeof h->id, "%s", connection_id);
    h->phase = phase;
}

static void check(const struct history *h)
{
    const struct chronicle_kit *k = &h->k;

    assert_true(k->opened - k->disconnected <= 2); /* one, and one that is late */
    assert_int_equal(belay_chronicle_connected(k->c), belay_chronicle_channel(k->c) != NULL);
    assert_true(!belay_chronicle_connected(k->c) ||
                belay_chronicle_get_phase(k->c) >= BELAY_CHRONICLE_CONNECTED);
    for (int i = 0; i < h->asked; i++)
        assert_true(h->waiters[i].dones <= 1);
}

static void wait_for(struct history *h)
{
    struct chk_waiter *w = &h->waiters[h->asked];
    enum belay_chronicle_phase phase = 1 + upto(h, 3);
    int rc = belay_chronicle_wait_until(h->k.c, phase, upto(h, 3000), &w->waiter, chk_done, w);

    if (rc == 0)
        h->asked++;
    else
        assert_int_equal(rc, BELAY_ECLOSED);
}

static void cancel_one(struct history *h)
{
    struct chk_waiter *w = &h->waiters[upto(h, STEPS)];

    belay_chronicle_waiter_cancel(w->waiter);
    if (w->waiter)
        w->dones = 1; /* it is over */
    w->waiter = NULL;
}

static void answer_one(struct history *h)
{
    unsigned n;

    if (h->k.held_n == 0)
        return;
    n = upto(h, h->k.held_n);
    if (h->answered[n])
        return;
    h->answered[n] = true;
    if (upto(h, 2))
        belay_chronicle_opened(h->k.held[n], NULL, &h->k.refusal);
    else
        chk_answer(&h->k, n);
}

/* It lets nobody stay, for a time. */
static void toggle_server(struct history *h)
{
    h->k.net.servers[0].on_open = h->deaf ? NULL : h2_hang_up;
    h->deaf = !h->deaf;
}

static void act(struct history *h)
{
    struct chronicle_kit *k = &h->k;

    switch (upto(h, 12)) {
    case 0:
        wait_for(h);
        break;
    case 1:
        cancel_one(h);
        break;
    case 2:
        belay_chronicle_reconnect(k->c);
        break;
    case 3:
        belay_chronicle_registered(k->c, NULL);
        break;
    case 4:
        k->refuses = upto(h, 3) == 0;
        break;
    case 5:
        k->holds = k->held_n < CHK_HELD - 4 && upto(h, 3) == 0;
        break;
    case 6:
        answer_one(h);
        break;
    case 7:
        chk_hang_up(k, 0);
        break;
    case 8:
        if (upto(h, 3) == 0)
            toggle_server(h);
        break;
    default:
        ck_forward(&k->net, upto(h, 1500));
        break;
    }
}

/* All goes well from now on. */
static void heal(struct history *h)
{
    struct chronicle_kit *k = &h->k;

    if (h->deaf)
        toggle_server(h);
    k->refuses = k->holds = false;
    for (unsigned n = 0; n < k->held_n; n++) {
        if (!h->answered[n])
            belay_chronicle_opened(k->held[n], NULL, &k->refusal);
    }
}

static void come_up(struct history *h)
{
    struct chronicle_kit *k = &h->k;
    struct chk_waiter last = {0};

    if (belay_chronicle_connect(k->c, BELAY_FOREVER, NULL, chk_done, &last) < 0)
        return;
    for (int i = 0; !last.done; i++) {
        assert_true(i < 2000);
        ck_forward(&k->net, 50);
        ck_turn(&k->net);
    }
    assert_int_equal(last.dones, 1);
}

static void live(uint64_t seed)
{
    struct belay_chronicle_subscription *s;
    static struct history h;

    memset(&h, 0, sizeof h);
    bl_rand_seed(&h.rand, seed);
    chk_open(&h.k);
    h.k.net.hurried = true;
    h.k.options.retry_attempts = upto(&h, 4) ? BELAY_FOREVER : 3;
    h.k.options.attempt_timeout_ms = 2000;
    h.k.options.no_auto_connect = upto(&h, 2);
    chk_start(&h.k);
    assert_int_equal(belay_chronicle_subscribe(h.k.c, on_phase, &h, &s), 0);
    for (int i = 0; i < STEPS; i++) {
        if (h.k.net.servers[0].accepted > H2_CONNS - 3 || h.k.dials > CHK_TARGETS - 20 ||
            h.k.held_n > CHK_HELD - 4)
            break; /* of the kit's room */
        act(&h);
        if (upto(&h, 2))
            ck_turn(&h.k.net);
        check(&h);
    }
    heal(&h);
    if (upto(&h, 2))
        come_up(&h);
    chk_close(&h.k);
    for (int i = 0; i < h.asked; i++)
        assert_int_equal(h.waiters[i].dones, 1);
    assert_int_equal(h.phase, BELAY_CHRONICLE_DISCONNECTED);
}

static void promises_hold_whatever_happens(void **state)
{
    const char *first = getenv("BELAY_SEED");
    uint64_t seed = first ? strtoull(first, NULL, 0) : 1;

    (void)state;
    for (int i = 0; i < HISTORIES; i++, seed++) {
        fprintf(stderr, "seed %llu\r", (unsigned long long)seed);
        live(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_hold_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
