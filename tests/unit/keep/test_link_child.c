/* SPDX-License-Identifier: MIT */
/* A link under a supervisor, told by its child spec; and what the trace shows of a link. */
#include <stdio.h>

#include "conn/child.h"
#include "unit/keep/link_kit.h"

static struct link_kit k;

/* A keeper of one child that writes down what it hears. */
static struct belay_child child;

static void on_started(struct belay_child *c)
{
    k.link = c->object;
    link_kit_note(&k, "started");
}

static void on_failed(struct belay_child *c, const struct belay_error *error)
{
    (void)c;
    link_kit_note(&k, "start failed: %s", belay_error_name(error->code));
}

static void on_ended(struct belay_child *c, struct belay_exit why)
{
    (void)c;
    k.link = NULL;
    link_kit_note(&k, "ended: %s %s", belay_exit_name(why.kind),
                  why.error ? belay_error_name(why.error->code) : "-");
}

static const struct bl_child_keeper keeper = {
    .started = on_started, .failed = on_failed, .ended = on_ended};

static void on_open(struct belay_link *link, void *arg)
{
    (void)link;
    link_kit_note(arg, "opened");
}

static void begin(void)
{
    struct bl_child_spec taken;
    struct belay_child_spec spec;
    struct belay_error error;

    assert_int_equal(belay_link_child_spec(k.source.source, &k.options, on_open, &k, &spec, &error),
                     0);
    assert_string_equal(spec.ops->noun, "link");
    spec.id = "x";
    assert_int_equal(bl_child_spec_take(&taken, &k.loop->mem, &spec, &error), 0);
    bl_child_init(&child, k.loop, &keeper, &taken);
}

static int teardown(void **state)
{
    (void)state;
    if (child.active) {
        bl_child_stop(&child);
        link_kit_settle(&k);
    }
    bl_child_fini(&child);
    link_kit_end(&k);
    return 0;
}

static void a_supervisor_opens_and_closes_it(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    begin();
    bl_child_start(&child);
    link_kit_settle(&k);
    link_kit_told(&k, "0 opened\n0 attempting\n0 started\n0 obtained a\n0 connected a\n");
    bl_child_stop(&child);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: here, next none\n0 ended: normal -\n");
    assert_true(bl_list_empty(&k.loop->objects));
    bl_child_start(&child); /* the same spec again */
    link_kit_settle(&k);
    link_kit_told(&k, "0 opened\n0 attempting\n0 started\n0 obtained a\n0 connected a\n");
}

static void a_link_that_its_user_closed_ended_normally(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    begin();
    bl_child_start(&child);
    link_kit_settle(&k);
    k.log[0] = 0;
    belay_link_close(k.link, NULL, NULL);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: here, next none\n0 ended: normal -\n");
}

static void a_link_that_ended_of_a_final_error_ended_abnormally(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECERT;
    k.puppet.final = true;
    begin();
    bl_child_start(&child);
    link_kit_settle(&k);
    link_kit_told(&k, "0 opened\n0 attempting\n0 started\n0 obtained a\n"
                      "0 failed ECERT a, 1 in a row, next none\n0 ended: error ECERT\n");
    assert_true(bl_list_empty(&k.loop->objects)); /* its supervisor closes it by that */
    bl_child_start(&child);
    link_kit_settle(&k);
    link_kit_told(&k, "0 opened\n0 attempting\n0 started\n0 obtained a\n"
                      "0 failed ECERT a, 1 in a row, next none\n0 ended: error ECERT\n");
}

static void a_start_without_memory_fails(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    begin();
    failing_alloc_once(&k.alloc, 1);
    bl_child_start(&child);
    link_kit_settle(&k);
    link_kit_told(&k, "0 start failed: ENOMEM\n");
}

static void a_spec_copies_what_it_is_given(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    char name[] = "orders";

    (void)state;
    link_kit_begin(&k, "a");
    backoff.delay_ms = 700;
    backoff.jitter = BELAY_JITTER_NONE;
    k.options.retry_delay_ms = 0;
    k.options.retry_spread = 0;
    k.options.backoff = &backoff;
    k.options.server_name = name;
    k.puppet.fail = BELAY_ECONNECT;
    begin();
    memset(name, 'x', sizeof name - 1);
    memset(&backoff, 0x55, sizeof backoff);
    bl_child_start(&child);
    link_kit_settle(&k);
    assert_string_equal(belay_link_server_name(k.link), "orders");
    assert_int_equal(link_kit_stats(&k).next_ms, 700);
    k.puppet.fail = 0;
}

static void a_spec_of_impossible_options_is_none(void **state)
{
    struct belay_child_spec spec;
    struct belay_error error;

    (void)state;
    link_kit_begin(&k, "a");
    begin();
    k.options.retry_spread = 200;
    assert_int_equal(belay_link_child_spec(k.source.source, &k.options, NULL, NULL, &spec, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "retry_spread"));
    assert_int_equal(belay_link_child_spec(NULL, NULL, NULL, NULL, &spec, &error), BELAY_EINVAL);
}

/* ---- the trace ---- */

static char traced[2048];

static void on_trace(const struct belay_trace *trace, void *arg)
{
    size_t len = strlen(traced);

    (void)arg;
    if (strcmp(trace->noun, "link") != 0)
        return;
    assert_string_equal(trace->name, "catalog");
    snprintf(traced + len, sizeof traced - len, "%s>%s(%s) ", trace->from ? trace->from : "-",
             trace->to ? trace->to : "-", trace->cause);
}

static void the_trace_shows_every_change_of_state(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    begin();
    traced[0] = 0;
    k.loop->on_trace = on_trace;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_open(&k);
    link_kit_settle(&k);
    k.puppet.fail = 0;
    link_kit_pass(&k, 10000);
    link_kit_close(&k);
    assert_string_equal(
        traced, "->start() start>try(due) try>resolving(go) resolving>found(address) "
                "found>dialing(go) dialing>failed(ECONNECT) failed>try(due) try>resolving(go) "
                "resolving>found(address) found>dialing(go) dialing>up(opened) up>closing(close) "
                "closing>closed(gone) closed>-() ");
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_supervisor_opens_and_closes_it),
        T(a_link_that_its_user_closed_ended_normally),
        T(a_link_that_ended_of_a_final_error_ended_abnormally),
        T(a_start_without_memory_fails),
        T(a_spec_copies_what_it_is_given),
        T(a_spec_of_impossible_options_is_none),
        T(the_trace_shows_every_change_of_state),
    };
    return cmocka_run_group_tests_name("keep_link_child", tests, NULL, NULL);
}
