/* SPDX-License-Identifier: MIT */
/* The options of channels: what is given, and what holds. */
#include "grpc/channel.h"

#include "support/test.h"

static int resolve(const struct belay_channel_options *given, struct belay_channel_options *ret,
                   struct bl_cp_limits *limits, struct belay_error *error)
{
    struct bl_retry_limits retry;

    return bl_channel_options_resolve(ret, limits, &retry, given, error);
}

static void each_option_knows_its_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < bl_channel_options_n; i++) {
        const struct bl_option *f = &bl_channel_options[i];
        const int64_t words[] = {0, BELAY_NONE, BELAY_FOREVER, f->min, f->max};
        const int64_t become[] = {f->fallback, f->none, f->forever, f->min, f->max};

        for (int w = 0; w < 5; w++) {
            struct belay_channel_options o = belay_channel_options_init(), effective;
            struct bl_cp_limits limits;
            struct belay_error error;
            int rc;

            if (f->width == 4 && words[w] != (int32_t)words[w])
                continue;
            if (w > 2 && words[w] == 0)
                continue;
            bl_option_put(&o, f, words[w]);
            rc = resolve(&o, &effective, &limits, &error);
            assert_int_equal(rc, become[w] == BL_NOT_ALLOWED ? BELAY_EINVAL : 0);
            if (rc == 0)
                assert_int_equal(bl_option_get(&effective, f), become[w]);
            else
                assert_non_null(strstr(error.text, f->name));
        }
    }
}

static void the_backoff_is_grpc_s_where_nothing_else_is_said(void **state)
{
    struct belay_backoff_options b = belay_backoff_options_init();
    struct belay_channel_options o = belay_channel_options_init(), effective;
    struct bl_cp_limits limits;
    struct belay_error error;

    (void)state;
    assert_int_equal(resolve(NULL, &effective, &limits, &error), 0);
    assert_int_equal(limits.backoff.options.delay_ms, 1000);
    assert_int_equal(limits.backoff.options.delay_max_ms, 120000);
    assert_int_equal(limits.backoff.options.factor_percent, 160);
    assert_int_equal(limits.backoff.options.spread_percent, 20);
    b.delay_ms = 50;
    o.backoff = &b;
    assert_int_equal(resolve(&o, &effective, &limits, &error), 0);
    assert_int_equal(limits.backoff.options.delay_ms, 50);
    assert_int_equal(limits.backoff.options.factor_percent, 160);
    b.spread_percent = 101;
    assert_int_equal(resolve(&o, &effective, &limits, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "backoff"));
}

static void what_contradicts_is_refused(void **state)
{
    struct belay_channel_options o = belay_channel_options_init(), effective;
    struct bl_cp_limits limits;
    struct belay_error error;

    (void)state;
    o.authority = "";
    assert_int_equal(resolve(&o, &effective, &limits, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "authority"));
    o.authority = NULL;
    o.plain = true;
    o.tls = (struct belay_tls *)&error; /* only looked at */
    assert_int_equal(resolve(&o, &effective, &limits, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "tls"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_knows_its_words),
        cmocka_unit_test(the_backoff_is_grpc_s_where_nothing_else_is_said),
        cmocka_unit_test(what_contradicts_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
