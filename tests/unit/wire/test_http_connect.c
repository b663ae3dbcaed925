/* SPDX-License-Identifier: MIT */
#include "wire/http_connect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "support/failing_alloc.h"
#include "support/test.h"

static struct belay_error error;

/* ---- the request ---- */

static void expect_request(const char *host, const char *user, const char *password,
                           const char *expected)
{
    struct bl_mem mem;
    char *text = NULL;
    size_t len = 0;

    bl_mem_init(&mem, NULL);
    assert_int_equal(bl_connect_write(&mem, host, 443, user, password, &text, &len, &error), 0);
    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
    bl_free(&mem, text);
    assert_int_equal(mem.live, 0);
}

#define AGENT "User-Agent: belay/" BELAY_VERSION "\r\n\r\n"

static void requests_name_the_target_twice(void **state)
{
    (void)state;
    expect_request("a.test", NULL, NULL,
                   "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n" AGENT);
    expect_request("2001:db8::1", NULL, NULL,
                   "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n" AGENT);
    expect_request("a.test", "u", "p",
                   "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"
                   "Proxy-Authorization: Basic dTpw\r\n" AGENT);
    expect_request("a.test", "u", NULL,
                   "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"
                   "Proxy-Authorization: Basic dTo=\r\n" AGENT);
}

static void what_would_inject_is_refused(void **state)
{
    static const char *const hosts[] = {"", "a b", "a\r\nX: 1", "a/b", "a@b", "[::1]", "a\tb", "é"};
    static const char *const users[] = {"a:b", "a\nb", "a\x7f"};
    struct bl_mem mem;
    char *text = NULL;
    size_t len;
    (void)state;
    bl_mem_init(&mem, NULL);
    for (size_t i = 0; i < BL_COUNT(hosts); i++)
        assert_int_equal(bl_connect_write(&mem, hosts[i], 1, NULL, NULL, &text, &len, &error),
                         BELAY_EINVAL);
    for (size_t i = 0; i < BL_COUNT(users); i++) {
        assert_int_equal(bl_connect_write(&mem, "a", 1, users[i], "p", &text, &len, &error),
                         BELAY_EINVAL);
        assert_null(strstr(error.text, users[i]));
    }
    assert_int_equal(bl_connect_write(&mem, "a", 1, "u", "\r\n", &text, &len, &error),
                     BELAY_EINVAL);
    assert_null(text);
    assert_int_equal(mem.live, 0);
}

static void memory_may_be_out(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        struct failing_alloc f;
        struct bl_mem mem;
        char *text = NULL;
        size_t len;

        failing_alloc_init(&f);
        bl_mem_init(&mem, &f.allocator);
        failing_alloc_once(&f, n);
        assert_int_equal(bl_connect_write(&mem, "a", 1, "u", "p", &text, &len, &error),
                         n < 3 ? BELAY_ENOMEM : 0);
        bl_free(&mem, text);
        assert_int_equal(failing_alloc_live(&f), 0);
    }
}

/* ---- the answer ---- */

/* Whole, and one byte at a time: the same. Returns what it came to; *used up to the end of it. */
static int read_all(const char *text, size_t n, size_t *used)
{
    struct bl_connect c;
    size_t some = 0, total = 0;
    int rc, slow = 0;

    bl_connect_init(&c);
    rc = bl_connect_input(&c, text, n, used, &error);
    bl_connect_init(&c);
    while (total < n && slow == 0) {
        slow = bl_connect_input(&c, text + total, 1, &some, &error);
        assert_int_equal(some, slow != BELAY_ELIMIT);
        total += some;
    }
    assert_int_equal(rc, slow);
    if (rc != BELAY_ELIMIT)
        assert_int_equal(*used, total);
    return rc;
}

struct answer {
    const char *text;
    int rc, status;
};

static void answers_are_read_to_their_end(void **state)
{
    static const struct answer answers[] = {
        {"HTTP/1.1 200 Connection established\r\n\r\n", 1, 0},
        {"HTTP/1.0 200 OK\nA: b\n\n", 1, 0},
        {"HTTP/1.1 200\r\n\r\n", 1, 0},
        {"HTTP/1.9 299 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 1, 0},
        {"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 x\r\n\r\n", 1, 0},
        {"HTTP/1.1 103 x\r\nA: b\r\n\r\n", 0, 0},
        {"HTTP/1.1 200 x\r\nA: b\r\n", 0, 0},
        {"HTTP/1.1 200 x\r\nA:\x80\xff\t\r\n\r\n", 1, 0},
        {"HTTP/1.1 407 x\r", BELAY_EPROXY, 407},
        {"HTTP/1.1 599\n", BELAY_EPROXY, 599},
        {"HTTP/1.1 101 Switching\r\n", BELAY_EPROXY, 101},
        {"HTTP/1.1 301 ", BELAY_EPROXY, 301},
        {"HTTP/1.1 600 x\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1 099 x\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1 2000 x\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1  200 x\r\n", BELAY_EPROTO, 0},
        {"HTTP/2 200\r\n", BELAY_EPROTO, 0},
        {"ICY 200 OK\r\n", BELAY_EPROTO, 0},
        {"\r\nHTTP/1.1 200 OK\r\n", BELAY_EPROTO, 0},
        {"http/1.1 200 OK\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1 200 x\r\n fold\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1 200 x\r\nA b: c\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1 200 x\r\nA\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1 200 x\r\n: b\r\n", BELAY_EPROTO, 0},
        {"HTTP/1.1 200 x\r\n\rX", BELAY_EPROTO, 0},
    };
    (void)state;
    for (size_t i = 0; i < BL_COUNT(answers); i++) {
        const struct answer *a = &answers[i];
        size_t used, n = strlen(a->text);
        int rc = read_all(a->text, n, &used);

        if (rc != a->rc)
            fail_msg("%s: %d", a->text, rc);
        if (rc >= 0)
            assert_int_equal(used, n);
        if (rc == BELAY_EPROXY)
            assert_int_equal(error.status, a->status);
    }
}

static void what_comes_behind_is_not_taken(void **state)
{
    static const char head[] = "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n";
    static const char text[] = "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n\r\nSSH-2.0-x\r\n";
    size_t used;
    (void)state;
    assert_int_equal(read_all(text, sizeof text - 1, &used), 1);
    assert_int_equal(used, sizeof head - 1);
}

static void a_zero_byte_is_no_text(void **state)
{
    size_t used;
    (void)state;
    assert_int_equal(read_all("HTTP/1.1 200 a\0\r\n\r\n", 19, &used), BELAY_EPROTO);
    assert_int_equal(read_all("HTTP/1.1 200 a\r\nA: \0\r\n\r\n", 24, &used), BELAY_EPROTO);
}

static void heads_have_16_kib_at_most(void **state)
{
    static const char start[] = "HTTP/1.1 200 x\r\nA: ";
    char *text = malloc(BL_CONNECT_ANSWER_MAX + 1);
    size_t used;
    (void)state;
    for (size_t n = BL_CONNECT_ANSWER_MAX - 1; n <= BL_CONNECT_ANSWER_MAX + 1; n++) {
        memset(text, 'x', n);
        memcpy(text, start, sizeof start - 1);
        memcpy(text + n - 4, "\r\n\r\n", 4);
        assert_int_equal(read_all(text, n, &used), n <= BL_CONNECT_ANSWER_MAX ? 1 : BELAY_ELIMIT);
    }
    assert_int_equal(error.kind, BELAY_KIND_FATAL);
    free(text);
}

static void nothing_of_the_proxys_own_words_is_shown(void **state)
{
    static const char *const texts[] = {"HTTP/1.1 407 SECRET\r\n", "SECRET",
                                        "HTTP/1.1 200 SE\0CRET"};
    size_t used;
    (void)state;
    for (size_t i = 0; i < BL_COUNT(texts); i++) {
        assert_true(read_all(texts[i], 20, &used) < 0);
        assert_null(strstr(error.text, "SE"));
    }
}

static void only_some_statuses_speak_of_the_target(void **state)
{
    (void)state;
    for (int status = 100; status < 600; status++)
        assert_int_equal(bl_connect_blames_target(status), status == 403 || status == 404 ||
                                                               status == 410 || status == 451 ||
                                                               (status >= 502 && status <= 504));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_name_the_target_twice),
        cmocka_unit_test(what_would_inject_is_refused),
        cmocka_unit_test(memory_may_be_out),
        cmocka_unit_test(answers_are_read_to_their_end),
        cmocka_unit_test(what_comes_behind_is_not_taken),
        cmocka_unit_test(a_zero_byte_is_no_text),
        cmocka_unit_test(heads_have_16_kib_at_most),
        cmocka_unit_test(nothing_of_the_proxys_own_words_is_shown),
        cmocka_unit_test(only_some_statuses_speak_of_the_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
