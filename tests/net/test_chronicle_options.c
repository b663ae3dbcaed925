/* SPDX-License-Identifier: MIT */
/* What a connection to Chronicle is started with, and what is wrong with that: found before anything
 * is dialled, and told without secrets. */
#include "base/assert.h"
#include "chronicle_kit.h"

#include "service/chronicle.h"

/* ---- the numbers ---- */

static int try_start(struct chronicle_kit *k, struct belay_error *error)
{
    int rc = belay_chronicle_start(k->net.loop, &k->options, &k->c, error);

    if (rc == 0)
        belay_chronicle_disconnect(k->c, NULL, NULL);
    k->c = NULL;
    return rc;
}

static void each_option_knows_its_words(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.options.no_auto_connect = true;
    for (size_t i = 0; i < bl_chronicle_options_n; i++) {
        const struct bl_option *f = &bl_chronicle_options[i];
        const int64_t words[] = {0, BELAY_NONE, BELAY_FOREVER, f->min, f->max, f->max + 1, -7};
        const int64_t become[] = {f->fallback, f->none,        f->forever,    f->min,
                                  f->max,      BL_NOT_ALLOWED, BL_NOT_ALLOWED};

        for (size_t w = 0; w < BL_COUNT(words); w++) {
            struct belay_chronicle_options before = k.options, effective;
            struct belay_error error;
            int rc;

            if ((f->width == 4 && words[w] != (int32_t)words[w]) || (w > 0 && words[w] == 0))
                continue;
            bl_option_put(&k.options, f, words[w]);
            rc = bl_options_resolve(&effective, sizeof effective, &k.options, bl_chronicle_options,
                                    bl_chronicle_options_n, &error);
            assert_int_equal(rc, become[w] == BL_NOT_ALLOWED ? BELAY_EINVAL : 0);
            if (rc == 0)
                assert_int_equal(bl_option_get(&effective, f), become[w]);
            else
                assert_non_null(strstr(error.text, f->name));
            assert_int_equal(try_start(&k, &error), rc);
            k.options = before;
        }
    }
    chk_a_while(&k);
    chk_close(&k);
}

/* ---- the string ---- */

struct bad {
    const char *string;
    int code;
    const char *text; /* part of the error's */
};

static const struct bad strings[] = {
    {"", BELAY_EINVAL, "empty"},
    {"localhost", BELAY_EINVAL, "scheme"},
    {"http://localhost", BELAY_EINVAL, "unsupported scheme"},
    {"chronicle://", BELAY_EINVAL, "host"},
    {"chronicle://localhost:0", BELAY_EINVAL, "port"},
    {"chronicle://localhost:70000", BELAY_EINVAL, "port"},
    {"chronicle://a,,b", BELAY_EINVAL, "host number 2"},
    {"chronicle+srv://192.0.2.1", BELAY_EINVAL, "address"},
    {"chronicle://localhost?loadBalancer=best", BELAY_EINVAL, "loadBalancer"},
    {"chronicle://localhost?disableTls=perhaps", BELAY_EINVAL, "disableTls"},
    {"chronicle://me:SECRET@localhost?apiKey=SECRET", BELAY_EINVAL, "apiKey"},
    {"chronicle://me@localhost", BELAY_EINVAL, "password"},
    {"chronicle://:SECRET@localhost", BELAY_EINVAL, "user"},
    {"chronicle://localhost?disableTls=true&certificatePath=/nowhere.pem", BELAY_EINVAL,
     "certificatePath"},
    {"chronicle://localhost?certificatePassword=SECRET", BELAY_EINVAL, "certificatePassword"},
    {"chronicle://localhost?certificatePath=/nowhere.pem", BELAY_EFILE, "certificatePath"},
    {"chronicle://localhost?certificatePath=/nowhere.pem&certificatePassword=SECRET", BELAY_EFILE,
     "/nowhere.pem"},
};

static void is_refused(struct chronicle_kit *k, int code, const char *text)
{
    struct belay_child_spec spec;
    struct belay_error error = chk_refused(k);

    if (error.code != code || !strstr(error.text, text))
        fail_msg("%s: %s (wanted: %s)", belay_error_name(error.code), error.text, text);
    assert_null(strstr(error.text, "SECRET"));
    if (code != BELAY_EINVAL)
        return;
    memset(&error, 0, sizeof error);
    if (k->options.name) /* a registry's matter */
        return;
    assert_int_equal(belay_chronicle_child_spec(&k->options, NULL, NULL, &spec, &error), code);
    assert_non_null(strstr(error.text, text));
    assert_null(strstr(error.text, "SECRET"));
}

static void what_is_wrong_with_the_string_is_told_before_anything_is_dialled(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    for (size_t i = 0; i < BL_COUNT(strings); i++) {
        k.options.connection_string = strings[i].string;
        is_refused(&k, strings[i].code, strings[i].text);
    }
    chk_forward(&k, 60000);
    assert_int_equal(k.dials, 0);
    assert_int_equal(k.exits, 0);
    chk_close(&k);
}

static void credentials_that_are_empty_or_switched_off_are_none(void **state)
{
    static const char *const good[] = {
        "chronicle://127.0.0.1:%1?disableTls=true&apiKey=",
        "chronicle://127.0.0.1:%1?disableTls=true&certificatePath=",
        "chronicle://me:pass@127.0.0.1:%1?disableTls=true&apiKey=k&auth=none",
        "chronicle://127.0.0.1:%1/?disableTls=TRUE&future=thing",
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(good); i++) {
        struct chronicle_kit k;

        chk_open(&k);
        chk_string(&k, good[i]);
        chk_up(&k);
        chk_close(&k);
    }
}

/* ---- and the options beside it ---- */

static void one_string_at_most_is_given(void **state)
{
    struct belay_chronicle_string *string;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.options.server_address = "127.0.0.1:5";
    is_refused(&k, BELAY_EINVAL, "more than one");
    k.options.connection_string = NULL;
    assert_int_equal(belay_chronicle_string_default(&string), 0);
    k.options.string = string;
    is_refused(&k, BELAY_EINVAL, "more than one");
    belay_chronicle_string_free(string);
    chk_close(&k);
}

/* Where it would go, with TLS or without. */
static void goes_to(struct chronicle_kit *k, const char *target)
{
    unsigned n = k->dials + 1;

    k->refuses = true;
    chk_start(k);
    CHK_UNTIL(k, k->dials == n);
    assert_string_equal(k->targets[n - 1], target);
    belay_chronicle_disconnect(k->c, NULL, NULL);
    k->c = NULL;
    chk_a_while(k);
    k->exits = 0;
}

static void the_string_may_be_parsed_already_or_an_address_or_none(void **state)
{
    struct belay_chronicle_string *string;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.options.connection_string = NULL;
    goes_to(&k, "dns:localhost:35000");
    k.options.server_address = "Kernel.Test:7";
    goes_to(&k, "dns:kernel.test:7");
    k.options.server_address = "[::1]";
    goes_to(&k, "ipv6:[::1]:35000");
    k.options.server_address = "a b";
    is_refused(&k, BELAY_EINVAL, "a b");
    is_refused(&k, BELAY_EINVAL, "server_address: ");
    k.options.server_address = NULL;
    assert_int_equal(
        belay_chronicle_string_parse("chronicle://192.0.2.1:9?apiKey=k", &string, NULL), 0);
    k.options.string = string;
    chk_start(&k);
    belay_chronicle_string_free(string); /* copied */
    CHK_UNTIL(&k, k.dials == 4);
    assert_string_equal(k.targets[3], "ipv4:192.0.2.1:9");
    chk_close(&k);
}

static void what_contradicts_is_named(void **state)
{
    struct belay_channel_options channel = belay_channel_options_init();
    struct belay_tls_options tls_options = belay_tls_options_init();
    struct belay_tls *tls;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    assert_int_equal(belay_tls_new(k.net.loop, &tls_options, &tls, NULL), 0);
    k.options.channel = &channel;
    channel.tls = tls;
    is_refused(&k, BELAY_EINVAL, "disableTls"); /* of the kit's string */
    k.options.connection_string = "chronicle://localhost?certificatePath=/nowhere.pem";
    is_refused(&k, BELAY_EINVAL, "certificatePath");
    k.options.connection_string = "chronicle://localhost?skipTlsValidation=true";
    is_refused(&k, BELAY_EINVAL, "skipTlsValidation");
    k.options.connection_string = "chronicle://localhost";
    k.options.skip_tls_validation = BELAY_CHOICE_YES;
    is_refused(&k, BELAY_EINVAL, "skipTlsValidation");
    k.options.skip_tls_validation = BELAY_CHOICE_DEFAULT;
    channel.tls = NULL;
    channel.max_calls = -9;
    is_refused(&k, BELAY_EINVAL, "channel: max_calls");
    k.options.channel = NULL;
    k.options.client_type = "";
    is_refused(&k, BELAY_EINVAL, "client_type");
    k.options.client_type = NULL;
    k.options.client_version = "";
    is_refused(&k, BELAY_EINVAL, "client_version");
    k.options.client_version = "1.\xff";
    is_refused(&k, BELAY_EINVAL, "client_version: is not UTF-8");
    k.options.client_version = NULL;
    k.options.name = "";
    is_refused(&k, BELAY_EINVAL, "name");
    k.options.name = NULL;
    k.options.balancer = (enum belay_chronicle_balancer)9;
    is_refused(&k, BELAY_EINVAL, "balancer");
    belay_tls_unref(tls);
    chk_close(&k);
}

static struct belay_channel_options seen;

static void look(struct belay_chronicle_query *query, const char *target,
                 const struct belay_channel_options *options, void *arg)
{
    struct chronicle_kit *k = arg;

    (void)target;
    k->dials++;
    seen = *options;
    seen.route = NULL;
    belay_chronicle_opened(query, NULL, &k->refusal);
}

static void options_of_the_caller_s_hold_where_they_are_given(void **state)
{
    struct belay_channel_options o = belay_channel_options_init();

    (void)state;
    for (int given = 0; given < 2; given++) {
        struct chronicle_kit k;

        chk_open(&k);
        k.functions.connect = look;
        if (given) {
            o.idle_timeout_ms = 60000;
            o.connect_timeout_ms = 7000;
            o.max_calls = 5;
            k.options.channel = &o;
        }
        chk_start(&k);
        CHK_UNTIL(&k, k.dials == 1);
        assert_int_equal(seen.idle_timeout_ms, given ? 60000 : BELAY_FOREVER);
        assert_int_equal(seen.connect_timeout_ms, given ? 7000 : BELAY_FOREVER);
        assert_int_equal(seen.max_calls, given ? 5 : 0);
        assert_true(seen.plain);
        chk_close(&k);
    }
}

static void options_of_another_size_are_understood(void **state)
{
    struct {
        struct belay_chronicle_options o;
        char more[16];
    } later;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.options.size = offsetof(struct belay_chronicle_options, max_waiters); /* of an older header */
    chk_up(&k);
    belay_chronicle_disconnect(k.c, NULL, NULL);
    chk_a_while(&k);
    memset(&later, 0, sizeof later);
    later.o = k.options;
    later.o.size = sizeof later;
    assert_int_equal(belay_chronicle_start(k.net.loop, &later.o, &k.c, NULL), 0);
    belay_chronicle_disconnect(k.c, NULL, NULL);
    chk_a_while(&k);
    k.c = NULL;
    later.more[3] = 1; /* what this version does not know */
    assert_int_equal(belay_chronicle_start(k.net.loop, &later.o, &k.c, NULL), BELAY_EINVAL);
    chk_close(&k);
}

static void nothing_starts_on_a_loop_that_is_closed(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_start(&k); /* lest it is gone at once */
    belay_loop_close(k.net.loop, NULL, NULL);
    assert_int_equal(chk_refused(&k).code, BELAY_ECLOSED);
    ck_close(&k.net);
}

/* ---- arguments ---- */

static void wrong_arguments_are_refused(void **state)
{
    struct belay_chronicle_subscription *s;
    struct chronicle_kit k;
    struct chk_waiter w = {0};

    (void)state;
    chk_open(&k);
    k.options.max_waiters = 2;
    chk_start(&k);
    assert_int_equal(belay_chronicle_connect(k.c, 5, NULL, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_chronicle_connect(k.c, -7, NULL, chk_done, &w), BELAY_EINVAL);
    assert_int_equal(
        belay_chronicle_wait_until(k.c, (enum belay_chronicle_phase)0, 5, NULL, chk_done, &w),
        BELAY_EINVAL);
    assert_int_equal(
        belay_chronicle_wait_until(k.c, (enum belay_chronicle_phase)4, 5, NULL, chk_done, &w),
        BELAY_EINVAL);
    assert_int_equal(belay_chronicle_subscribe(k.c, NULL, NULL, &s), BELAY_EINVAL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(belay_chronicle_connect(k.c, BELAY_FOREVER, NULL, chk_done, &w), 0);
    assert_int_equal(belay_chronicle_connect(k.c, 5, NULL, chk_done, &w), BELAY_EFULL);
    CHK_UNTIL(&k, w.dones == 2);
    assert_int_equal(belay_chronicle_connect(k.c, 5, NULL, chk_done, &w), 0); /* there is room */
    belay_chronicle_waiter_cancel(NULL);
    belay_chronicle_unsubscribe(NULL);
    belay_chronicle_disconnect(NULL, NULL, NULL);
    belay_chronicle_unref(NULL);
    assert_null(belay_chronicle_whereis(k.net.loop, NULL, NULL));
    chk_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_knows_its_words),
        cmocka_unit_test(what_is_wrong_with_the_string_is_told_before_anything_is_dialled),
        cmocka_unit_test(credentials_that_are_empty_or_switched_off_are_none),
        cmocka_unit_test(one_string_at_most_is_given),
        cmocka_unit_test(the_string_may_be_parsed_already_or_an_address_or_none),
        cmocka_unit_test(what_contradicts_is_named),
        cmocka_unit_test(options_of_the_caller_s_hold_where_they_are_given),
        cmocka_unit_test(options_of_another_size_are_understood),
        cmocka_unit_test(nothing_starts_on_a_loop_that_is_closed),
        cmocka_unit_test(wrong_arguments_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
