/* SPDX-License-Identifier: MIT */
#include "base/assert.h"
#include "support/failing_alloc.h"
#include "support/test.h"
#include "wire/url.h"

struct resolve_case {
    const char *base, *reference, *result;
};

#define RFC "http://a/b/c/d;p?q"

/* RFC 3986, 5.4.1 and 5.4.2. */
static const struct resolve_case rfc_cases[] = {
    {RFC, "g:h", "g:h"},
    {RFC, "g", "http://a/b/c/g"},
    {RFC, "./g", "http://a/b/c/g"},
    {RFC, "g/", "http://a/b/c/g/"},
    {RFC, "/g", "http://a/g"},
    {RFC, "//g", "http://g"},
    {RFC, "?y", "http://a/b/c/d;p?y"},
    {RFC, "g?y", "http://a/b/c/g?y"},
    {RFC, "#s", "http://a/b/c/d;p?q#s"},
    {RFC, "g#s", "http://a/b/c/g#s"},
    {RFC, "g?y#s", "http://a/b/c/g?y#s"},
    {RFC, ";x", "http://a/b/c/;x"},
    {RFC, "g;x", "http://a/b/c/g;x"},
    {RFC, "g;x?y#s", "http://a/b/c/g;x?y#s"},
    {RFC, "", "http://a/b/c/d;p?q"},
    {RFC, ".", "http://a/b/c/"},
    {RFC, "./", "http://a/b/c/"},
    {RFC, "..", "http://a/b/"},
    {RFC, "../", "http://a/b/"},
    {RFC, "../g", "http://a/b/g"},
    {RFC, "../..", "http://a/"},
    {RFC, "../../", "http://a/"},
    {RFC, "../../g", "http://a/g"},
    {RFC, "../../../g", "http://a/g"},
    {RFC, "../../../../g", "http://a/g"},
    {RFC, "/./g", "http://a/g"},
    {RFC, "/../g", "http://a/g"},
    {RFC, "g.", "http://a/b/c/g."},
    {RFC, ".g", "http://a/b/c/.g"},
    {RFC, "g..", "http://a/b/c/g.."},
    {RFC, "..g", "http://a/b/c/..g"},
    {RFC, "./../g", "http://a/b/g"},
    {RFC, "./g/.", "http://a/b/c/g/"},
    {RFC, "g/./h", "http://a/b/c/g/h"},
    {RFC, "g/../h", "http://a/b/c/h"},
    {RFC, "g;x=1/./y", "http://a/b/c/g;x=1/y"},
    {RFC, "g;x=1/../y", "http://a/b/c/y"},
    {RFC, "g?y/./x", "http://a/b/c/g?y/./x"},
    {RFC, "g?y/../x", "http://a/b/c/g?y/../x"},
    {RFC, "g#s/./x", "http://a/b/c/g#s/./x"},
    {RFC, "g#s/../x", "http://a/b/c/g#s/../x"},
    {RFC, "http:g", "http:g"},
};

static const struct resolve_case other_cases[] = {
    /* The base's user and password go nowhere; the reference's are its own. */
    {"http://user:pw@a/b", "c", "http://a/c"},
    {"http://user:pw@a:8/b", "/c", "http://a:8/c"},
    {"http://user:pw@a/b", "", "http://a/b"},
    {"http://user:pw@a/b", "//b/c", "http://b/c"},
    {"http://user:pw@a/b", "https://me@c/", "https://me@c/"},
    /* A base without a path. */
    {"http://a", "g", "http://a/g"},
    {"http://a?q", "g", "http://a/g"},
    {"http://a?q", "", "http://a?q"},
    {"http://a", "..", "http://a/"},
    {"http://[::1]:80/x/", "y", "http://[::1]:80/x/y"},
    /* A base without a host has no root. */
    {"g:h", "x", "g:x"},
    {"g:h", "./x", "g:x"},
    {"g:h", "../x", "g:x"},
    {"g:h", ".", "g:"},
    {"g:h", "..", "g:"},
    {"g:a/b", "x", "g:a/x"},
    /* An absolute reference is cleaned too. */
    {"http://a/", "https://b/x/../y", "https://b/y"},
    {"http://a/", "https://b", "https://b"},
    /* What servers send although URLs may not have it. */
    {"http://a/", "/b c\xc3\xa9?d e#f g", "http://a/b%20c%C3%A9?d%20e#f%20g"},
    {"http://a/", "/a%20b|{}", "http://a/a%20b|{}"},
    /* A colon does not make a scheme of everything. */
    {"http://a/b/", "1:2", "http://a/b/1:2"},
    {"http://a/b/", "./x:y", "http://a/b/x:y"},
    {"http://a/b/", "?x:y", "http://a/b/?x:y"},
    {"http://a/b//c//", "../d", "http://a/b//c/d"},
    {"http://a/b/", "/..", "http://a/"},
    {"http://a/b/", "/.", "http://a/"},
    {"http://a/b/", "?", "http://a/b/?"},
    {"http://a/b/", "#", "http://a/b/#"},
};

static void assert_resolves(const struct resolve_case *c, struct bl_mem *mem)
{
    struct bl_buf out = {0};

    assert_int_equal(bl_url_resolve(bl_span_of(c->base), bl_span_of(c->reference), &out, mem), 0);
    assert_int_equal(bl_buf_append(&out, mem, "", 1), 0);
    assert_string_equal(bl_buf_head(&out), c->result);
    bl_buf_free(&out, mem);
}

static void references_resolve_as_in_the_rfc(void **state)
{
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    for (size_t i = 0; i < BL_COUNT(rfc_cases); i++)
        assert_resolves(&rfc_cases[i], &mem);
    assert_int_equal(mem.live, 0);
}

static void references_resolve_without_secrets_or_bad_bytes(void **state)
{
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    for (size_t i = 0; i < BL_COUNT(other_cases); i++)
        assert_resolves(&other_cases[i], &mem);
    assert_int_equal(mem.live, 0);
}

static void bad_references_leave_the_buffer_as_it_was(void **state)
{
    static char longest[BL_URL_MAX + 1];
    struct bl_span base = bl_span_of("http://a/"), text = bl_span_of("/x");
    struct bl_buf out = {0};
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    memset(longest, 'x', sizeof longest);
    bl_buf_append(&out, &mem, "kept", 4);
    assert_int_equal(bl_url_resolve(base, bl_span_of("/a\r\nb"), &out, &mem), BELAY_EINVAL);
    assert_int_equal(bl_url_resolve(base, bl_span("/\0", 2), &out, &mem), BELAY_EINVAL);
    assert_int_equal(bl_url_resolve(bl_span_of("/no/scheme"), text, &out, &mem), BELAY_EINVAL);
    assert_int_equal(bl_url_resolve(base, bl_span(longest, BL_URL_MAX + 1), &out, &mem),
                     BELAY_EINVAL);
    assert_int_equal(bl_url_resolve(base, bl_span(longest, BL_URL_MAX), &out, &mem), BELAY_EINVAL);
    /* A path is no host, whatever its dots leave of it. */
    assert_int_equal(bl_url_resolve(base, bl_span_of("http:/..//b/"), &out, &mem), BELAY_EINVAL);
    assert_int_equal(bl_url_resolve(base, bl_span_of("http:/.//b/"), &out, &mem), BELAY_EINVAL);
    assert_int_equal(bl_buf_len(&out), 4);
    assert_memory_equal(bl_buf_head(&out), "kept", 4);
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
}

static void running_out_of_memory_leaves_the_buffer_as_it_was(void **state)
{
    char reference[1000];

    (void)state;
    memset(reference, 0xc3, sizeof reference);
    for (size_t n = 1;; n++) {
        struct failing_alloc f;
        struct bl_buf out = {0};
        struct bl_mem mem;
        int rc;

        failing_alloc_init(&f);
        bl_mem_init(&mem, &f.allocator);
        bl_buf_append(&out, &mem, "kept", 4);
        failing_alloc_once(&f, n);
        rc = bl_url_resolve(bl_span_of("http://a/"), bl_span(reference, sizeof reference), &out,
                            &mem);
        assert_int_equal(rc, failing_alloc_failures(&f) ? BELAY_ENOMEM : 0);
        if (rc < 0)
            assert_int_equal(bl_buf_len(&out), 4);
        assert_memory_equal(bl_buf_head(&out), "kept", 4);
        bl_buf_free(&out, &mem);
        assert_int_equal(failing_alloc_live(&f), 0);
        if (rc == 0) {
            assert_true(n > 2);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_resolve_as_in_the_rfc),
        cmocka_unit_test(references_resolve_without_secrets_or_bad_bytes),
        cmocka_unit_test(bad_references_leave_the_buffer_as_it_was),
        cmocka_unit_test(running_out_of_memory_leaves_the_buffer_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
