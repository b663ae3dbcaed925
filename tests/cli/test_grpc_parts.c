/* SPDX-License-Identifier: MIT */
/* Text into messages, base64, protobuf's encoding, and what the words of `belay grpc` mean. */
#include "support/test.h"

#include "base64.h"
#include "grpc_health.h"
#include "grpc_options.h"
#include "grpc_proto_text.h"
#include "grpc_split.h"
#include "grpc_wire.h"

#include <stdlib.h>
#include <string.h>

/* ---- text into messages ---- */

static struct grpc_split split;
static struct bytes message;

static int tear_down(void **state)
{
    (void)state;
    grpc_split_free(&split);
    memset(&split, 0, sizeof split);
    bytes_free(&message);
    return 0;
}

static void give(const char *text)
{
    grpc_split_add(&split, text, strlen(text));
}

static void assert_message(const char *text)
{
    struct complaint why;

    assert_int_equal(grpc_split_next(&split, &message, &why), GRPC_SPLIT_MESSAGE);
    assert_int_equal(message.len, strlen(text));
    assert_memory_equal(message.data, text, message.len);
}

static void assert_verdict(enum grpc_split_verdict verdict)
{
    struct complaint why;

    assert_int_equal(grpc_split_next(&split, &message, &why), verdict);
}

static void assert_bad(const char *words)
{
    struct complaint why = {.text = ""};

    assert_int_equal(grpc_split_next(&split, &message, &why), GRPC_SPLIT_BAD);
    assert_non_null(strstr(why.text, words));
}

static void values_of_json_stand_behind_each_other(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_JSON);
    give(" {\"a\": \"}\\\"{\"}{}\n[1, [2]] \"x\\\\\" 17 null{\"b\":\n{}}");
    assert_message("{\"a\": \"}\\\"{\"}");
    assert_message("{}");
    assert_message("[1, [2]]");
    assert_message("\"x\\\\\"");
    assert_message("17");
    assert_message("null");
    assert_int_equal(split.line, 2);
    assert_message("{\"b\":\n{}}");
    assert_verdict(GRPC_SPLIT_MORE);
    grpc_split_end(&split);
    assert_verdict(GRPC_SPLIT_DONE);
}

static void json_may_come_byte_by_byte(void **state)
{
    static const char text[] = "{\"a\": \"{\\\"\"} [1] 5 ";
    static const char *const messages[] = {"{\"a\": \"{\\\"\"}", "[1]", "5"};
    size_t found = 0;
    struct complaint why;

    (void)state;
    grpc_split_begin(&split, GRPC_JSON);
    for (const char *c = text; *c; c++) {
        grpc_split_add(&split, c, 1);
        if (grpc_split_next(&split, &message, &why) == GRPC_SPLIT_MESSAGE)
            assert_string_equal(message.data, messages[found++]);
    }
    assert_int_equal(found, 3);
}

static void a_number_at_the_end_is_whole_when_nothing_more_comes(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_JSON);
    give("12");
    assert_verdict(GRPC_SPLIT_MORE);
    give("3");
    grpc_split_end(&split);
    assert_message("123");
    assert_verdict(GRPC_SPLIT_DONE);
}

static void json_without_an_end_is_refused_with_its_line(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_JSON);
    give("{}\n\n{\"a\": ");
    assert_message("{}");
    assert_verdict(GRPC_SPLIT_MORE);
    grpc_split_end(&split);
    assert_bad("line 3");
}

static void what_begins_no_message_is_refused(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_JSON);
    give("{}, {}");
    assert_message("{}");
    assert_bad("there is a ,");
}

static void what_has_been_looked_at_is_not_looked_at_again(void **state)
{
    static const struct {
        enum grpc_format format;
        const char *text;
    } starts[] = {{GRPC_JSON, "{\"a\""}, {GRPC_JSON, "123"}, {GRPC_HEX, "4a4b"}};

    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        grpc_split_begin(&split, starts[i].format);
        give(starts[i].text);
        assert_verdict(GRPC_SPLIT_MORE);
        assert_int_equal(split.scan, split.text.len);
        assert_verdict(GRPC_SPLIT_MORE);
        grpc_split_free(&split);
    }
}

static void a_nul_is_for_whoever_reads_the_message(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_JSON);
    grpc_split_add(&split, "\0{}", 3);
    assert_verdict(GRPC_SPLIT_MESSAGE);
    assert_int_equal(message.len, 1);
    assert_message("{}");
}

static void lines_of_hex_are_messages(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_HEX);
    give("0a 05\r\n\n4A4b\n7");
    assert_message("\n\5");
    assert_message("JK");
    assert_verdict(GRPC_SPLIT_MORE);
    give("8");
    grpc_split_end(&split);
    assert_message("x");
    assert_verdict(GRPC_SPLIT_DONE);
}

static void half_a_byte_is_no_hex(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_HEX);
    give("0a\n0\n");
    assert_message("\n");
    assert_bad("line 2");
}

static void lines_of_base64_are_messages(void **state)
{
    (void)state;
    grpc_split_begin(&split, GRPC_BASE64);
    give("YWJj\nYQ\n??\n");
    assert_message("abc");
    assert_message("a");
    assert_bad("base64");
}

/* ---- base64 ---- */

static bool reads(const char *text, const char *meant)
{
    struct bytes out = {0};
    bool good;

    bytes_add(&out, "", 0);
    good = base64_read(text, strlen(text), &out);
    if (good)
        assert_string_equal(out.data, meant);
    bytes_free(&out);
    return good;
}

static void base64_is_read_with_padding_and_without(void **state)
{
    (void)state;
    assert_true(reads("", ""));
    assert_true(reads("YQ==", "a"));
    assert_true(reads("YQ", "a"));
    assert_true(reads("YWI=", "ab"));
    assert_true(reads("YW Jj\nZA", "abcd"));
    assert_true(reads("_-8", "\xff\xef"));
    assert_true(reads("/+8=", "\xff\xef"));
}

static void bad_base64_is_refused(void **state)
{
    static const char *const bad[] = {"Y", "YWJjZ", "Y=Q=", "YQ=", "YWJj=", "YQ===", "Y!"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(reads(bad[i], ""));
}

/* ---- protobuf ---- */

static void fields_are_read_and_written(void **state)
{
    struct grpc_wire wire;
    struct grpc_field field;
    char long_text[300];

    (void)state;
    memset(long_text, 'x', sizeof long_text);
    grpc_wire_add(&message, 7, "ab", 2);
    grpc_wire_add(&message, 1000, long_text, sizeof long_text);
    bytes_add(&message, "\x08\xac\x02\x15\1\0\0\0\x19\2\0\0\0\0\0\0\0", 17);
    grpc_wire_begin(&wire, message.data, message.len);
    assert_true(grpc_wire_next(&wire, &field));
    assert_int_equal(field.number, 7);
    assert_int_equal(field.len, 2);
    assert_true(grpc_wire_next(&wire, &field));
    assert_int_equal(field.number, 1000);
    assert_int_equal(field.len, sizeof long_text);
    assert_true(grpc_wire_next(&wire, &field));
    assert_null(field.data);
    assert_int_equal(field.value, 300);
    assert_true(grpc_wire_next(&wire, &field));
    assert_int_equal(field.value, 1);
    assert_true(grpc_wire_next(&wire, &field));
    assert_int_equal(field.number, 3);
    assert_int_equal(field.value, 2);
    assert_false(grpc_wire_next(&wire, &field));
    assert_false(wire.bad);
}

static void what_is_no_message_is_told(void **state)
{
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {{"\x0a", 1},
               {"\x0a\5ab", 4},
               {"\x08", 1},
               {"\x09\1\2", 3},
               {"\x0b", 1},
               {"\0\1", 2},
               {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 12}};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct grpc_wire wire;
        struct grpc_field field;

        grpc_wire_begin(&wire, bad[i].data, bad[i].len);
        while (grpc_wire_next(&wire, &field))
            ;
        assert_true(wire.bad);
    }
}

static void health_is_read_from_its_answer(void **state)
{
    (void)state;
    assert_int_equal(grpc_health_read("\x08\1", 2), GRPC_SERVING);
    assert_int_equal(grpc_health_read("", 0), 0);
    assert_string_equal(grpc_health_name(grpc_health_read("\x08\x63", 2)), "UNKNOWN");
    assert_int_equal(grpc_health_read("\x08", 1), -1);
    grpc_health_request(&message, "a");
    assert_int_equal(message.len, 3);
    assert_memory_equal(message.data, "\x0a\1a", 3);
}

/* ---- words ---- */

static struct grpc_options options;
static struct complaint why;

static int free_options(void **state)
{
    (void)state;
    grpc_options_free(&options);
    return 0;
}

#define READ(...) read_words((char *[]){__VA_ARGS__, NULL})

static enum options_verdict read_words(char **words)
{
    int n = 0;

    while (words[n])
        n++;
    grpc_options_free(&options);
    return grpc_options_read(&options, n, words, &why);
}

static void the_words_say_what_is_to_be_done(void **state)
{
    (void)state;
    assert_int_equal(READ("a:1", "b.C/D"), OPTIONS_GOOD);
    assert_int_equal(options.verb, GRPC_CALL);
    assert_string_equal(options.service, "b.C");
    assert_string_equal(options.method, "D");
    assert_int_equal(READ("a:1", "b.C.D"), OPTIONS_GOOD);
    assert_string_equal(options.service, "b.C");
    assert_int_equal(READ("a:1", "list"), OPTIONS_GOOD);
    assert_int_equal(options.verb, GRPC_LIST);
    assert_null(options.symbol);
    assert_int_equal(READ("a:1", "describe", "b.C"), OPTIONS_GOOD);
    assert_string_equal(options.symbol, "b.C");
    assert_int_equal(READ("list", "--protoset", "x"), OPTIONS_GOOD);
    assert_null(options.target);
    assert_int_equal(READ("health", "health"), OPTIONS_BAD);
    assert_int_equal(READ("list"), OPTIONS_BAD);
    assert_int_equal(READ("a:1", "b.C/"), OPTIONS_BAD);
    assert_int_equal(READ("a:1", "/D"), OPTIONS_BAD);
}

static void long_options_may_have_one_dash(void **state)
{
    (void)state;
    assert_int_equal(READ("-plaintext", "-max-msg-size=8k", "-d", "-plaintext", "a:1", "b.C/D"),
                     OPTIONS_GOOD);
    assert_true(options.plain);
    assert_int_equal(options.max_message, 8192);
}

static void metadata_is_lower_case_and_bytes_are_base64(void **state)
{
    (void)state;
    assert_int_equal(READ("-H", "X-A: b c", "-H", "k-Bin: AAE=", "a:1", "list"), OPTIONS_GOOD);
    assert_int_equal(options.metadata.n, 2);
    assert_string_equal(options.metadata.items[0].name, "x-a");
    assert_string_equal(options.metadata.items[0].value, "b c");
    assert_string_equal(options.metadata.items[1].name, "k-bin");
    assert_int_equal(options.metadata.items[1].value_len, 2);
    assert_int_equal(READ("-H", "k-bin: ?", "a:1", "list"), OPTIONS_BAD);
}

static void the_text_of_schemas_is_simplified(void **state)
{
    static const struct {
        const char *text, *simple;
    } rows[] = {
        {"rpc A(.a.B) returns (stream .c.D);", "rpc A(a.B) returns (stream c.D);"},
        {"map<string, .a.B> x = 1;", "map<string, a.B> x = 1;"},
        {"1.5 ... . .", "1.5 ... . ."},
        {" int32 sku = 12 [json_name = \"sku\"];", " int32 sku = 12;"},
        {" int32 a_b = 1 [json_name = \"aB\"];", " int32 a_b = 1 [json_name = \"aB\"];"},
        {" int32 xsku = 1 [json_name = \"sku\"];", " int32 xsku = 1 [json_name = \"sku\"];"},
        {"a [json_name = \"a\"]", "a [json_name = \"a\"]"},
        {" = 1 [json_name = \"sku\"", " = 1 [json_name = \"sku\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[100];

        strcpy(text, rows[i].text);
        grpc_proto_text_simplify(text);
        assert_string_equal(text, rows[i].simple);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(values_of_json_stand_behind_each_other, tear_down),
        cmocka_unit_test_teardown(json_may_come_byte_by_byte, tear_down),
        cmocka_unit_test_teardown(a_number_at_the_end_is_whole_when_nothing_more_comes, tear_down),
        cmocka_unit_test_teardown(json_without_an_end_is_refused_with_its_line, tear_down),
        cmocka_unit_test_teardown(what_begins_no_message_is_refused, tear_down),
        cmocka_unit_test_teardown(what_has_been_looked_at_is_not_looked_at_again, tear_down),
        cmocka_unit_test_teardown(a_nul_is_for_whoever_reads_the_message, tear_down),
        cmocka_unit_test_teardown(lines_of_hex_are_messages, tear_down),
        cmocka_unit_test_teardown(half_a_byte_is_no_hex, tear_down),
        cmocka_unit_test_teardown(lines_of_base64_are_messages, tear_down),
        cmocka_unit_test(base64_is_read_with_padding_and_without),
        cmocka_unit_test(bad_base64_is_refused),
        cmocka_unit_test_teardown(fields_are_read_and_written, tear_down),
        cmocka_unit_test(what_is_no_message_is_told),
        cmocka_unit_test(the_text_of_schemas_is_simplified),
        cmocka_unit_test_teardown(health_is_read_from_its_answer, tear_down),
        cmocka_unit_test_teardown(the_words_say_what_is_to_be_done, free_options),
        cmocka_unit_test_teardown(long_options_may_have_one_dash, free_options),
        cmocka_unit_test_teardown(metadata_is_lower_case_and_bytes_are_base64, free_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
