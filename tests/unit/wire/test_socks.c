/* SPDX-License-Identifier: MIT */
#include "wire/socks.h"

#include "base/assert.h"
#include "support/test.h"

static struct belay_error error;

static void expect_output(struct bl_socks *s, const char *bytes, size_t n)
{
    struct bl_span out = bl_socks_output(s);

    assert_int_equal(out.len, n);
    assert_memory_equal(out.data, bytes, n);
    assert_int_equal(bl_socks_wants(s), 0); /* it is our turn */
    bl_socks_sent(s, 1);
    assert_int_equal(bl_socks_output(s).len, n - 1);
    bl_socks_sent(s, n - 1);
    assert_int_equal(bl_socks_output(s).len, 0);
}

/* All of it, in the portions that are asked for, at most `chop` bytes at a time. */
static int feed(struct bl_socks *s, const char *bytes, size_t n, size_t chop)
{
    int rc = 0;

    while (n > 0 && rc == 0) {
        size_t some = bl_socks_wants(s);

        some = some < chop ? some : chop;
        assert_true(some > 0 && some <= n);
        rc = bl_socks_input(s, bytes, some, &error);
        bytes += some;
        n -= some;
    }
    assert_int_equal(n, 0); /* never more than was asked for, never less than all */
    return rc;
}

#define OUT(s, text)      expect_output((s), (text), sizeof(text) - 1)
#define IN(s, text, chop) feed((s), (text), sizeof(text) - 1, (chop))

static void socks5_is_spoken(void **state)
{
    const struct bl_socks_want want = {.version = 5, .host = "a.test", .port = 443};
    (void)state;
    for (size_t chop = 1; chop < 12; chop++) {
        struct bl_socks s;

        assert_int_equal(bl_socks_init(&s, &want, &error), 0);
        OUT(&s, "\x05\x01\x00");
        assert_int_equal(IN(&s, "\x05\x00", chop), 0);
        OUT(&s, "\x05\x01\x00\x03\x06"
                "a.test\x01\xbb");
        assert_int_equal(IN(&s, "\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50", chop), 1);
        assert_int_equal(bl_socks_wants(&s), 0);
        bl_socks_fini(&s);
    }
}

static void each_form_of_address_may_be_answered(void **state)
{
    static const char v6[] = "\x05\x00\x00\x04"
                             "0123456789abcdef\x00\x50";
    static const char name[] = "\x05\x00\x00\x03\x03"
                               "abc\x00\x50";
    static const char none[] = "\x05\x00\x00\x03\x00\x00\x50";
    const struct bl_socks_want want = {.version = 5, .host = "a", .port = 1};
    char longest[5 + 255 + 2] = "\x05\x00\x00\x03\xff";
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct bl_socks s;

        bl_socks_init(&s, &want, &error);
        bl_socks_sent(&s, 3);
        IN(&s, "\x05\x00", 9);
        bl_socks_sent(&s, bl_socks_output(&s).len);
        int rc = i == 0   ? IN(&s, v6, 99)
                 : i == 1 ? IN(&s, name, 99)
                 : i == 2 ? IN(&s, none, 99)
                          : feed(&s, longest, sizeof longest, 999);
        assert_int_equal(rc, 1);
    }
}

static void addresses_are_asked_for_as_numbers(void **state)
{
    struct belay_addr addr;
    struct bl_socks_want want = {.version = 5, .addr = &addr, .port = 0x1234};
    struct bl_socks s;
    (void)state;
    belay_addr_parse_ip("192.0.2.1", 9, 7, &addr);
    bl_socks_init(&s, &want, &error);
    bl_socks_sent(&s, 3);
    IN(&s, "\x05\x00", 9);
    OUT(&s, "\x05\x01\x00\x01\xc0\x00\x02\x01\x12\x34");

    want.version = 4;
    want.user = "me";
    assert_int_equal(bl_socks_init(&s, &want, &error), 0);
    OUT(&s, "\x04\x01\x12\x34\xc0\x00\x02\x01me\0");
    assert_int_equal(IN(&s, "\x00\x5a......", 1), 1);

    belay_addr_parse_ip("2001:db8::1", 11, 7, &addr);
    assert_int_equal(bl_socks_init(&s, &want, &error), BELAY_EINVAL);
    want.version = 5;
    want.user = NULL;
    bl_socks_init(&s, &want, &error);
    bl_socks_sent(&s, 3);
    IN(&s, "\x05\x00", 9);
    OUT(&s, "\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34");
}

static void user_and_password_have_255_bytes_at_most(void **state)
{
    char text[257], host[257];
    struct bl_socks s;
    (void)state;
    memset(text, 'x', sizeof text);
    memset(host, 'h', sizeof host);
    for (size_t n = 254; n <= 256; n++) {
        struct bl_socks_want want = {.version = 5, .host = "a", .port = 1, .user = text};
        int expected = n > 255 ? BELAY_EINVAL : 0;

        text[n] = host[n] = '\0';
        assert_int_equal(bl_socks_init(&s, &want, &error), expected);
        want.password = text;
        want.user = "u";
        assert_int_equal(bl_socks_init(&s, &want, &error), expected);
        want.user = text;
        want.host = host;
        assert_int_equal(bl_socks_init(&s, &want, &error), expected);
        if (n == 255) {
            bl_socks_sent(&s, 4);
            IN(&s, "\x05\x02", 9);
            assert_int_equal(bl_socks_output(&s).len, 3 + 255 + 255);
            bl_socks_sent(&s, 3 + 255 + 255);
            IN(&s, "\x01\x00", 9);
            assert_int_equal(bl_socks_output(&s).len, 7 + 255);
        }
        want.version = 4;
        assert_int_equal(bl_socks_init(&s, &want, &error), expected);
        if (n == 255)
            assert_int_equal(bl_socks_output(&s).len, 8 + 256 + 256);
        if (expected)
            assert_null(strstr(error.text, "xxx"));
        text[n] = host[n] = 'x';
    }
    struct bl_socks_want empty = {.version = 5, .host = "", .port = 1};
    assert_int_equal(bl_socks_init(&s, &empty, &error), BELAY_EINVAL);
    empty.host = "a";
    empty.user = "";
    assert_int_equal(bl_socks_init(&s, &empty, &error), 0);
}

static void credentials_are_sent_only_when_asked_for(void **state)
{
    const struct bl_socks_want want = {
        .version = 5, .host = "a", .port = 1, .user = "u", .password = "p"};
    struct bl_socks s;
    (void)state;
    bl_socks_init(&s, &want, &error);
    OUT(&s, "\x05\x02\x00\x02");
    assert_int_equal(IN(&s, "\x05\x00", 1), 0);
    OUT(&s, "\x05\x01\x00\x03\x01"
            "a\x00\x01");

    bl_socks_init(&s, &want, &error);
    OUT(&s, "\x05\x02\x00\x02");
    assert_int_equal(IN(&s, "\x05\x02", 1), 0);
    OUT(&s, "\x01\x01u\x01p");
    assert_int_equal(IN(&s, "\x01\x00", 1), 0);
    OUT(&s, "\x05\x01\x00\x03\x01"
            "a\x00\x01");
}

static void nothing_of_a_secret_is_left(void **state)
{
    static const struct bl_socks empty;
    const struct bl_socks_want want = {
        .version = 5, .host = "a", .port = 1, .user = "u", .password = "p"};
    struct bl_socks s;
    (void)state;
    bl_socks_init(&s, &want, &error);
    bl_socks_fini(&s);
    assert_memory_equal(&s, &empty, sizeof s);
}

static void only_some_codes_speak_of_the_target(void **state)
{
    (void)state;
    for (int status = 0; status < 256; status++) {
        assert_int_equal(bl_socks_blames_target(5, status),
                         (status >= 1 && status <= 6) || status == 8);
        assert_int_equal(bl_socks_blames_target(4, status), status == 91);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socks5_is_spoken),
        cmocka_unit_test(each_form_of_address_may_be_answered),
        cmocka_unit_test(addresses_are_asked_for_as_numbers),
        cmocka_unit_test(user_and_password_have_255_bytes_at_most),
        cmocka_unit_test(credentials_are_sent_only_when_asked_for),
        cmocka_unit_test(nothing_of_a_secret_is_left),
        cmocka_unit_test(only_some_codes_speak_of_the_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
