/* SPDX-License-Identifier: MIT */
/* What token endpoints are asked and answer, honest and other ones. */
#include "service/token_answer.h"

#include <string.h>

#include "support/test.h"

struct answer {
    int status;
    const char *body;
    const char *token; /* NULL: refused */
    int64_t life_s;
    const char *words; /* of the refusal */
    enum belay_error_kind kind;
};

static const struct answer answers[] = {
    {200, "{\"access_token\":\"abc\",\"expires_in\":300,\"token_type\":\"Bearer\"}", "abc", 300,
     NULL, 0},
    {200, "{\"access_token\":\"abc\"}", "abc", 3600, NULL, 0},
    {200, "{\"access_token\":\"abc\",\"expires_in\":null}", "abc", 3600, NULL, 0},
    {200, "{\"access_token\":\"abc\",\"expires_in\":\"120\"}", "abc", 120, NULL, 0},
    {200, "{\"access_token\":\"abc\",\"expires_in\":59.9}", "abc", 59, NULL, 0},
    {200, "{\"access_token\":\"abc\",\"expires_in\":1e300}", "abc", 1000000000, NULL, 0},
    {200, "{\"access_token\":\"abc\",\"expires_in\":0}", NULL, 0, "expires_in", BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"abc\",\"expires_in\":-5}", NULL, 0, "expires_in", BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"abc\",\"expires_in\":\"soon\"}", NULL, 0, "expires_in",
     BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"abc\",\"expires_in\":\"\"}", NULL, 0, "expires_in",
     BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"abc\",\"expires_in\":[]}", NULL, 0, "expires_in", BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"\"}", NULL, 0, "not plain ASCII", BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"a\\r\\nx: y\"}", NULL, 0, "not plain ASCII", BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"\xc3\xa9\"}", NULL, 0, "not plain ASCII", BELAY_KIND_FATAL},
    {200, "{\"access_token\":7}", NULL, 0, "no access_token", BELAY_KIND_FATAL},
    {200, "{}", NULL, 0, "no access_token", BELAY_KIND_FATAL},
    {200, "[]", NULL, 0, "not a JSON object", BELAY_KIND_FATAL},
    {200, "", NULL, 0, "not a JSON object", BELAY_KIND_FATAL},
    {200, "<html>secret</html>", NULL, 0, "not a JSON object", BELAY_KIND_FATAL},
    {200, "{\"access_token\":\"abc\"", NULL, 0, "not a JSON object", BELAY_KIND_FATAL},
    {201, "{\"access_token\":\"abc\"}", NULL, 0, "answered 201", BELAY_KIND_FATAL},
    {400, "{\"error\":\"invalid_grant\"}", NULL, 0, "answered 400 (\"invalid_grant\")",
     BELAY_KIND_FATAL},
    {401, "{\"error\":\"secret s3 was wrong\"}", NULL, 0, "answered 401", BELAY_KIND_FATAL},
    {429, "", NULL, 0, "answered 429", BELAY_KIND_RETRY},
    {503, "busy", NULL, 0, "answered 503", BELAY_KIND_RETRY},
};

static void an_answer_gives_a_token_or_says_why_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const struct answer *a = &answers[i];
        struct bl_token_answer got = {0};
        struct belay_error error = {0};
        struct bl_mem mem;
        int rc;

        bl_mem_init(&mem, NULL);
        rc = bl_token_answer_parse(&mem, a->status, bl_span_of(a->body), &got, &error);
        if (a->token) {
            assert_int_equal(rc, 0);
            assert_string_equal(got.token, a->token);
            assert_int_equal(got.life_s, a->life_s);
            bl_token_wipe(&mem, got.token);
        } else {
            assert_int_equal(rc, BELAY_EPROTO);
            assert_int_equal(error.kind, a->kind);
            assert_int_equal(error.status, a->status);
            assert_non_null(strstr(error.text, a->words));
            assert_null(strstr(error.text, "s3"));
            assert_null(strstr(error.text, "html"));
        }
        assert_int_equal(mem.live, 0);
    }
}

static void a_token_that_is_too_long_is_refused(void **state)
{
    static char body[BL_TOKEN_MAX + 64];
    struct bl_token_answer got = {0};
    struct belay_error error;
    struct bl_mem mem;
    size_t at;

    (void)state;
    bl_mem_init(&mem, NULL);
    for (size_t len = BL_TOKEN_MAX; len <= BL_TOKEN_MAX + 1; len++) {
        strcpy(body, "{\"access_token\":\"");
        at = strlen(body);
        memset(body + at, 'x', len);
        strcpy(body + at + len, "\"}");
        assert_int_equal(bl_token_answer_parse(&mem, 200, bl_span_of(body), &got, &error),
                         len > BL_TOKEN_MAX ? BELAY_EPROTO : 0);
    }
    bl_token_wipe(&mem, got.token);
    assert_int_equal(mem.live, 0);
}

static void credentials_are_escaped_in_the_form(void **state)
{
    static const char expected[] =
        "grant_type=client_credentials&client_id=a%26b&client_secret=s%20%3D%2B%25";
    struct bl_buf out = {0};
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    assert_int_equal(bl_token_form(&out, &mem, "a&b", "s =+%"), 0);
    assert_int_equal(bl_buf_len(&out), strlen(expected));
    assert_memory_equal(bl_buf_head(&out), expected, strlen(expected));
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_gives_a_token_or_says_why_not),
        cmocka_unit_test(a_token_that_is_too_long_is_refused),
        cmocka_unit_test(credentials_are_escaped_in_the_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
