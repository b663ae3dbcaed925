/* SPDX-License-Identifier: MIT */
/* Connection strings as programs have them; what they may be is tested with the parser. */
#include <stdlib.h>
#include <string.h>

#include "belay/chronicle.h"
#include "support/test.h"

static void expect_text(const struct belay_chronicle_string *s, const char *whole,
                        const char *shown)
{
    char *text;

    assert_int_equal(belay_chronicle_string_format(s, &text), 0);
    assert_string_equal(text, whole);
    free(text);
    assert_int_equal(belay_chronicle_string_redacted(s, &text), 0);
    assert_string_equal(text, shown);
    free(text);
}

static void expect_auth(const struct belay_chronicle_string *s, enum belay_chronicle_auth auth)
{
    enum belay_chronicle_auth is;

    assert_int_equal(belay_chronicle_string_auth(s, &is, NULL), 0);
    assert_int_equal(is, auth);
}

static void a_string_is_read_and_written(void **state)
{
    struct belay_chronicle_string *s;

    (void)state;
    assert_int_equal(belay_chronicle_string_parse("chronicle://me:p%40ss@one,two:4/?x=1", &s, NULL),
                     0);
    expect_text(s, "chronicle://me:p%40ss@one:35000,two:4?x=1",
                "chronicle://me:REDACTED@one:35000,two:4?x=1");
    expect_auth(s, BELAY_CHRONICLE_AUTH_CREDENTIALS);
    belay_chronicle_string_free(s);
    belay_chronicle_string_free(NULL);
}

static void the_default_has_no_credentials_and_the_development_one_has(void **state)
{
    struct belay_chronicle_string *s;

    (void)state;
    assert_int_equal(belay_chronicle_string_default(&s), 0);
    expect_text(s, "chronicle://localhost:35000", "chronicle://localhost:35000");
    expect_auth(s, BELAY_CHRONICLE_AUTH_NONE);
    belay_chronicle_string_free(s);
    assert_int_equal(belay_chronicle_string_development(&s), 0);
    expect_auth(s, BELAY_CHRONICLE_AUTH_CREDENTIALS);
    belay_chronicle_string_free(s);
}

static void one_with_another_authentication_outlives_the_first(void **state)
{
    struct belay_chronicle_string *first, *key, *again;

    (void)state;
    assert_int_equal(belay_chronicle_string_development(&first), 0);
    assert_int_equal(belay_chronicle_string_with_api_key(first, "k&y", &key, NULL), 0);
    belay_chronicle_string_free(first);
    expect_text(key, "chronicle://localhost:35000?apiKey=k%26y",
                "chronicle://localhost:35000?apiKey=REDACTED");
    expect_auth(key, BELAY_CHRONICLE_AUTH_API_KEY);
    assert_int_equal(belay_chronicle_string_with_credentials(key, "a", "b", &again, NULL), 0);
    belay_chronicle_string_free(key);
    expect_text(again, "chronicle://a:b@localhost:35000", "chronicle://a:REDACTED@localhost:35000");
    belay_chronicle_string_free(again);
}

static void what_is_wrong_is_told(void **state)
{
    struct belay_chronicle_string *s = NULL, *other = NULL;
    enum belay_chronicle_auth auth;
    struct belay_error error;

    (void)state;
    assert_int_equal(belay_chronicle_string_parse(NULL, &s, &error), BELAY_EINVAL);
    assert_int_equal(belay_chronicle_string_parse("http://one", &s, &error), BELAY_EINVAL);
    assert_true(strlen(error.text) > 0);
    assert_null(s);
    assert_int_equal(belay_chronicle_string_parse("chronicle://a:b@one?apiKey=c", &s, &error), 0);
    assert_int_equal(belay_chronicle_string_auth(s, &auth, &error), BELAY_EINVAL);
    assert_int_equal(belay_chronicle_string_with_api_key(s, "", &other, &error), BELAY_EINVAL);
    assert_int_equal(belay_chronicle_string_with_credentials(s, "a", "", &other, &error),
                     BELAY_EINVAL);
    assert_null(other);
    belay_chronicle_string_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_read_and_written),
        cmocka_unit_test(the_default_has_no_credentials_and_the_development_one_has),
        cmocka_unit_test(one_with_another_authentication_outlives_the_first),
        cmocka_unit_test(what_is_wrong_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
