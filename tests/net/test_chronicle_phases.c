/* SPDX-License-Identifier: MIT */
/* The phases of a connection to Chronicle: who hears of them, and who waits for one. */
#include "chronicle_kit.h"

static void subscribers_hear_the_phase_that_is_and_each_change(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_start(&k);
    chk_subscribe(&k, NULL);
    assert_string_equal(k.phases, "");
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    chk_a_while(&k);
    assert_string_equal(k.phases, "disconnected 1 connected 1 ");
    belay_chronicle_registered(k.c, NULL);
    assert_string_equal(k.phases, "disconnected 1 connected 1 ");
    chk_a_while(&k);
    assert_int_equal(belay_chronicle_get_phase(k.c), BELAY_CHRONICLE_REGISTERED);
    k.phases[0] = '\0';
    chk_hang_up(&k, 0);
    CHK_UNTIL(&k, !belay_chronicle_connected(k.c));
    chk_next_dial_ms(&k);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    chk_a_while(&k);
    /* What follows a loss is another session. */
    assert_string_equal(k.phases, "disconnected 1 connected 2 ");
    assert_string_equal(k.ids[1], belay_chronicle_connection_id(k.c));
    k.phases[0] = '\0';
    belay_chronicle_disconnect(k.c, NULL, NULL);
    assert_string_equal(k.phases, "");
    belay_chronicle_ref(k.c);
    CHK_UNTIL(&k, k.exits == 1);
    assert_string_equal(k.phases, "disconnected 2 ");
    belay_chronicle_unref(k.c);
    k.c = NULL;
    chk_close(&k);
}

struct reason {
    struct belay_error error;
    int64_t age_ms;
    unsigned told;
    bool known;
};

static void note_reason(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                        const char *connection_id, void *arg)
{
    struct reason *r = arg;

    (void)phase, (void)connection_id;
    r->told++;
    r->known = belay_chronicle_last_error(c, &r->error, &r->age_ms);
}

static void a_subscriber_can_ask_why_it_was_lost(void **state)
{
    struct chronicle_kit k;
    struct belay_chronicle_subscription *s;
    struct reason r = {0};
    int64_t age = 0;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    assert_int_equal(belay_chronicle_subscribe(k.c, note_reason, &r, &s), 0);
    chk_a_while(&k);
    assert_int_equal(r.told, 1);
    assert_false(r.known); /* it is connected */
    chk_hang_up(&k, 0);
    CHK_UNTIL(&k, r.told == 2);
    assert_true(r.known);
    assert_non_null(strstr(r.error.text, ": the peer closed the connection"));
    assert_int_equal(r.error.kind, BELAY_KIND_RETRY);
    assert_null(r.error.tried);
    assert_in_range(r.age_ms, 0, 50);
    ck_forward(&k.net, 100);
    assert_true(belay_chronicle_last_error(k.c, NULL, &age));
    assert_in_range(age, 100, 150);
    chk_next_dial_ms(&k);
    CHK_UNTIL(&k, r.told == 3);
    assert_false(r.known);
    belay_chronicle_reconnect(k.c);
    CHK_UNTIL(&k, r.told == 4);
    assert_false(r.known); /* nothing has failed */
    chk_close(&k);
}

static void a_late_subscriber_hears_what_is(void **state)
{
    struct belay_chronicle_subscription *s;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    belay_chronicle_registered(k.c, belay_chronicle_connection_id(k.c));
    chk_a_while(&k);
    chk_subscribe(&k, &s);
    chk_a_while(&k);
    assert_string_equal(k.phases, "registered 1 ");
    chk_subscribe(&k, NULL); /* which the other does not hear */
    chk_a_while(&k);
    assert_string_equal(k.phases, "registered 1 registered 1 ");
    belay_chronicle_unsubscribe(s);
    chk_close(&k);
    assert_string_equal(k.phases, "registered 1 registered 1 disconnected 1 ");
}

static void it_is_registered_of_its_own_session_only(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_start(&k);
    belay_chronicle_registered(k.c, NULL); /* before it is connected */
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    chk_a_while(&k);
    assert_int_equal(belay_chronicle_get_phase(k.c), BELAY_CHRONICLE_CONNECTED);
    belay_chronicle_registered(k.c, "00000000-0000-4000-8000-000000000000");
    chk_a_while(&k);
    assert_int_equal(belay_chronicle_get_phase(k.c), BELAY_CHRONICLE_CONNECTED);
    belay_chronicle_registered(k.c, belay_chronicle_connection_id(k.c));
    chk_a_while(&k);
    assert_int_equal(belay_chronicle_get_phase(k.c), BELAY_CHRONICLE_REGISTERED);
    chk_close(&k);
}

struct listener {
    struct belay_chronicle_subscription *own, *other;
    struct belay_chronicle *ends;
    int told;
};

static void on_phase(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                     const char *connection_id, void *arg)
{
    struct listener *l = arg;

    (void)c, (void)connection_id;
    l->told++;
    if (phase != BELAY_CHRONICLE_CONNECTED)
        return;
    belay_chronicle_unsubscribe(l->own);
    belay_chronicle_unsubscribe(l->other);
    l->own = l->other = NULL;
    belay_chronicle_disconnect(l->ends, NULL, NULL);
}

static void subscribers_may_end_each_other_and_all(void **state)
{
    struct listener a = {0}, b = {0};
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_start(&k);
    assert_int_equal(belay_chronicle_subscribe(k.c, on_phase, &a, &a.own), 0);
    assert_int_equal(belay_chronicle_subscribe(k.c, on_phase, &b, &a.other), 0);
    chk_subscribe(&k, NULL);
    a.ends = k.c;
    CHK_UNTIL(&k, k.exits == 1);
    assert_int_equal(a.told, 2);
    assert_int_equal(b.told, 1);
    assert_string_equal(k.phases, "disconnected 1 connected 1 disconnected 1 ");
    k.c = NULL;
    chk_close(&k);
}

struct order {
    struct belay_chronicle *c;
    char told[8];
    struct belay_chronicle_subscription *late;
    int late_told;
};

static void first_done(const struct belay_error *error, void *arg)
{
    (void)error;
    strcat(((struct order *)arg)->told, "1");
}

static void second_done(const struct belay_error *error, void *arg)
{
    (void)error;
    strcat(((struct order *)arg)->told, "2");
}

static void count_phases(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                         const char *connection_id, void *arg)
{
    (void)c, (void)phase, (void)connection_id;
    ((struct order *)arg)->late_told++;
}

static void ask_more(const struct belay_error *error, void *arg)
{
    struct order *o = arg;

    (void)error;
    assert_int_equal(belay_chronicle_wait_until(o->c, BELAY_CHRONICLE_REGISTERED, BELAY_FOREVER,
                                                NULL, second_done, o),
                     0);
}

static void subscribe_more(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                           const char *connection_id, void *arg)
{
    struct order *o = arg;

    (void)connection_id;
    if (phase == BELAY_CHRONICLE_REGISTERED && !o->late)
        assert_int_equal(belay_chronicle_subscribe(c, count_phases, o, &o->late), 0);
}

static void who_comes_while_others_are_told_comes_after_them(void **state)
{
    struct belay_chronicle_subscription *s;
    struct chronicle_kit k;
    struct order o = {0};

    (void)state;
    chk_open(&k);
    chk_start(&k);
    o.c = k.c;
    assert_int_equal(belay_chronicle_subscribe(k.c, subscribe_more, &o, &s), 0);
    assert_int_equal(belay_chronicle_connect(k.c, BELAY_FOREVER, NULL, ask_more, &o), 0);
    assert_int_equal(belay_chronicle_wait_until(k.c, BELAY_CHRONICLE_REGISTERED, BELAY_FOREVER,
                                                NULL, first_done, &o),
                     0);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    chk_a_while(&k);
    belay_chronicle_registered(k.c, NULL);
    chk_a_while(&k);
    assert_string_equal(o.told, "12");
    assert_int_equal(o.late_told, 1);
    chk_close(&k);
}

struct again {
    struct belay_chronicle_subscription *own;
    int told;
};

static void subscribe_again(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                            const char *connection_id, void *arg)
{
    struct again *a = arg;

    (void)phase, (void)connection_id;
    assert_true(++a->told < 1000);
    belay_chronicle_unsubscribe(a->own);
    assert_int_equal(belay_chronicle_subscribe(c, subscribe_again, a, &a->own), 0);
}

static void who_subscribes_again_and_again_does_not_fill_a_turn(void **state)
{
    struct again a = {0};
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    assert_int_equal(belay_chronicle_subscribe(k.c, subscribe_again, &a, &a.own), 0);
    ck_turn(&k.net);
    assert_true(a.told > 0);
    belay_chronicle_unsubscribe(a.own);
    chk_close(&k);
}

static void end_when_down(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                          const char *connection_id, void *arg)
{
    (void)connection_id, (void)arg;
    if (phase == BELAY_CHRONICLE_DISCONNECTED)
        belay_chronicle_disconnect(c, NULL, NULL);
}

static void ending_it_while_it_reconnects_dials_no_more(void **state)
{
    struct belay_chronicle_subscription *s;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    assert_int_equal(belay_chronicle_subscribe(k.c, end_when_down, NULL, &s), 0);
    chk_a_while(&k);
    belay_chronicle_reconnect(k.c);
    CHK_UNTIL(&k, k.exits == 1);
    chk_a_while(&k);
    assert_int_equal(k.dials, 1);
    k.c = NULL;
    chk_close(&k);
}

static void who_waits_for_a_phase_waits_over_losses(void **state)
{
    struct chk_waiter now = {0}, w = {0};
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    assert_int_equal(
        belay_chronicle_wait_until(k.c, BELAY_CHRONICLE_DISCONNECTED, 0, NULL, chk_done, &now), 0);
    assert_int_equal(belay_chronicle_wait_until(k.c, BELAY_CHRONICLE_REGISTERED, BELAY_FOREVER,
                                                NULL, chk_done, &w),
                     0);
    assert_false(now.done);
    chk_a_while(&k);
    assert_true(now.done);
    assert_int_equal(now.error.code, 0);
    for (int i = 0; i < 3; i++) {
        chk_hang_up(&k, 0);
        CHK_UNTIL(&k, !belay_chronicle_connected(k.c));
        chk_next_dial_ms(&k);
        CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    }
    assert_false(w.done);
    belay_chronicle_registered(k.c, NULL);
    chk_a_while(&k);
    assert_int_equal(w.dones, 1);
    assert_int_equal(w.error.code, 0);
    chk_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribers_hear_the_phase_that_is_and_each_change),
        cmocka_unit_test(a_subscriber_can_ask_why_it_was_lost),
        cmocka_unit_test(a_late_subscriber_hears_what_is),
        cmocka_unit_test(it_is_registered_of_its_own_session_only),
        cmocka_unit_test(subscribers_may_end_each_other_and_all),
        cmocka_unit_test(who_comes_while_others_are_told_comes_after_them),
        cmocka_unit_test(who_subscribes_again_and_again_does_not_fill_a_turn),
        cmocka_unit_test(ending_it_while_it_reconnects_dials_no_more),
        cmocka_unit_test(who_waits_for_a_phase_waits_over_losses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
