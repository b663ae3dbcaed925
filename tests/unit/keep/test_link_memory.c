/* SPDX-License-Identifier: MIT */
/* A whole life of a link in which every allocation fails, once or with all that follow. */
#include "unit/keep/link_kit.h"

static struct link_kit k;

#define WAITS 4

static struct link_wait waits[WAITS];
static bool accepted[WAITS];

static void ask(int i, int64_t timeout_ms, bool or_failed)
{
    int rc;

    waits[i] = (struct link_wait){0};
    rc = link_wait_for(&waits[i], &k, "w", timeout_ms, or_failed);
    accepted[i] = rc == 0;
    assert_true(rc == 0 || rc == BELAY_ENOMEM);
}

static void on_other(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    unsigned *heard = arg;

    (void)link;
    (void)event;
    ++*heard;
}

static void note_end(void *arg)
{
    unsigned *ended = arg;

    ++*ended;
}

/* Failures, waiters, subscribers, a loss, a check, a candidate, a broken lease. */
static void live(unsigned *heard)
{
    struct belay_link_subscription *s;
    struct belay_lease lease;
    int rc = belay_link_subscribe(k.link, on_other, heard, &s);

    assert_true(rc == 0 || rc == BELAY_ENOMEM);
    ask(0, BELAY_FOREVER, false);
    ask(1, 2000, true);
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_pass(&k, 1500);
    k.puppet.fail = 0;
    link_kit_pass(&k, 30000);
    if (belay_link_current(k.link, &lease) == 0)
        puppet_lose(belay_lease_state(lease), BELAY_ERESET);
    ask(2, 30000, false);
    link_kit_pass(&k, 15000);
    if (belay_link_current(k.link, &lease) == 0)
        belay_conn_draining(belay_lease_conn(lease));
    link_kit_pass(&k, 15000);
    if (belay_link_current(k.link, &lease) == 0)
        assert_int_equal(belay_lease_release(lease, BELAY_BROKEN), 0);
    link_kit_pass(&k, 15000);
}

static void scenario(void)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    unsigned heard = 0, ended = 0, watchers = 0;
    int rc;

    backoff.delay_ms = 1000;
    backoff.delay_max_ms = 5000;
    k.options.retry_delay_ms = 0;
    k.options.retry_spread = 0;
    k.options.backoff = &backoff;
    k.options.check_interval_ms = 3000;
    k.options.move_interval_ms = 4000;
    rc = belay_link_open(k.source.source, &k.options, &k.link, NULL);
    if (rc < 0) {
        assert_int_equal(rc, BELAY_ENOMEM);
        k.link = NULL;
        return;
    }
    watchers += belay_link_close_finished(k.link, note_end, &ended) == 0;
    live(&heard);
    failing_alloc_once(&k.alloc, 0); /* healed: whatever happened, it works again */
    ask(3, 30000, false);
    link_kit_pass(&k, 30000);
    assert_int_equal(waits[3].code, 0);
    for (int i = 0; i < WAITS; i++)
        assert_int_equal(waits[i].told, accepted[i]); /* once, whatever fails */
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_UP);
    link_kit_close(&k);
    assert_int_equal(ended, watchers);
}

static void sweep(void (*let_fail)(struct failing_alloc *f, size_t n))
{
    size_t n;

    for (n = 1; n < 1000; n++) {
        size_t refused;

        link_kit_begin(&k, "ab");
        let_fail(&k.alloc, n);
        scenario();
        refused = failing_alloc_failures(&k.alloc);
        let_fail(&k.alloc, 0);
        link_kit_end(&k);
        if (refused == 0)
            break;
    }
    assert_true(n > 20 && n < 1000);
}

static void every_allocation_of_a_link_may_fail_once(void **state)
{
    (void)state;
    sweep(failing_alloc_once);
}

static void every_allocation_of_a_link_may_fail_with_all_that_follow(void **state)
{
    (void)state;
    sweep(failing_alloc_from);
}

/* Closing needs no memory, whatever the link does. */
static void closing_allocates_nothing(void **state)
{
    (void)state;
    for (int64_t when = 0; when < 3; when++) {
        size_t calls;

        link_kit_begin(&k, "ab");
        k.source.later = when == 0;
        k.puppet.capacity = when == 1 ? 0 : 1;
        link_kit_open(&k);
        link_kit_settle(&k);
        calls = failing_alloc_calls(&k.alloc);
        failing_alloc_from(&k.alloc, 1);
        link_kit_close(&k);
        assert_int_equal(failing_alloc_calls(&k.alloc), calls);
        failing_alloc_from(&k.alloc, 0);
        link_kit_end(&k);
    }
}

static void a_spec_without_memory_leaks_nothing(void **state)
{
    struct belay_dial_options dial = belay_dial_options_init();
    size_t n;

    (void)state;
    for (n = 1; n < 50; n++) {
        struct belay_child_spec spec;
        int rc;

        link_kit_begin(&k, "a");
        k.options.dial = &dial;
        failing_alloc_once(&k.alloc, n);
        rc = belay_link_child_spec(k.source.source, &k.options, NULL, NULL, &spec, NULL);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        if (rc == 0)
            belay_child_spec_free(&spec);
        failing_alloc_once(&k.alloc, 0);
        link_kit_end(&k);
        if (rc == 0)
            break;
    }
    assert_true(n > 2 && n < 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_link_may_fail_once),
        cmocka_unit_test(every_allocation_of_a_link_may_fail_with_all_that_follow),
        cmocka_unit_test(closing_allocates_nothing),
        cmocka_unit_test(a_spec_without_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("keep_link_memory", tests, NULL, NULL);
}
