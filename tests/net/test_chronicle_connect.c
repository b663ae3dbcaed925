/* SPDX-License-Identifier: MIT */
/* Connecting to Chronicle: the first time, again, and for those who wait. */
#include "base/assert.h"
#include "chronicle_kit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void before_it_is_connected_there_is_no_channel(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.options.no_auto_connect = true;
    chk_start(&k);
    chk_forward(&k, 60000);
    assert_false(belay_chronicle_connected(k.c));
    assert_null(belay_chronicle_channel(k.c));
    assert_int_equal(belay_chronicle_get_phase(k.c), BELAY_CHRONICLE_DISCONNECTED);
    assert_int_equal(k.dials, 0);
    chk_close(&k);
    assert_int_equal(k.exit, BELAY_EXIT_NORMAL);
}

static void it_becomes_connected_and_has_a_channel(void **state)
{
    struct chronicle_kit k;
    struct ck_call call;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    assert_int_equal(belay_chronicle_get_phase(k.c), BELAY_CHRONICLE_CONNECTED);
    k.net.channel = belay_chronicle_channel(k.c); /* lent, for a call */
    ck_call(&k.net, &call);
    ck_good(&call, "1");
    k.net.channel = NULL;
    assert_int_equal(k.dials, 1);
    chk_close(&k);
}

static void who_waits_for_what_is_there_is_told_in_the_next_turn(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    for (int forever = 0; forever < 2; forever++) {
        chk_wait(&k, &w, forever ? BELAY_FOREVER : 0);
        ck_turn(&k.net);
        assert_int_equal(w.dones, 1);
        assert_int_equal(w.error.code, 0);
    }
    chk_close(&k);
    assert_int_equal(w.dones, 1);
}

static void it_tries_until_it_succeeds(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    chk_start(&k);
    chk_wait(&k, &w, BELAY_FOREVER);
    CHK_UNTIL(&k, k.dials == 1);
    assert_in_range(chk_next_dial_ms(&k), 850, 1900);
    k.refuses = false;
    assert_false(w.done);
    chk_next_dial_ms(&k);
    CHK_UNTIL(&k, w.done);
    assert_int_equal(w.error.code, 0);
    assert_true(belay_chronicle_connected(k.c));
    assert_int_equal(k.dials, 3);
    memset(&w, 0, sizeof w); /* what is over is not told any more */
    assert_int_equal(
        belay_chronicle_wait_until(k.c, BELAY_CHRONICLE_REGISTERED, 0, NULL, chk_done, &w), 0);
    CHK_UNTIL(&k, w.done);
    assert_int_equal(w.error.code, BELAY_ETIMEDOUT);
    assert_null(strchr(w.error.text, ';'));
    assert_int_equal(w.error.attempt, 0);
    chk_close(&k);
}

/* A port that refuses, and that nobody else gets. */
static int bind_nobody(int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static void a_channel_that_fails_is_dropped_before_the_next(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;
    int nobody, port;

    (void)state;
    chk_open(&k);
    nobody = bind_nobody(&port);
    snprintf(k.string, sizeof k.string, "chronicle://127.0.0.1:%d?disableTls=true", port);
    k.options.retry_attempts = 3;
    chk_start(&k);
    chk_wait(&k, &w, BELAY_FOREVER);
    CHK_UNTIL(&k, k.dials == 1);
    for (unsigned n = 1; n <= 3; n++) {
        CHK_UNTIL(&k, k.disconnected == n);
        assert_int_equal(k.opened, n);
        chk_next_dial_ms(&k);
    }
    CHK_UNTIL(&k, w.done);
    assert_int_equal(w.error.code, BELAY_ECONNECT);
    assert_int_equal(w.error.attempt, 4);
    chk_close(&k);
    close(nobody);
    assert_int_equal(k.opened, 4);
}

static void it_waits_longer_after_each_failure(void **state)
{
    static const int64_t delays[] = {1000, 2000, 4000, 8000, 10000, 10000};
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    k.options.retry_attempts = BELAY_FOREVER;
    chk_start(&k);
    CHK_UNTIL(&k, k.dials == 1);
    for (size_t i = 0; i < BL_COUNT(delays); i++)
        assert_in_range(chk_next_dial_ms(&k), delays[i] - 150, delays[i] + 900);
    chk_close(&k);
}

static void its_jitter_is_an_option(void **state)
{
    struct chronicle_kit k;
    bool other = false;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    k.options.retry_attempts = BELAY_FOREVER;
    k.options.reconnect_max_delay_ms = 1000;
    k.options.reconnect_spread_percent = 50;
    chk_start(&k);
    CHK_UNTIL(&k, k.dials == 1);
    for (int i = 0; i < 40; i++) {
        int64_t ms = chk_next_dial_ms(&k);

        assert_in_range(ms, 350, 2400);
        other |= ms < 840;
    }
    assert_true(other);
    chk_close(&k);
}

static void who_waits_is_told_when_their_time_is_over(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w, patient;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    chk_start(&k);
    chk_wait(&k, &w, 500);
    chk_wait(&k, &patient, 60000);
    CHK_UNTIL(&k, k.dials == 1);
    chk_forward(&k, 600);
    assert_int_equal(w.dones, 1);
    assert_int_equal(w.error.code, BELAY_ETIMEDOUT);
    assert_non_null(strstr(w.error.text, "within 500 ms"));
    assert_non_null(strstr(w.error.text, "the test refuses"));
    assert_false(patient.done);
    k.refuses = false;
    chk_next_dial_ms(&k); /* it goes on trying */
    CHK_UNTIL(&k, patient.done);
    assert_int_equal(patient.error.code, 0);
    chk_close(&k);
}

static void leave_open(struct h2_server *server, unsigned conn, uint32_t id)
{
    (void)server, (void)conn, (void)id;
}

/* Where nothing has failed yet. */
static void who_waits_too_long_is_told_what_the_attempt_was_doing(void **state)
{
    static const char *const doing[] = {
        "while the channel was waited for",
        "while the kernel was asked whether it understands this client",
        "while the kernel's first keep-alive was waited for",
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(doing); i++) {
        struct chronicle_kit k;
        struct chk_waiter w;

        chk_open(&k);
        k.net.servers[0].silent = i == 0;
        k.net.servers[0].on_request = leave_open;
        k.options.no_session = i == 0;
        k.options.skip_compatibility_check = i == 2 ? BELAY_CHOICE_YES : BELAY_CHOICE_NO;
        k.options.session_timeout_ms = 600000;
        chk_start(&k);
        chk_wait(&k, &w, 500);
        CHK_UNTIL(&k, i == 0 ? k.dials == 1 : k.net.servers[0].requests == 1);
        chk_forward(&k, 600);
        assert_int_equal(w.dones, 1);
        assert_int_equal(w.error.code, BELAY_ETIMEDOUT);
        if (!strstr(w.error.text, doing[i]))
            fail_msg("%s (wanted: %s)", w.error.text, doing[i]);
        chk_close(&k);
    }
}

static void a_waiter_that_was_cancelled_is_not_told(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    chk_start(&k);
    chk_wait(&k, &w, 100);
    belay_chronicle_waiter_cancel(w.waiter);
    chk_forward(&k, 1000);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    chk_close(&k);
    assert_int_equal(w.dones, 0);
}

static void the_first_who_waits_begins_where_nothing_has(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    k.options.no_auto_connect = true;
    chk_start(&k);
    chk_forward(&k, 5000);
    assert_int_equal(k.dials, 0);
    chk_wait(&k, &w, 10000);
    CHK_UNTIL(&k, w.done);
    assert_int_equal(w.error.code, 0);
    assert_int_equal(k.dials, 1);
    chk_close(&k);
}

static void when_its_retries_are_spent_it_ends(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    k.options.retry_attempts = 2;
    chk_start(&k);
    chk_wait(&k, &w, BELAY_FOREVER);
    CHK_UNTIL(&k, k.dials == 1);
    chk_next_dial_ms(&k);
    assert_int_equal(k.exits, 0);
    chk_next_dial_ms(&k);
    CHK_UNTIL(&k, k.exits == 1);
    assert_int_equal(k.dials, 3);
    assert_int_equal(w.dones, 1);
    assert_int_equal(w.error.code, BELAY_ECONNECT); /* the last failure itself */
    assert_string_equal(w.error.text, "the test refuses");
    assert_int_equal(w.error.attempt, 3);
    assert_int_equal(k.exit, BELAY_EXIT_ERROR);
    assert_int_equal(k.exit_error.code, BELAY_EGIVENUP);
    assert_non_null(strstr(k.exit_error.text, "after 3 attempts: the test refuses"));
    assert_true(belay_chronicle_is_closed(k.c));
    assert_int_equal(belay_chronicle_connect(k.c, 1, NULL, chk_done, &w), BELAY_ECLOSED);
    chk_forward(&k, 60000);
    assert_int_equal(k.dials, 3);
    chk_close(&k);
}

static void without_retries_one_attempt_is_made(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    k.options.retry_attempts = BELAY_NONE;
    chk_start(&k);
    CHK_UNTIL(&k, k.exits == 1);
    assert_int_equal(k.dials, 1);
    chk_close(&k);
}

static void its_retries_are_counted_anew_after_each_success(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.options.retry_attempts = 1;
    k.refuses = true;
    chk_start(&k);
    CHK_UNTIL(&k, k.dials == 1);
    for (int i = 0; i < 3; i++) {
        k.refuses = false;
        /* A loss was waited for, too. */
        assert_in_range(chk_next_dial_ms(&k), i ? 1850 : 850, i ? 2900 : 1900);
        CHK_UNTIL(&k, belay_chronicle_connected(k.c));
        k.refuses = true;
        chk_hang_up(&k, 0);
        CHK_UNTIL(&k, !belay_chronicle_connected(k.c));
        chk_next_dial_ms(&k);
    }
    assert_int_equal(k.exits, 0);
    chk_close(&k);
}

static void a_lost_channel_is_dropped_and_dialled_again(void **state)
{
    struct chronicle_kit k;
    int64_t lost_ms;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    chk_hang_up(&k, 0);
    CHK_UNTIL(&k, !belay_chronicle_connected(k.c));
    assert_null(belay_chronicle_channel(k.c));
    chk_a_while(&k);
    assert_int_equal(k.disconnected, 1);
    assert_int_equal(k.dials, 1);
    lost_ms = chk_now_ms(&k);
    chk_next_dial_ms(&k);
    assert_in_range(k.dialled_ms[1] - lost_ms, 500, 1900); /* not at once */
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_non_null(belay_chronicle_channel(k.c));
    chk_close(&k);
    assert_int_equal(k.opened, 2);
}

static void a_server_that_says_goodbye_is_left(void **state)
{
    struct belay_error error;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    h2_goaway(&k.net.servers[0], 0, 0, 0);
    CHK_UNTIL(&k, !belay_chronicle_connected(k.c));
    assert_true(belay_chronicle_last_error(k.c, &error, NULL));
    assert_non_null(strstr(error.text, "GOAWAY"));
    chk_next_dial_ms(&k);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    chk_close(&k);
}

static void reconnect_drops_the_channel_and_dials_at_once(void **state)
{
    struct belay_channel *former;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    former = belay_channel_ref(belay_chronicle_channel(k.c));
    belay_chronicle_reconnect(k.c);
    CHK_UNTIL(&k, k.dials == 2);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_ptr_not_equal(belay_chronicle_channel(k.c), former);
    assert_true(belay_channel_is_closed(former));
    assert_int_equal(k.disconnected, 1);
    belay_channel_unref(former);
    chk_close(&k);
}

static void reconnect_without_a_channel_does_nothing(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    chk_start(&k);
    CHK_UNTIL(&k, k.dials == 1);
    belay_chronicle_reconnect(k.c);
    chk_a_while(&k);
    assert_int_equal(k.dials, 1);
    assert_in_range(chk_next_dial_ms(&k), 850, 1900);
    chk_close(&k);
}

static void another_network_is_tried_at_once(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    k.options.reconnect_base_delay_ms = 600000;
    k.options.reconnect_max_delay_ms = 600000;
    chk_start(&k);
    CHK_UNTIL(&k, k.dials == 1);
    belay_loop_network_changed(k.net.loop);
    assert_int_equal(k.dials, 1);
    CHK_UNTIL(&k, k.dials == 2);
    chk_a_while(&k);
    assert_int_equal(k.dials, 2);
    chk_close(&k);
}

static void an_attempt_has_its_time(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    k.net.servers[0].silent = true; /* it lets in and says nothing */
    k.options.retry_attempts = BELAY_NONE;
    k.options.attempt_timeout_ms = 700;
    chk_start(&k);
    chk_wait(&k, &w, BELAY_FOREVER);
    CHK_UNTIL(&k, k.dials == 1);
    chk_forward(&k, 600);
    assert_false(w.done);
    chk_forward(&k, 200);
    assert_true(w.done);
    assert_int_equal(w.error.code, BELAY_ETIMEDOUT);
    assert_non_null(strstr(w.error.text, "within 700 ms"));
    chk_close(&k);
}

static void an_attempt_s_time_is_the_only_limit_of_its_channel(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.net.servers[0].silent = true;
    k.options.retry_attempts = BELAY_NONE;
    k.options.attempt_timeout_ms = 600000;
    chk_start(&k);
    CHK_UNTIL(&k, k.net.servers[0].accepted == 1);
    for (int i = 0; i < 59; i++)
        chk_forward(&k, 10000);
    assert_int_equal(k.exits, 0);
    chk_forward(&k, 11000);
    assert_int_equal(k.exits, 1);
    assert_non_null(strstr(k.exit_error.text, "within 600000 ms"));
    chk_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_it_is_connected_there_is_no_channel),
        cmocka_unit_test(it_becomes_connected_and_has_a_channel),
        cmocka_unit_test(who_waits_for_what_is_there_is_told_in_the_next_turn),
        cmocka_unit_test(it_tries_until_it_succeeds),
        cmocka_unit_test(a_channel_that_fails_is_dropped_before_the_next),
        cmocka_unit_test(it_waits_longer_after_each_failure),
        cmocka_unit_test(its_jitter_is_an_option),
        cmocka_unit_test(who_waits_is_told_when_their_time_is_over),
        cmocka_unit_test(who_waits_too_long_is_told_what_the_attempt_was_doing),
        cmocka_unit_test(a_waiter_that_was_cancelled_is_not_told),
        cmocka_unit_test(the_first_who_waits_begins_where_nothing_has),
        cmocka_unit_test(when_its_retries_are_spent_it_ends),
        cmocka_unit_test(without_retries_one_attempt_is_made),
        cmocka_unit_test(its_retries_are_counted_anew_after_each_success),
        cmocka_unit_test(a_lost_channel_is_dropped_and_dialled_again),
        cmocka_unit_test(a_server_that_says_goodbye_is_left),
        cmocka_unit_test(reconnect_drops_the_channel_and_dials_at_once),
        cmocka_unit_test(reconnect_without_a_channel_does_nothing),
        cmocka_unit_test(another_network_is_tried_at_once),
        cmocka_unit_test(an_attempt_has_its_time),
        cmocka_unit_test(an_attempt_s_time_is_the_only_limit_of_its_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
