/* SPDX-License-Identifier: MIT */
/*
 * Random histories of sessions: a kernel that serves well, badly or not at all, tokens that come and
 * go, and callers of all kinds. Who asks is told once, phases come in order, each session has an id of
 * its own, and in the end nothing is left. BELAY_SEED begins with that one.
 */
#include "kernel_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/rand.h"
#include "belay/chronicle.h"

#define HISTORIES 25
#define STEPS     70
#define IDS       32

struct history {
    struct kernel_kit k;
    struct bl_rand rand;
    struct belay_chronicle *c;
    bool has_tokens;
    enum belay_chronicle_phase phase; /* as was told last; 0: nothing was */
    char ids[IDS][40];                /* of sessions */
    unsigned ids_n;
    struct belay_chronicle_waiter *waiter; /* the last; NULL: it was told */
    int waits, told, calls, called, exits;
    bool closed;
};

static unsigned upto(struct history *h, unsigned n)
{
    return (unsigned)bl_rand_below(&h->rand, n);
}

/* ---- what is told ---- */

static void on_phase(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                     const char *connection_id, void *arg)
{
    struct history *h = arg;

    if (h->phase > BELAY_CHRONICLE_DISCONNECTED)
        assert_string_equal(h->ids[h->ids_n - 1], connection_id);
    if (phase == BELAY_CHRONICLE_CONNECTED) {
        assert_int_equal(h->phase, BELAY_CHRONICLE_DISCONNECTED);
        for (unsigned i = 0; i < h->ids_n; i++)
            assert_string_not_equal(h->ids[i], connection_id);
        assert_true(h->ids_n < IDS);
        snprintf(h->ids[h->ids_n++], sizeof h->ids[0], "%s", connection_id);
    } else if (phase == BELAY_CHRONICLE_REGISTERED) {
        assert_int_equal(h->phase, BELAY_CHRONICLE_CONNECTED);
    } else {
        assert_int_not_equal(h->phase, BELAY_CHRONICLE_DISCONNECTED);
    }
    h->phase = phase;
    if (upto(h, 12) == 0)
        belay_chronicle_reconnect(c);
    if (upto(h, 3) == 0)
        belay_chronicle_registered(c, NULL);
}

static void on_answer(const struct belay_error *error, void *arg)
{
    struct history *h = arg;

    h->told++;
    h->waiter = NULL;
    if (!error)
        assert_true(belay_chronicle_connected(h->c));
    else
        assert_true(error->code < 0 && error->text[0]);
}

static void on_exit_(struct belay_chronicle *c, struct belay_exit why, void *arg)
{
    (void)c, (void)why;
    ((struct history *)arg)->exits++;
}

static void on_called(const void *response, size_t len, const struct belay_rpc_result *result,
                      void *arg)
{
    (void)response, (void)len, (void)result;
    ((struct history *)arg)->called++;
}

/* ---- what happens ---- */

/* Whether the last session's connection stands on the kernel's side. */
static bool has_session(const struct history *h)
{
    return h->k.counts[KERNEL_CONNECT] > 0 && h->k.ways[KERNEL_CONNECT] == KERNEL_WELL &&
           h->k.server.conns[kernel_last(&h->k, KERNEL_CONNECT)->conn].fd >= 0;
}

static void kernel_acts(struct history *h)
{
    struct kernel_kit *k = &h->k;
    unsigned conns = k->server.accepted;

    switch (upto(h, 8)) {
    case 0:
        if (has_session(h))
            kernel_end(k, (int)upto(h, 17));
        break;
    case 1:
        if (conns > 0 && k->server.conns[conns - 1].fd >= 0)
            kernel_hang_up(k);
        break;
    case 2: /* it may refuse everything but the question, which would be the end */
        for (int m = 0; m < KERNEL_METHODS; m++)
            k->ways[m] = upto(h, 3) ? KERNEL_WELL : (enum kernel_way)upto(h, KERNEL_NONSENSE + 1);
        if (k->ways[KERNEL_CHECK] == KERNEL_REFUSE)
            k->ways[KERNEL_CHECK] = KERNEL_SILENT;
        break;
    case 3:
        for (int m = 0; m < KERNEL_METHODS; m++)
            k->ways[m] = KERNEL_WELL;
        break;
    case 4:
        k->token = upto(h, 3) || !h->has_tokens ? NULL : "Bearer abd";
        break;
    default:
        if (has_session(h))
            kernel_keep(k);
    }
}

static void callers_act(struct history *h)
{
    struct belay_channel *channel = belay_chronicle_channel(h->c);

    switch (upto(h, 6)) {
    case 0:
        h->waits +=
            belay_chronicle_connect(h->c, (int64_t)upto(h, 2000), &h->waiter, on_answer, h) == 0;
        break;
    case 1:
        h->waits -= h->waiter != NULL;
        belay_chronicle_waiter_cancel(h->waiter);
        h->waiter = NULL;
        break;
    case 2:
        belay_chronicle_reconnect(h->c);
        break;
    case 3:
        belay_chronicle_registered(h->c, upto(h, 2) ? NULL : belay_chronicle_connection_id(h->c));
        break;
    default:
        if (channel)
            h->calls +=
                belay_channel_unary(channel, "/a.B/C", "", 0, NULL, NULL, on_called, h, NULL) == 0;
    }
}

static void act(struct history *h)
{
    switch (upto(h, 4)) {
    case 0:
        callers_act(h);
        break;
    case 1:
        kernel_forward(&h->k, (int64_t)(upto(h, 4) ? 200 : 1000 * upto(h, 4)));
        break;
    default:
        kernel_acts(h);
    }
}

/* ---- a life ---- */

static void begin(struct history *h, uint64_t seed)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_BUSY, KERNEL_TOKEN("abd"),
                                          KERNEL_TOKEN("abe"), NULL};
    struct belay_chronicle_options o = belay_chronicle_options_init();
    struct belay_chronicle_subscription *subscription;
    struct belay_error error;
    char text[200];

    memset(h, 0, sizeof *h);
    bl_rand_seed(&h->rand, seed);
    h->has_tokens = upto(h, 2);
    kernel_open(&h->k, h->has_tokens ? answers : NULL);
    snprintf(text, sizeof text, "chronicle://%s127.0.0.1:%d?disableTls=true&authPort=%d%s",
             h->has_tokens ? "user:pass@" : "", h->k.server.port,
             h->has_tokens ? h->k.tokens.port : 1, h->has_tokens ? "" : "&apiKey=key");
    o.connection_string = text;
    o.on_exit = on_exit_;
    o.exit_arg = h;
    o.retry_attempts = upto(h, 2) ? 2 : BELAY_FOREVER;
    o.reconnect_base_delay_ms = 50;
    o.reconnect_max_delay_ms = 200;
    o.attempt_timeout_ms = 3000;
    o.session_timeout_ms = 1000;
    o.no_auto_connect = upto(h, 2);
    if (belay_chronicle_start(h->k.loop, &o, &h->c, &error) < 0)
        fail_msg("%s", error.text);
    belay_chronicle_ref(h->c);
    assert_int_equal(belay_chronicle_subscribe(h->c, on_phase, h, &subscription), 0);
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

/* By the caller, or with the loop. */
static void end(struct history *h)
{
    bool by_caller = upto(h, 2);

    if (by_caller) {
        belay_chronicle_disconnect(h->c, set, &h->closed);
        kernel_until(&h->k, &h->closed);
        assert_int_equal(h->exits, 1);
        assert_int_equal(h->told, h->waits);
        kernel_until_n(&h->k, &h->called, h->calls);
    }
    belay_chronicle_unref(h->c);
    kernel_close(&h->k);
    assert_int_equal(h->exits, 1);
    assert_int_equal(h->told, h->waits);
    assert_int_equal(h->called, h->calls);
}

static void live(uint64_t seed)
{
    static struct history h;

    begin(&h, seed);
    for (int i = 0; i < STEPS; i++) {
        if (h.k.server.accepted > H2_CONNS - 4 || h.k.n > KERNEL_REQUESTS - 60)
            break; /* of the kit's room */
        act(&h);
        for (unsigned n = upto(&h, 6); n > 0; n--)
            kernel_turn(&h.k);
        assert_int_equal(belay_chronicle_connected(h.c), belay_chronicle_channel(h.c) != NULL);
    }
    end(&h);
}

static void sessions_keep_their_promises_whatever_happens(void **state)
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
        cmocka_unit_test(sessions_keep_their_promises_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
