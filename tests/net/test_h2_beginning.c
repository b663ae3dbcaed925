/* SPDX-License-Identifier: MIT */
/* Servers that begin otherwise than HTTP/2 does, or not at all. */
#include "h2_kit.h"

static void say_first(struct h2_server *s, unsigned conn)
{
    const char *what = s->extra;

    if (conn > 0) {
        s->silent = false;
    } else if (strcmp(what, "garbage") == 0) {
        h2_raw(s, conn, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    } else if (strcmp(what, "ping") == 0) {
        h2_frame(s, conn, H2_PING, 0, 0, "12345678", 8);
    } else if (strcmp(what, "ack") == 0) {
        h2_frame(s, conn, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    } else if (strcmp(what, "goaway") == 0) {
        h2_goaway(s, conn, 0, 0);
    } else if (strcmp(what, "end") == 0) {
        h2_hang_up(s, conn);
    }
}

static void answer(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_answer(s, conn, id, "fine");
}

static void a_server_that_begins_otherwise_does_not_come_up(void **state)
{
    static const char *const words[] = {"garbage", "ping", "ack", "goaway", "end"};
    struct belay_pool_options pool = belay_pool_options_init();

    (void)state;
    pool.connect_retry_delay_ms = 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct belay_http_options o = h2_options();
        struct call call = {0};
        struct h2_kit k;

        o.pool = &pool;
        h2_open(&k, &o);
        k.server.silent = true;
        k.server.on_open = say_first;
        k.server.on_request = answer;
        k.server.extra = (void *)(uintptr_t)words[i];
        h2_get(&k, &call);
        if (call.error.code) { /* what cannot become better is not tried again */
            assert_int_equal(call.error.code, BELAY_EPROTO);
            assert_int_equal(call.error.stage, BELAY_STAGE_PROTOCOL);
            assert_int_equal(call.error.sent, BELAY_NOT_SENT);
            call_clear(&call);
        } else {
            h2_good(&call, "fine");
        }
        h2_close(&k);
    }
}

static void one_that_says_nothing_is_given_up(void **state)
{
    struct belay_dial_options dial = belay_dial_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = h2_options();
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    dial.session_timeout_ms = 30;
    pool.dial = &dial;
    pool.connect_retry_count = BELAY_NONE;
    o.pool = &pool;
    h2_open(&k, &o);
    k.server.silent = true;
    h2_get(&k, &call);
    h2_bad(&call, BELAY_ETIMEDOUT, BELAY_NOT_SENT);
    h2_close(&k);
}

static void a_client_that_closes_while_one_comes_up_leaves_nothing(void **state)
{
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.silent = true;
    h2_begin(&k, &call, NULL);
    h2_turn(&k);
    assert_true(k.server.conns[0].greeted);
    belay_http_close(k.kit.http, NULL, NULL);
    h2_until(&k, &call.done);
    h2_bad(&call, BELAY_ECLOSED, BELAY_NOT_SENT);
    h2_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_begins_otherwise_does_not_come_up),
        cmocka_unit_test(one_that_says_nothing_is_given_up),
        cmocka_unit_test(a_client_that_closes_while_one_comes_up_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
