/* SPDX-License-Identifier: MIT */
/* Closing, kicking and more from within each callback; subscribers that come and go. */
#include "unit/keep/link_scene.h"

/* ---- closing in each event ---- */

static void close_on(struct link_kit *kit, const struct belay_link_event *event)
{
    if ((int)event->type == (int)(intptr_t)kit->arg)
        belay_link_close(kit->link, link_kit_on_closed, kit);
}

static void close_at(enum belay_link_event_type type)
{
    open_with("a");
    k.on_event = close_on;
    k.arg = (void *)(intptr_t)type;
}

static void closing_in_obtained_address_dials_nobody(void **state)
{
    (void)state;
    close_at(BELAY_LINK_OBTAINED_ADDRESS);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 closed\n");
    assert_int_equal(k.puppet.n, 0);
}

static void closing_in_failed_makes_no_further_attempt(void **state)
{
    (void)state;
    close_at(BELAY_LINK_FAILED_TO_CONNECT);
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_pass(&k, 20000);
    k.log[strlen(k.log)] = 0;
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECONNECT a, 1 in a row, next 10000\n"
                      "0 closed\n");
}

static void closing_in_connected_tells_disconnected(void **state)
{
    (void)state;
    close_at(BELAY_LINK_CONNECTED);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n"
                      "0 disconnected a: here, next none\n0 closed\n");
}

static void closing_in_disconnected_dials_no_more(void **state)
{
    (void)state;
    close_at(BELAY_LINK_DISCONNECTED);
    link_kit_settle(&k);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    k.log[0] = 0;
    link_kit_pass(&k, 20000);
    link_kit_told(&k, "0 disconnected a: ERESET, next 10000\n0 closed\n");
}

static void finish_on(struct link_kit *kit, const struct belay_link_event *event)
{
    if ((int)event->type == (int)(intptr_t)kit->arg) {
        belay_link_close_when_current_closes(kit->link);
        kit->arg = NULL;
    }
}

static void note_end(void *arg)
{
    struct link_kit *kit = arg;

    link_kit_note(kit, "watched");
    kit->link = NULL;
}

static void the_end_with_the_connection_may_be_asked_for_in_connected(void **state)
{
    (void)state;
    open_with("a");
    k.on_event = finish_on;
    k.arg = (void *)(intptr_t)BELAY_LINK_CONNECTED;
    assert_int_equal(belay_link_close_finished(k.link, note_end, &k), 0);
    link_kit_pass(&k, 1000);
    puppet_lose(link_kit_current(&k), BELAY_EEOF);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n"
                      "1000 disconnected a: EEOF, next none\n1000 watched\n");
}

static void close_link(struct link_wait *w)
{
    belay_link_close(w->kit->link, link_kit_on_closed, w->kit);
}

static void closing_when_it_is_answered_ends_what_came_up(void **state)
{
    struct link_wait first = {.then = close_link}, second = {0};

    (void)state;
    open_with("a");
    assert_int_equal(link_wait_for(&first, &k, "first", BELAY_FOREVER, false), 0);
    assert_int_equal(link_wait_for(&second, &k, "second", BELAY_FOREVER, false), 0);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 first: up\n0 connected a\n"
                      "0 disconnected a: here, next none\n0 second: ECLOSED\n0 closed\n");
}

static void closing_when_a_failure_is_answered_is_legal(void **state)
{
    struct link_wait w = {.then = close_link};

    (void)state;
    open_with("a");
    k.puppet.fail = BELAY_ECONNECT;
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, true), 0);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 w: ECONNECT\n"
                      "0 failed ECONNECT a, 1 in a row, next 10000\n0 closed\n");
}

static void closing_when_its_time_has_passed_is_legal(void **state)
{
    struct link_wait w = {.then = close_link};

    (void)state;
    open_with("a");
    k.puppet.capacity = 0;
    assert_int_equal(link_wait_for(&w, &k, "w", 300, false), 0);
    link_kit_pass(&k, 1000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n300 w: ETIMEDOUT\n300 closed\n");
}

static void close_again(void *arg)
{
    struct link_kit *kit = arg;
    struct belay_link *link = kit->link;

    link_kit_on_closed(kit);
    belay_link_close(link, NULL, NULL); /* harmless: it is still there */
}

static void closing_in_on_closed_is_harmless(void **state)
{
    (void)state;
    open_with("a");
    belay_link_close(k.link, close_again, &k);
    link_kit_settle(&k);
    assert_int_equal(k.closed, 1);
}

static int64_t close_in_delay(int32_t failures, void *arg)
{
    struct link_kit *kit = arg;

    (void)failures;
    belay_link_close(kit->link, link_kit_on_closed, kit);
    return 1000;
}

static void closing_in_the_delay_function_asks_no_source(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.options.retry_delay_ms = 0;
    k.options.retry_delay = close_in_delay;
    k.options.retry_delay_arg = &k;
    link_kit_start(&k);
    link_kit_told(&k, "0 attempting\n0 closed\n");
    assert_int_equal(k.source.asked, 0);
}

static void break_it(struct link_wait *w)
{
    assert_int_equal(belay_lease_release(w->lease, BELAY_BROKEN), 0);
}

static void what_the_first_breaks_is_not_given_to_the_second(void **state)
{
    struct link_wait first = {.then = break_it}, second = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.options.on_event = NULL;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&first, &k, "first", BELAY_FOREVER, false), 0);
    assert_int_equal(link_wait_for(&second, &k, "second", BELAY_FOREVER, false), 0);
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "0 first: up\n10000 second: up\n");
}

/* ---- other things to do in events ---- */

static void kick_on_failure(struct link_kit *kit, const struct belay_link_event *event)
{
    if (event->type == BELAY_LINK_FAILED_TO_CONNECT) {
        kit->puppet.fail = 0;
        belay_link_kick(kit->link);
    }
}

static void a_kick_in_failed_tries_at_once(void **state)
{
    (void)state;
    open_with("a");
    k.puppet.fail = BELAY_ECONNECT;
    k.on_event = kick_on_failure;
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECONNECT a, 1 in a row, next 10000\n"
                      "0 connected a\n");
}

static void ask_again(struct link_wait *w)
{
    if (w->told < 50)
        assert_int_equal(link_wait_for(w, w->kit, "w", BELAY_FOREVER, false), 0);
}

static void who_asks_again_when_answered_does_not_keep_the_loop_to_itself(void **state)
{
    struct link_wait w = {.then = ask_again};

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    assert_int_equal(belay_loop_turn(k.loop, 0), 0);
    assert_true(w.told > 0 && w.told < 20);
    link_kit_settle(&k);
    assert_int_equal(w.told, 50);
    k.log[0] = 0;
}

/* ---- subscribers ---- */

struct sub {
    const char *name;
    struct belay_link_subscription *subscription;
    struct sub *drops, *adds; /* from within */
};

static struct sub x, y, z, late; /* they hear of the end, too */

static void on_sub(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct sub *s = arg;

    link_kit_note(&k, "%s hears %d", s->name, (int)event->type);
    if (s->drops) {
        belay_link_unsubscribe(s->drops->subscription);
        s->drops->subscription = NULL;
        s->drops = NULL;
    }
    if (s->adds) {
        assert_int_equal(belay_link_subscribe(link, on_sub, s->adds, &s->adds->subscription), 0);
        s->adds = NULL;
    }
}

static void subscribe(struct sub *s)
{
    assert_int_equal(belay_link_subscribe(k.link, on_sub, s, &s->subscription), 0);
}

static void name_subs(void)
{
    x = (struct sub){.name = "x"};
    y = (struct sub){.name = "y"};
    z = (struct sub){.name = "z"};
    late = (struct sub){.name = "late"};
}

/* Up, with three who hear of what follows: a loss. */
static void lose(void)
{
    open_with("a");
    link_kit_settle(&k);
    subscribe(&x);
    subscribe(&y);
    subscribe(&z);
    k.log[0] = 0;
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_settle(&k);
}

static void subscribers_hear_in_order_of_subscription_after_on_event(void **state)
{
    (void)state;
    name_subs();
    lose();
    link_kit_told(&k, "0 disconnected a: ERESET, next 10000\n0 x hears 5\n0 y hears 5\n"
                      "0 z hears 5\n");
    assert_int_equal(link_kit_stats(&k).subscribers, 3);
}

static void a_subscriber_may_end_itself_or_those_before_and_behind(void **state)
{
    (void)state;
    name_subs();
    x.drops = &x;
    lose();
    link_kit_told(&k, "0 disconnected a: ERESET, next 10000\n0 x hears 5\n0 y hears 5\n"
                      "0 z hears 5\n");
    y.drops = &z;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "10000 attempting\n10000 y hears 1\n10000 obtained a\n10000 y hears 2\n"
                      "10000 connected a\n10000 y hears 4\n");
    assert_int_equal(link_kit_stats(&k).subscribers, 1);
}

static void a_subscriber_may_end_one_that_was_told(void **state)
{
    (void)state;
    name_subs();
    y.drops = &x;
    lose();
    link_kit_told(&k, "0 disconnected a: ERESET, next 10000\n0 x hears 5\n0 y hears 5\n"
                      "0 z hears 5\n");
    assert_int_equal(link_kit_stats(&k).subscribers, 2);
}

static void one_that_comes_meanwhile_hears_of_the_next_event(void **state)
{
    (void)state;
    name_subs();
    x.adds = &late;
    lose();
    link_kit_told(&k, "0 disconnected a: ERESET, next 10000\n0 x hears 5\n0 y hears 5\n"
                      "0 z hears 5\n");
    k.puppet.capacity = 0;
    k.source.later = true;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "10000 attempting\n10000 x hears 1\n10000 y hears 1\n10000 z hears 1\n"
                      "10000 late hears 1\n");
}

static void subscribe_late(struct link_kit *kit, const struct belay_link_event *event)
{
    struct sub *s = kit->arg;

    if (event->type == BELAY_LINK_CONNECTED && !s->subscription)
        subscribe(s);
}

static void who_subscribes_in_on_event_does_not_hear_of_that_event(void **state)
{
    (void)state;
    name_subs();
    open_with("a");
    k.on_event = subscribe_late;
    k.arg = &late;
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n");
}

static void subscriptions_end_with_the_link(void **state)
{
    struct belay_link_subscription *s;

    (void)state;
    name_subs();
    open_with("a");
    subscribe(&x);
    assert_int_equal(belay_link_subscribe(k.link, NULL, NULL, &s), BELAY_EINVAL);
    link_kit_settle(&k);
    k.log[0] = 0;
    belay_link_close(k.link, link_kit_on_closed, &k);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: here, next none\n0 x hears 5\n0 closed\n");
}

static void unsubscribe_late(void *arg)
{
    belay_link_unsubscribe(x.subscription);
    link_kit_on_closed(arg);
}

static void a_subscription_may_be_ended_when_the_link_has(void **state)
{
    (void)state;
    name_subs();
    open_with("a");
    subscribe(&x);
    subscribe(&y);
    belay_link_close(k.link, unsubscribe_late, &k);
    link_kit_settle(&k);
    assert_int_equal(k.closed, 1);
}

/* ---- who watches for the end ---- */

static void everybody_who_watches_for_the_end_is_told_after_the_last_event(void **state)
{
    struct belay_link *link;

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    link = belay_link_ref(k.link);
    k.log[0] = 0;
    assert_int_equal(belay_link_close_finished(link, note_end, &k), 0);
    assert_int_equal(belay_link_close_finished(link, note_end, &k), 0);
    assert_int_equal(belay_link_close_finished(link, NULL, &k), BELAY_EINVAL);
    belay_link_close(link, NULL, NULL);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: here, next none\n0 watched\n0 watched\n");
    assert_int_equal(belay_link_close_finished(link, note_end, &k), 0); /* it was long ago */
    belay_link_unref(link); /* it is told all the same, and then it goes */
    link_kit_settle(&k);
    link_kit_told(&k, "0 watched\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(closing_in_obtained_address_dials_nobody),
        T(closing_in_failed_makes_no_further_attempt),
        T(closing_in_connected_tells_disconnected),
        T(closing_in_disconnected_dials_no_more),
        T(the_end_with_the_connection_may_be_asked_for_in_connected),
        T(closing_when_it_is_answered_ends_what_came_up),
        T(closing_when_a_failure_is_answered_is_legal),
        T(closing_when_its_time_has_passed_is_legal),
        T(closing_in_on_closed_is_harmless),
        T(closing_in_the_delay_function_asks_no_source),
        T(what_the_first_breaks_is_not_given_to_the_second),
        T(a_kick_in_failed_tries_at_once),
        T(who_asks_again_when_answered_does_not_keep_the_loop_to_itself),
        T(subscribers_hear_in_order_of_subscription_after_on_event),
        T(a_subscriber_may_end_itself_or_those_before_and_behind),
        T(a_subscriber_may_end_one_that_was_told),
        T(one_that_comes_meanwhile_hears_of_the_next_event),
        T(who_subscribes_in_on_event_does_not_hear_of_that_event),
        T(subscriptions_end_with_the_link),
        T(a_subscription_may_be_ended_when_the_link_has),
        T(everybody_who_watches_for_the_end_is_told_after_the_last_event),
    };
    return cmocka_run_group_tests_name("keep_link_callbacks", tests, NULL, NULL);
}
