/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/assert.h"
#include "support/test.h"

static void every_code_has_a_name_a_text_and_a_kind(void **state)
{
    (void)state;
#define X(name, number, kind, text)                                                                \
    assert_int_equal(BELAY_##name, number);                                                        \
    assert_string_equal(belay_error_name(number), #name);                                          \
    assert_string_equal(belay_strerror(number), text);                                             \
    assert_int_equal(belay_error_kind_of(number), BELAY_KIND_##kind);
    BELAY_ERRORS(X)
#undef X
    assert_string_equal(belay_error_name(0), "OK");
    assert_string_equal(belay_strerror(0), "no error");
    assert_int_equal(belay_error_kind_of(0), BELAY_KIND_NONE);
    assert_string_equal(belay_error_name(-1), "EUNKNOWN");
    assert_string_equal(belay_strerror(77), "unknown error");
    assert_int_equal(belay_error_kind_of(-1), BELAY_KIND_NONE);
}

static void kinds_stages_and_reasons_have_names(void **state)
{
    (void)state;
#define X(name, text) assert_string_equal(belay_kind_name(BELAY_KIND_##name), text);
    BELAY_ERROR_KINDS(X)
#undef X
#define X(name, text) assert_string_equal(belay_stage_name(BELAY_STAGE_##name), text);
    BELAY_STAGES(X)
#undef X
#define X(name, text) assert_string_equal(belay_reason_name(BELAY_REASON_##name), text);
    BELAY_REASONS(X)
#undef X
    assert_string_equal(belay_kind_name(BELAY_KIND_NONE), "none");
    assert_string_equal(belay_stage_name(BELAY_STAGE_NONE), "none");
    assert_string_equal(belay_reason_name(BELAY_REASON_NONE), "none");
    assert_string_equal(belay_kind_name((enum belay_error_kind)99), "unknown");
    assert_string_equal(belay_stage_name(BELAY_STAGES_N), "unknown");
    assert_string_equal(belay_reason_name(BELAY_REASONS_N), "unknown");
}

static void set_clears_what_was_there(void **state)
{
    struct belay_error e;

    (void)state;
    memset(&e, 0xff, sizeof e);
    assert_int_equal(bl_error_set(&e, BELAY_ETIMEDOUT, BELAY_STAGE_TLS, "while %s", "waiting"),
                     BELAY_ETIMEDOUT);
    assert_int_equal(e.code, BELAY_ETIMEDOUT);
    assert_int_equal(e.kind, BELAY_KIND_RETRY);
    assert_int_equal(e.stage, BELAY_STAGE_TLS);
    assert_string_equal(e.text, "while waiting");
    assert_int_equal(e.reason, 0);
    assert_int_equal(e.os_error, 0);
    assert_int_equal(e.attempt, 0);
    assert_false(e.final);
    assert_null(e.tried);
    assert_int_equal(e.tried_n, 0);
    assert_int_equal(bl_error_set(NULL, BELAY_EINVAL, BELAY_STAGE_NONE, "x"), BELAY_EINVAL);
}

static void set_may_quote_the_text_it_replaces(void **state)
{
    struct belay_error e;

    (void)state;
    bl_error_set(&e, BELAY_EINVAL, BELAY_STAGE_NONE, "inner");
    bl_error_set(&e, BELAY_ETLS, BELAY_STAGE_TLS, "outer (%s)", e.text);
    assert_string_equal(e.text, "outer (inner)");
    bl_error_prefix(&e, "twice %s", e.text);
    assert_string_equal(e.text, "twice outer (inner): outer (inner)");
}

static void os_errors_end_in_their_text(void **state)
{
    struct belay_error e;
    char longest[400];

    (void)state;
    assert_int_equal(bl_error_os(&e, BELAY_ECONNECT, BELAY_STAGE_CONNECT, ECONNREFUSED,
                                 "connecting to %s", "a:1"),
                     BELAY_ECONNECT);
    assert_string_equal(e.text, "connecting to a:1: connection refused");
    assert_int_equal(e.os_error, ECONNREFUSED);

    memset(longest, 'x', sizeof longest);
    bl_error_os(&e, BELAY_ECONNECT, BELAY_STAGE_CONNECT, ETIMEDOUT, "%.*s", 400, longest);
    assert_int_equal(strlen(e.text), BELAY_ERROR_TEXT_MAX - 1);
    assert_string_equal(e.text + BELAY_ERROR_TEXT_MAX - 24, "x: connection timed out");
    assert_int_equal(bl_error_os(NULL, BELAY_EOS, BELAY_STAGE_NONE, EIO, "x"), BELAY_EOS);
}

/* "é" has two bytes: at one of two neighbouring lengths a blind cut would split it. */
static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    for (int offset = 0; offset < 4; offset++) {
        struct belay_error e;
        char text[2 * BELAY_ERROR_TEXT_MAX + 4];
        size_t len;

        memset(text, 'a', (size_t)offset);
        for (size_t i = (size_t)offset; i + 2 < sizeof text; i += 2)
            memcpy(text + i, "\xc3\xa9", 3);
        bl_error_set(&e, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", text);
        len = strlen(e.text);
        assert_int_equal(len, offset % 2 ? BELAY_ERROR_TEXT_MAX - 1 : BELAY_ERROR_TEXT_MAX - 2);
        assert_memory_equal(e.text + len - 2, "\xc3\xa9", 2);

        bl_error_prefix(&e, "p%.*s", offset, "123");
        len = strlen(e.text);
        assert_in_range(len, BELAY_ERROR_TEXT_MAX - 2, BELAY_ERROR_TEXT_MAX - 1);
        assert_memory_equal(e.text + len - 2, "\xc3\xa9", 2);
    }
}

static void a_prefix_goes_in_front(void **state)
{
    struct belay_error e;
    char longest[400];

    (void)state;
    bl_error_set(&e, BELAY_EEOF, BELAY_STAGE_USE, "the peer closed");
    e.attempt = 3;
    bl_error_prefix(&e, "GET %s", "/");
    assert_string_equal(e.text, "GET /: the peer closed");
    assert_int_equal(e.attempt, 3);
    memset(longest, 'x', sizeof longest);
    bl_error_prefix(&e, "%.*s", 400, longest);
    assert_int_equal(strlen(e.text), BELAY_ERROR_TEXT_MAX - 1);
    bl_error_prefix(NULL, "x");
}

static void a_copy_has_its_own_addresses(void **state)
{
    struct belay_tried tried[2] = {{.took_ms = 5}, {.os_error = ECONNREFUSED, .took_ms = 7}};
    struct belay_error e, *copy, *again;

    (void)state;
    belay_addr_parse_ip("192.0.2.7", 9, 80, &tried[1].addr);
    bl_error_set(&e, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "text");
    e.tried = tried;
    e.tried_n = 2;
    copy = belay_error_dup(&e);
    again = belay_error_dup(copy);
    assert_non_null(copy);
    assert_ptr_not_equal(copy->tried, tried);
    memset(tried, 0, sizeof tried);
    belay_error_free(copy);
    assert_int_equal(again->tried_n, 2);
    assert_int_equal(again->tried[0].took_ms, 5);
    assert_int_equal(again->tried[1].os_error, ECONNREFUSED);
    assert_int_equal(again->tried[1].addr.port, 80);
    assert_string_equal(again->text, "text");
    belay_error_free(again);

    e.tried = NULL;
    e.tried_n = 0;
    copy = belay_error_dup(&e);
    assert_null(copy->tried);
    belay_error_free(copy);
    belay_error_free(NULL);
    assert_null(belay_error_dup(NULL));
}

static void what_is_kept_has_no_addresses(void **state)
{
    struct belay_tried tried = {.os_error = ECONNREFUSED};
    struct belay_error e, kept;

    (void)state;
    bl_error_set(&e, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "text");
    e.tried = &tried;
    e.tried_n = 1;
    bl_error_keep(&kept, &e);
    assert_null(kept.tried);
    assert_int_equal(kept.tried_n, 0);
    assert_int_equal(kept.code, BELAY_ECONNECT);
    assert_string_equal(kept.text, "text");
    assert_ptr_equal(e.tried, &tried);
}

static void errors_are_equal_by_code_stage_errno_and_last_address(void **state)
{
    struct belay_tried tried_a[2], tried_b[1];
    struct belay_error a, b;

    (void)state;
    memset(tried_a, 0, sizeof tried_a);
    memset(tried_b, 0, sizeof tried_b);
    belay_addr_parse_ip("192.0.2.1", 9, 80, &tried_a[1].addr);
    belay_addr_parse_ip("192.0.2.1", 9, 80, &tried_b[0].addr);
    bl_error_set(&a, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "one");
    bl_error_set(&b, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "another");
    b.attempt = 4;
    assert_true(belay_error_equal(&a, &b));
    assert_true(belay_error_equal(NULL, NULL));
    assert_false(belay_error_equal(&a, NULL));
    assert_false(belay_error_equal(NULL, &b));

    a.tried = tried_a;
    a.tried_n = 2;
    assert_false(belay_error_equal(&a, &b));
    b.tried = tried_b;
    b.tried_n = 1;
    assert_true(belay_error_equal(&a, &b));
    tried_b[0].addr.port = 81;
    assert_false(belay_error_equal(&a, &b));
    tried_b[0].addr.port = 80;

    b.code = BELAY_ERESET;
    assert_false(belay_error_equal(&a, &b));
    b.code = a.code;
    b.stage = BELAY_STAGE_TLS;
    assert_false(belay_error_equal(&a, &b));
    b.stage = a.stage;
    b.os_error = 1;
    assert_false(belay_error_equal(&a, &b));
}

static void exhaustion_has_codes_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(bl_code_of_errno(EMFILE, BELAY_ECONNECT), BELAY_EMFILE);
    assert_int_equal(bl_code_of_errno(ENFILE, BELAY_ECONNECT), BELAY_EMFILE);
    assert_int_equal(bl_code_of_errno(ENOMEM, BELAY_ECONNECT), BELAY_ENOMEM);
    assert_int_equal(bl_code_of_errno(ENOBUFS, BELAY_ECONNECT), BELAY_ENOMEM);
    assert_int_equal(bl_code_of_errno(ECONNREFUSED, BELAY_ECONNECT), BELAY_ECONNECT);
}

static void errno_texts_are_short_and_lower_case(void **state)
{
    (void)state;
    assert_string_equal(bl_errno_text(ECONNREFUSED), "connection refused");
    assert_string_equal(bl_errno_text(999), "error 999");
    for (int i = -1; i < 140; i++) {
        const char *text = bl_errno_text(i);

        assert_in_range(strlen(text), 4, 40);
        for (const char *c = text; *c; c++)
            assert_false(*c >= 'A' && *c <= 'Z');
    }
}

static void *ask_for_unknown_texts(void *arg)
{
    int *wrong = arg, base = *wrong;

    *wrong = 0;
    for (int i = 0; i < 20000; i++) {
        char expected[24];

        snprintf(expected, sizeof expected, "error %d", base + i);
        *wrong += strcmp(bl_errno_text(base + i), expected) != 0;
    }
    return NULL;
}

static void errno_texts_of_two_threads_do_not_mix(void **state)
{
    int wrong[2] = {1000, 50000};
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_for_unknown_texts, &wrong[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

static void the_running_version_is_that_of_the_headers(void **state)
{
    char version[24];

    (void)state;
    snprintf(version, sizeof version, "%d.%d.%d", BELAY_VERSION_MAJOR, BELAY_VERSION_MINOR,
             BELAY_VERSION_PATCH);
    assert_string_equal(belay_version(), version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_a_text_and_a_kind),
        cmocka_unit_test(kinds_stages_and_reasons_have_names),
        cmocka_unit_test(set_clears_what_was_there),
        cmocka_unit_test(set_may_quote_the_text_it_replaces),
        cmocka_unit_test(os_errors_end_in_their_text),
        cmocka_unit_test(texts_are_cut_between_characters),
        cmocka_unit_test(a_prefix_goes_in_front),
        cmocka_unit_test(a_copy_has_its_own_addresses),
        cmocka_unit_test(what_is_kept_has_no_addresses),
        cmocka_unit_test(errors_are_equal_by_code_stage_errno_and_last_address),
        cmocka_unit_test(exhaustion_has_codes_of_its_own),
        cmocka_unit_test(errno_texts_are_short_and_lower_case),
        cmocka_unit_test(errno_texts_of_two_threads_do_not_mix),
        cmocka_unit_test(the_running_version_is_that_of_the_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
