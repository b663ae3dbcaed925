/* SPDX-License-Identifier: MIT */
/* The kit of the tests of Chronicle's connection. */
#include "chronicle_kit.h"

#include <stdio.h>

int64_t chk_now_ms(const struct chronicle_kit *k)
{
    return (int64_t)(k->net.time.clock.now_ns(k->net.time.clock.arg) / 1000000u);
}

/* ---- functions of a caller's ---- */

static void answer(struct chronicle_kit *k, struct belay_chronicle_query *query, const char *target,
                   const struct belay_channel_options *options)
{
    struct belay_channel *channel = NULL;
    struct belay_error error;

    if (belay_channel_open(k->net.loop, target, options, &channel, &error) < 0) {
        belay_chronicle_opened(query, NULL, &error);
        return;
    }
    k->opened++;
    belay_chronicle_opened(query, channel, NULL);
}

static void on_connect(struct belay_chronicle_query *query, const char *target,
                       const struct belay_channel_options *options, void *arg)
{
    struct chronicle_kit *k = arg;

    assert_true(k->dials < CHK_TARGETS);
    k->dialled_ms[k->dials] = chk_now_ms(k);
    snprintf(k->targets[k->dials++], sizeof k->targets[0], "%s", target);
    if (k->holds) {
        assert_true(k->held_n < CHK_HELD);
        k->held[k->held_n++] = query;
    } else if (k->refuses) {
        belay_chronicle_opened(query, NULL, &k->refusal);
    } else {
        answer(k, query, target, options);
    }
}

void chk_answer(struct chronicle_kit *k, unsigned n)
{
    struct belay_channel_options o = ck_options();

    assert_true(n < k->held_n);
    answer(k, k->held[n], k->targets[k->dials - k->held_n + n], &o);
}

static void on_disconnect(struct belay_channel *channel, void *arg)
{
    struct chronicle_kit *k = arg;

    k->disconnected++;
    assert_true(k->disconnected <= k->opened);
    belay_channel_close(channel, NULL, NULL);
}

static void on_exit(struct belay_chronicle *chronicle, struct belay_exit why, void *arg)
{
    struct chronicle_kit *k = arg;

    (void)chronicle;
    assert_true(belay_chronicle_is_closed(chronicle));
    k->exits++;
    k->exit = why.kind;
    assert_int_equal(why.error != NULL, why.kind == BELAY_EXIT_ERROR);
    if (why.error)
        k->exit_error = *why.error;
}

/* ---- life ---- */

void chk_string(struct chronicle_kit *k, const char *format)
{
    size_t n = 0;

    for (; *format; format++) {
        assert_true(n < sizeof k->string - 12);
        if (*format == '%' && format[1] >= '1' && format[1] <= '3')
            n += (size_t)snprintf(k->string + n, 12, "%d", k->net.servers[*++format - '1'].port);
        else
            k->string[n++] = *format;
    }
    k->string[n] = '\0';
    k->options.connection_string = k->string;
}

void chk_open(struct chronicle_kit *k)
{
    memset(k, 0, sizeof *k);
    ck_open(&k->net, "ipv4:127.0.0.1:%1", NULL);
    belay_channel_close(k->net.channel, NULL, NULL);
    k->net.channel = NULL;
    k->options = belay_chronicle_options_init();
    k->options.no_session = true;
    k->options.on_exit = on_exit;
    k->options.exit_arg = k;
    k->functions = (struct belay_chronicle_functions){
        .size = sizeof k->functions,
        .connect = on_connect,
        .disconnect = on_disconnect,
        .arg = k,
    };
    k->options.functions = &k->functions;
    k->refusal = (struct belay_error){
        .code = BELAY_ECONNECT, .kind = BELAY_KIND_RETRY, .text = "the test refuses"};
    chk_string(k, "chronicle://127.0.0.1:%1?disableTls=true");
}

void chk_start(struct chronicle_kit *k)
{
    struct belay_error error;
    unsigned dials = k->dials;

    if (belay_chronicle_start(k->net.loop, &k->options, &k->c, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(k->dials, dials);
}

struct belay_error chk_refused(struct chronicle_kit *k)
{
    struct belay_error error = {0};
    struct belay_chronicle *c = NULL;
    int rc = belay_chronicle_start(k->net.loop, &k->options, &c, &error);

    assert_int_equal(rc, error.code);
    assert_true(rc < 0);
    assert_null(c);
    return error;
}

void chk_up(struct chronicle_kit *k)
{
    chk_start(k);
    CHK_UNTIL(k, belay_chronicle_connected(k->c));
    chk_a_while(k);
}

static void on_closed(void *arg)
{
    struct chronicle_kit *k = arg;

    assert_false(k->closed);
    assert_int_equal(k->opened, k->disconnected);
    k->closed = true;
}

void chk_close(struct chronicle_kit *k)
{
    if (k->c) {
        belay_chronicle_disconnect(k->c, on_closed, k);
        CHK_UNTIL(k, k->closed);
        assert_int_equal(k->exits, 1);
    }
    assert_int_equal(k->opened, k->disconnected);
    ck_close(&k->net);
}

/* ---- time ---- */

void chk_a_while(struct chronicle_kit *k)
{
    ck_a_while(&k->net);
}

void chk_forward(struct chronicle_kit *k, int64_t ms)
{
    ck_forward(&k->net, ms);
    chk_a_while(k);
}

int64_t chk_next_dial_ms(struct chronicle_kit *k)
{
    unsigned before = k->dials;

    assert_true(before > 0);
    for (int64_t ms = 0; k->dials == before; ms += 50) {
        assert_true(ms < 60000);
        ck_forward(&k->net, 50);
        ck_turn(&k->net);
    }
    return k->dialled_ms[before] - k->dialled_ms[before - 1];
}

/* ---- who waits, and who listens ---- */

void chk_done(const struct belay_error *error, void *arg)
{
    struct chk_waiter *w = arg;

    w->dones++;
    w->done = true;
    w->waiter = NULL;
    if (error)
        w->error = *error;
}

void chk_wait(struct chronicle_kit *k, struct chk_waiter *w, int64_t timeout_ms)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(belay_chronicle_connect(k->c, timeout_ms, &w->waiter, chk_done, w), 0);
    assert_false(w->done);
}

static unsigned number_of(struct chronicle_kit *k, const char *id)
{
    for (unsigned i = 0; i < k->ids_n; i++) {
        if (strcmp(k->ids[i], id) == 0)
            return i + 1;
    }
    assert_true(k->ids_n < 16);
    assert_int_equal(strlen(id), 36);
    snprintf(k->ids[k->ids_n++], sizeof k->ids[0], "%s", id);
    return k->ids_n;
}

static void on_phase(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                     const char *connection_id, void *arg)
{
    struct chronicle_kit *k = arg;
    size_t n = strlen(k->phases);

    assert_ptr_equal(c, k->c);
    snprintf(k->phases + n, sizeof k->phases - n, "%s %u ", belay_chronicle_phase_name(phase),
             number_of(k, connection_id));
}

void chk_subscribe(struct chronicle_kit *k, struct belay_chronicle_subscription **ret)
{
    struct belay_chronicle_subscription *own;

    assert_int_equal(belay_chronicle_subscribe(k->c, on_phase, k, ret ? ret : &own), 0);
}

void chk_hang_up(struct chronicle_kit *k, unsigned server)
{
    for (unsigned i = 0; i < k->net.servers[server].accepted; i++) {
        if (k->net.servers[server].conns[i].fd >= 0)
            h2_hang_up(&k->net.servers[server], i);
    }
}
