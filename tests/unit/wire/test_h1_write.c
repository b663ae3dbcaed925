/* SPDX-License-Identifier: MIT */
/* Heads of requests: byte for byte, and nothing gets into them that does not belong. */
#include "support/test.h"

#include "support/failing_alloc.h"
#include "wire/h1_write.h"

#define HEADER(n, v)                                                                               \
    {                                                                                              \
        (n), (v), sizeof(n) - 1, sizeof(v) - 1                                                     \
    }

static struct bl_mem mem;
static struct bl_buf target, out;
static size_t host_at;

static int setup(void **state)
{
    (void)state;
    bl_mem_init(&mem, NULL);
    return bl_h1_write_target(&target, &mem, bl_span_of("/x?y"), bl_span_of("a.test:8080"),
                              &host_at);
}

static int teardown(void **state)
{
    (void)state;
    bl_buf_free(&target, &mem);
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
    return 0;
}

static struct bl_h1_request plain(const char *method)
{
    return (struct bl_h1_request){
        .method = bl_span_of(method),
        .target = bl_span(bl_buf_head(&target), bl_buf_len(&target)),
        .host_at = host_at,
        .user_agent = bl_span_of("me/1"),
        .body = BL_H1_NO_BODY,
    };
}

static void check(const struct bl_h1_request *r, const char *wanted)
{
    bl_buf_clear(&out);
    assert_int_equal(bl_h1_write_head(&out, &mem, r), 0);
    assert_int_equal(bl_buf_append(&out, &mem, "", 1), 0);
    assert_string_equal(bl_buf_head(&out), wanted);
}

static void a_plain_request_is_four_lines(void **state)
{
    struct bl_h1_request r = plain("GET");

    (void)state;
    check(&r, "GET /x?y HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: me/1\r\nAccept: */*\r\n\r\n");
    r.user_agent = bl_span(NULL, 0);
    check(&r, "GET /x?y HTTP/1.1\r\nHost: a.test:8080\r\nAccept: */*\r\n\r\n");
}

static void bodies_are_framed(void **state)
{
    struct bl_h1_request r = plain("PUT");

    (void)state;
    r.user_agent = bl_span(NULL, 0);
#define START "PUT /x?y HTTP/1.1\r\nHost: a.test:8080\r\nAccept: */*\r\n"
    check(&r, START "Content-Length: 0\r\n\r\n");
    r.body = 0;
    r.expect_continue = true;
    check(&r, START "Content-Length: 0\r\n\r\n");
    r.body = INT64_MAX;
    r.expect_continue = false;
    check(&r, START "Content-Length: 9223372036854775807\r\n\r\n");
    r.body = BL_H1_CHUNKED;
    r.expect_continue = true;
    check(&r, START "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
}

static void a_request_without_a_body_says_nothing_of_one(void **state)
{
    struct bl_h1_request r = plain("DELETE");

    (void)state;
    check(&r,
          "DELETE /x?y HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: me/1\r\nAccept: */*\r\n\r\n");
}

static void the_callers_headers_go_before_belays(void **state)
{
    static const struct belay_header headers[] = {HEADER("user-agent", "you"),
                                                  HEADER("ACCEPT", "a/b"), HEADER("Host", "c.test"),
                                                  HEADER("X", ""), HEADER("authorization", "mine")};
    struct bl_h1_request r = plain("GET");

    (void)state;
    r.authorization = bl_span_of("Basic x");
    r.headers = headers;
    r.headers_n = 5;
    check(&r, "GET /x?y HTTP/1.1\r\nuser-agent: you\r\nACCEPT: a/b\r\nHost: c.test\r\nX: "
              "\r\nauthorization: mine\r\n\r\n");
    r.headers_n = 0;
    check(&r, "GET /x?y HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: me/1\r\nAccept: "
              "*/*\r\nAuthorization: Basic "
              "x\r\n\r\n");
}

static void a_proxys_credentials_stand_beside_the_origins(void **state)
{
    static const struct belay_header headers[] = {HEADER("PROXY-AUTHORIZATION", "mine")};
    struct bl_h1_request r = plain("GET");

    (void)state;
    r.authorization = bl_span_of("Basic x");
    r.proxy_authorization = bl_span_of("Basic y");
    check(&r, "GET /x?y HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: me/1\r\nAccept: */*\r\n"
              "Authorization: Basic x\r\nProxy-Authorization: Basic y\r\n\r\n");
    r.headers = headers;
    r.headers_n = 1;
    check(&r, "GET /x?y HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: me/1\r\nAccept: */*\r\n"
              "Authorization: Basic x\r\nPROXY-AUTHORIZATION: mine\r\n\r\n");
}

static void an_upgrade_is_of_the_connection(void **state)
{
    static const struct belay_header headers[] = {HEADER("Upgrade", "websocket")};
    struct bl_h1_request r = plain("GET");

    (void)state;
    r.headers = headers;
    r.headers_n = 1;
    check(
        &r,
        "GET /x?y HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: me/1\r\nAccept: */*\r\nConnection: "
        "Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

static void nothing_can_be_injected(void **state)
{
    static const struct belay_header bad[] = {
        HEADER("", "x"),
        HEADER("a b", "x"),
        HEADER("a:", "x"),
        HEADER("a\r\nb", "x"),
        HEADER("a\0b", "x"),
        HEADER("\xc3\xa4", "x"),
        HEADER("a", "x\r\ny: z"),
        HEADER("a", "x\n"),
        HEADER("a", "x\0y"),
        HEADER("a", "\x7f"),
        HEADER("Connection", "x"),
        HEADER("content-length", "5"),
        HEADER("EXPECT", "x"),
        HEADER("Keep-Alive", "x"),
        HEADER("Proxy-Connection", "x"),
        HEADER("Transfer-Encoding", "chunked"),
    };
    static const struct belay_header secret = HEADER("Authorization", "topsecret\r\n");
    struct belay_error error;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(bl_h1_check_header(&bad[i], &error), BELAY_EINVAL);
    assert_int_equal(bl_h1_check_header(&secret, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "Authorization"));
    assert_null(strstr(error.text, "topsecret"));
}

static void good_headers_pass(void **state)
{
    static const struct belay_header good[] = {HEADER("X-y!", ""), HEADER("a", "\t \xff"),
                                               HEADER("Host", "x"), HEADER("TE", "trailers")};
    struct belay_error error;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(bl_h1_check_header(&good[i], &error), 0);
}

static void methods_are_tokens(void **state)
{
    struct belay_error error;

    (void)state;
    assert_int_equal(bl_h1_check_method(bl_span_of("PROPFIND"), &error), 0);
    assert_int_equal(bl_h1_check_method(bl_span_of("get"), &error), 0);
    assert_int_equal(bl_h1_check_method(bl_span_of(""), &error), BELAY_EINVAL);
    assert_int_equal(bl_h1_check_method(bl_span_of("GET /"), &error), BELAY_EINVAL);
    assert_int_equal(bl_h1_check_method(bl_span_of("A\r\nB"), &error), BELAY_EINVAL);
    assert_int_equal(bl_h1_check_method(bl_span_of("CONNECT"), &error), BELAY_EINVAL);
    assert_int_equal(bl_h1_check_method(bl_span_of("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &error),
                     BELAY_EINVAL);
}

static void targets_and_hosts_are_checked(void **state)
{
    struct bl_buf b = {0};
    size_t at;

    (void)state;
    assert_int_equal(bl_h1_write_target(&b, &mem, bl_span_of("/a b"), bl_span_of("h"), &at),
                     BELAY_EINVAL);
    assert_int_equal(bl_h1_write_target(&b, &mem, bl_span_of("/a\r\n"), bl_span_of("h"), &at),
                     BELAY_EINVAL);
    assert_int_equal(bl_h1_write_target(&b, &mem, bl_span_of("/"), bl_span_of("h\r\nX: y"), &at),
                     BELAY_EINVAL);
    assert_int_equal(bl_h1_write_target(&b, &mem, bl_span_of(""), bl_span_of("h"), &at),
                     BELAY_EINVAL);
    assert_null(b.data);
}

static void chunk_lines_are_hexadecimal(void **state)
{
    char line[BL_H1_CHUNK_LINE_MAX];

    (void)state;
    assert_int_equal(bl_h1_write_chunk_line(line, 0), 3);
    assert_memory_equal(line, "0\r\n", 3);
    assert_int_equal(bl_h1_write_chunk_line(line, 16384), 6);
    assert_memory_equal(line, "4000\r\n", 6);
    assert_int_equal(bl_h1_write_chunk_line(line, (size_t)-1), 18);
}

static void running_out_of_memory_leaves_the_buffer_as_it_was(void **state)
{
    struct bl_h1_request r = plain("GET");
    struct failing_alloc failing;
    struct bl_mem poor;
    struct bl_buf b = {0};
    size_t at;

    (void)state;
    failing_alloc_init(&failing);
    failing_alloc_from(&failing, 1);
    bl_mem_init(&poor, &failing.allocator);
    assert_int_equal(bl_h1_write_head(&b, &poor, &r), BELAY_ENOMEM);
    assert_int_equal(bl_h1_write_target(&b, &poor, bl_span_of("/"), bl_span_of("h"), &at),
                     BELAY_ENOMEM);
    assert_int_equal(bl_buf_len(&b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_is_four_lines),
        cmocka_unit_test(bodies_are_framed),
        cmocka_unit_test(a_request_without_a_body_says_nothing_of_one),
        cmocka_unit_test(the_callers_headers_go_before_belays),
        cmocka_unit_test(a_proxys_credentials_stand_beside_the_origins),
        cmocka_unit_test(an_upgrade_is_of_the_connection),
        cmocka_unit_test(nothing_can_be_injected),
        cmocka_unit_test(good_headers_pass),
        cmocka_unit_test(methods_are_tokens),
        cmocka_unit_test(targets_and_hosts_are_checked),
        cmocka_unit_test(chunk_lines_are_hexadecimal),
        cmocka_unit_test(running_out_of_memory_leaves_the_buffer_as_it_was),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
