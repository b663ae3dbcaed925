/* SPDX-License-Identifier: MIT */
/* Where redirects lead, and what is left of the request on the way. */
#include "support/test.h"

#include "http/redirect.h"
#include "support/failing_alloc.h"

struct row {
    int status;
    const char *method, *url, *location;
    int code;       /* 0, or the error */
    const char *to; /* the address; the error's words; NULL: not followed */
    bool to_get, same_origin;
};

#define A "http://a.test/dir/x?q=1"

static const struct row rows[] = {
    {301, "GET", A, "/y", 0, "http://a.test/y", false, true},
    {302, "GET", A, "y", 0, "http://a.test/dir/y", false, true},
    {307, "GET", A, "../y#part", 0, "http://a.test/y", false, true},
    {308, "PUT", A, "?z=2", 0, "http://a.test/dir/x?z=2", false, true},
    {301, "POST", A, "/y", 0, "http://a.test/y", true, true},
    {302, "POST", A, "/y", 0, "http://a.test/y", true, true},
    {302, "PUT", A, "/y", 0, "http://a.test/y", false, true},
    {303, "PUT", A, "/y", 0, "http://a.test/y", true, true},
    {303, "GET", A, "/y", 0, "http://a.test/y", true, true},
    {303, "HEAD", A, "/y", 0, "http://a.test/y", false, true},
    {302, "HEAD", A, "/y", 0, "http://a.test/y", false, true},
    {307, "POST", A, "/y", 0, "http://a.test/y", false, true},
    {308, "POST", A, "/y", 0, "http://a.test/y", false, true},
    {302, "GET", A, "http://A.TEST:80/y", 0, "http://A.TEST:80/y", false, true},
    {302, "GET", A, "//b.test/y", 0, "http://b.test/y", false, false},
    {302, "GET", A, "http://a.test:81/y", 0, "http://a.test:81/y", false, false},
    {302, "GET", A, "https://a.test/y", 0, "https://a.test/y", false, false},
    {302, "GET", "https://a.test/", "http://a.test/y", 0, "http://a.test/y", false, false},
    {302, "GET", "https://a.test/", "https://a.test:443/y", 0, "https://a.test:443/y", false, true},
    {302, "GET", A, "/with blank", 0, "http://a.test/with%20blank", false, true},
    {300, "GET", A, "/y", 0, NULL, false, false},
    {304, "GET", A, "/y", 0, NULL, false, false},
    {305, "GET", A, "/y", 0, NULL, false, false},
    {200, "GET", A, "/y", 0, NULL, false, false},
    {302, "GET", A, NULL, 0, NULL, false, false},
    {302, "GET", A, "ftp://a.test/", BELAY_EPROTO, "ftp", false, false},
    {302, "GET", A, "javascript:alert(1)", BELAY_EPROTO, "javascript", false, false},
    {302, "GET", A, "http:///y", BELAY_EPROTO, "302", false, false},
    {302, "GET", A, "http://a.test:0/", BELAY_EPROTO, "port", false, false},
    {302, "GET", A, "/a\x01", BELAY_EPROTO, "\\x01", false, false},
};

static int decide(const struct row *row, int32_t redirects, int32_t max, struct bl_redirect *ret,
                  struct bl_buf *url, struct bl_mem *mem, struct belay_error *error)
{
    const struct bl_redirect_facts facts = {
        .status = row->status,
        .method = bl_span_of(row->method),
        .url = bl_span_of(row->url),
        .location = bl_span_of(row->location),
        .redirects = redirects,
        .max = max,
    };

    return bl_redirect_decide(&facts, ret, url, mem, error);
}

static void check(const struct row *row, struct bl_mem *mem)
{
    struct bl_buf url = {0};
    struct bl_redirect redirect;
    struct belay_error error;
    int rc = decide(row, 0, 10, &redirect, &url, mem, &error);

    assert_int_equal(rc, row->code);
    if (rc < 0) {
        assert_non_null(strstr(error.text, row->to));
    } else {
        assert_int_equal(redirect.follow, row->to != NULL);
        assert_int_equal(redirect.to_get, row->to_get);
        assert_int_equal(redirect.same_origin, row->same_origin);
    }
    if (rc == 0 && row->to)
        assert_string_equal(bl_buf_head(&url), row->to);
    bl_buf_free(&url, mem);
}

static void redirects_lead_where_the_table_says(void **state)
{
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i], &mem);
    assert_int_equal(mem.live, 0);
}

static void what_a_location_hides_stays_hidden(void **state)
{
    static const char *const locations[] = {
        "http://u:53cr3t@b.test@c.test/", "ftp://u:53cr3t@b.test/", "//u:53cr3t@b.test:0/",
        "http://u:53cr3t@b.test/\x01", "http://u:53cr3t@b.test:0/?q=@"};
    struct bl_mem mem;
    struct bl_buf url = {0};

    (void)state;
    bl_mem_init(&mem, NULL);
    for (size_t i = 0; i < sizeof locations / sizeof locations[0]; i++) {
        const struct row row = {.status = 302, .method = "GET", .url = A, .location = locations[i]};
        struct bl_redirect redirect;
        struct belay_error error;

        assert_int_equal(decide(&row, 0, 10, &redirect, &url, &mem, &error), BELAY_EPROTO);
        assert_non_null(strstr(error.text, "302"));
        if (strstr(error.text, "53cr3t"))
            fail_msg("%s", error.text);
    }
    bl_buf_free(&url, &mem);
}

static void there_is_a_limit_and_none_means_none(void **state)
{
    struct bl_mem mem;
    struct bl_buf url = {0};
    struct bl_redirect redirect;
    struct belay_error error;

    (void)state;
    bl_mem_init(&mem, NULL);
    assert_int_equal(decide(&rows[0], 2, 3, &redirect, &url, &mem, &error), 0);
    assert_true(redirect.follow);
    assert_int_equal(decide(&rows[0], 3, 3, &redirect, &url, &mem, &error), BELAY_EREDIRECT);
    assert_non_null(strstr(error.text, "more than 3"));
    assert_int_equal(decide(&rows[0], 0, 0, &redirect, &url, &mem, &error), 0);
    assert_false(redirect.follow);
    bl_buf_free(&url, &mem);
}

static void credentials_and_body_headers_are_known(void **state)
{
    (void)state;
    assert_true(bl_redirect_is_credential(bl_span_of("AUTHORIZATION")));
    assert_true(bl_redirect_is_credential(bl_span_of("Cookie")));
    assert_false(bl_redirect_is_credential(bl_span_of("proxy-authorization"))); /* not to origins */
    assert_true(bl_is_for_proxy(bl_span_of("PROXY-authorization")));
    assert_false(bl_is_for_proxy(bl_span_of("Authorization")));
    assert_true(bl_redirect_is_credential(bl_span_of("Host")));
    assert_false(bl_redirect_is_credential(bl_span_of("Accept")));
    assert_true(bl_redirect_is_of_body(bl_span_of("Content-Type")));
    assert_true(bl_redirect_is_of_body(bl_span_of("content-encoding")));
    assert_false(bl_redirect_is_of_body(bl_span_of("Content")));
    assert_false(bl_redirect_is_of_body(bl_span_of("Accept")));
}

static void running_out_of_memory_is_told(void **state)
{
    struct failing_alloc failing;
    struct bl_mem mem;
    struct bl_redirect redirect;
    struct belay_error error;

    (void)state;
    for (size_t n = 1;; n++) {
        struct bl_buf url = {0};
        int rc;

        failing_alloc_init(&failing);
        failing_alloc_once(&failing, n);
        bl_mem_init(&mem, &failing.allocator);
        rc = decide(&rows[0], 0, 3, &redirect, &url, &mem, &error);
        bl_buf_free(&url, &mem);
        assert_int_equal(mem.live, 0);
        if (failing_alloc_failures(&failing) == 0)
            break;
        assert_int_equal(rc, BELAY_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirects_lead_where_the_table_says),
        cmocka_unit_test(what_a_location_hides_stays_hidden),
        cmocka_unit_test(there_is_a_limit_and_none_means_none),
        cmocka_unit_test(credentials_and_body_headers_are_known),
        cmocka_unit_test(running_out_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
