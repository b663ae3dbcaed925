/* SPDX-License-Identifier: MIT */
/* Kernels behind TLS: the channel, the questions and the tokens have one identity. */
#include "chronicle_kit.h"

#include "support/tls_front.h"

#include <stdio.h>

struct scene {
    struct chronicle_kit k;
    struct tls_front fronts[CK_SERVERS];
};

static void begin(struct scene *s, const char *userinfo, const char *more,
                  const char *const bodies[CK_SERVERS])
{
    chk_open(&s->k);
    for (unsigned i = 0; i < CK_SERVERS; i++)
        tls_front_start(&s->fronts[i], s->k.net.servers[i].port, bodies[i]);
    snprintf(s->k.string, sizeof s->k.string, "chronicle://%s127.0.0.1:%d%s", userinfo,
             s->fronts[0].port, more);
    s->k.functions = (struct belay_chronicle_functions){.size = sizeof s->k.functions};
    s->k.options.retry_attempts = BELAY_NONE;
}

static void turn(struct scene *s, int64_t ms)
{
    for (unsigned i = 0; i < CK_SERVERS; i++)
        tls_front_step(&s->fronts[i]);
    ck_forward(&s->k.net, ms);
    ck_turn(&s->k.net);
}

#define UNTIL(s, what)                                                                             \
    do {                                                                                           \
        int rounds_ = 0;                                                                           \
        while (!(what)) {                                                                          \
            if (rounds_++ > CHK_LIMIT)                                                             \
                fail_msg("never: %s", #what);                                                      \
            turn(s, 1);                                                                            \
        }                                                                                          \
    } while (0)

static void end(struct scene *s)
{
    belay_chronicle_disconnect(s->k.c, NULL, NULL);
    UNTIL(s, s->k.exits == 1);
    s->k.c = NULL;
    for (unsigned i = 0; i < CK_SERVERS; i++)
        tls_front_stop(&s->fronts[i]);
    chk_close(&s->k);
}

static void kernels_are_asked_over_tls(void **state)
{
    static const char *const bodies[] = {"5", "3", "9"};
    struct scene s;
    char hosts[100];

    (void)state;
    begin(&s, "", "", bodies);
    snprintf(hosts, sizeof hosts, ",127.0.0.1:%d,127.0.0.1:%d?skipTlsValidation=true",
             s.fronts[1].port, s.fronts[2].port);
    strcat(s.k.string, hosts);
    chk_start(&s.k);
    UNTIL(&s, belay_chronicle_connected(s.k.c));
    for (unsigned i = 0; i < CK_SERVERS; i++) {
        assert_true(s.fronts[i].requests >= 1);
        assert_int_equal(s.fronts[i].h2, i == 1);
    }
    assert_int_equal(s.k.net.servers[1].accepted, 1);
    end(&s);
}

static void a_certificate_that_nobody_vouches_for_is_refused(void **state)
{
    static const char *const strings[] = {"", "?skipTlsValidation=false",
                                          "?skipTlsValidation=true"};
    static const char *const bodies[] = {"", "", ""};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct chk_waiter w;
        struct scene s;

        begin(&s, "", strings[i], bodies);
        if (i == 2) /* the option is the stronger */
            s.k.options.skip_tls_validation = BELAY_CHOICE_NO;
        chk_start(&s.k);
        chk_wait(&s.k, &w, BELAY_FOREVER);
        UNTIL(&s, w.done);
        assert_int_equal(w.error.stage, BELAY_STAGE_TLS);
        assert_int_equal(s.k.net.servers[0].accepted, 0);
        assert_int_equal(s.k.exit, BELAY_EXIT_ERROR);
        end(&s);
    }
}

static void tokens_are_fetched_over_tls(void **state)
{
    static const char *const bodies[] = {"{\"access_token\":\"abc\",\"expires_in\":600}", "", ""};
    struct ck_call call;
    struct scene s;

    (void)state;
    begin(&s, "user:pass@", "?skipTlsValidation=true", bodies);
    chk_start(&s.k);
    UNTIL(&s, belay_chronicle_connected(s.k.c));
    s.k.net.channel = belay_chronicle_channel(s.k.c);
    ck_begin(&s.k.net, &call, NULL);
    s.k.net.channel = NULL;
    UNTIL(&s, call.done);
    ck_good(&call, "1");
    assert_int_equal(s.fronts[0].requests, 1);
    assert_string_equal(s.fronts[0].method, "POST");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_asked_over_tls),
        cmocka_unit_test(a_certificate_that_nobody_vouches_for_is_refused),
        cmocka_unit_test(tokens_are_fetched_over_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
