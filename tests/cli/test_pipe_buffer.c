/* SPDX-License-Identifier: MIT */
/* What `belay pipe` holds: nothing is lost that was not sent, nothing moves, lines stay whole. */
#include "support/test.h"

#include "pipe_buffer.h"

#include <stdlib.h>
#include <string.h>

static struct pipe_buffer b;

static int tear_down(void **state)
{
    (void)state;
    pipe_buffer_free(&b);
    return 0;
}

static void add(const char *text)
{
    assert_true(strlen(text) <= pipe_buffer_space(&b));
    pipe_buffer_add(&b, text, strlen(text));
}

/* Writes the next piece, which must be this. */
static void write_out(const char *text)
{
    const char *data;
    size_t n = pipe_buffer_next(&b, 1000, &data);

    assert_int_equal(n, strlen(text));
    assert_memory_equal(data, text, n);
    pipe_buffer_wrote(&b, n);
}

static void what_was_written_and_not_sent_is_written_again(void **state)
{
    (void)state;
    pipe_buffer_init(&b, 16, false, false);
    add("0123456789");
    write_out("0123456789");
    write_out("");
    pipe_buffer_sent(&b, 4);
    assert_int_equal(pipe_buffer_lost(&b), 0);
    assert_int_equal(pipe_buffer_unsent(&b), 6);
    write_out("456789");
    pipe_buffer_sent(&b, 6);
    assert_false(pipe_buffer_is_done(&b));
    pipe_buffer_end(&b);
    assert_true(pipe_buffer_is_done(&b));
}

static void it_takes_no_more_than_its_size_until_some_was_sent(void **state)
{
    (void)state;
    pipe_buffer_init(&b, 4, false, false);
    add("abcd");
    assert_int_equal(pipe_buffer_space(&b), 0);
    write_out("abcd");
    assert_int_equal(pipe_buffer_space(&b), 0); /* it may have to be written again */
    pipe_buffer_sent(&b, 3);
    add("efg");
    assert_int_equal(pipe_buffer_space(&b), 0);
    write_out("efg");
    assert_int_equal(pipe_buffer_lost(&b), 0);
    write_out("d"); /* up to the end of the ring, and around it */
    write_out("efg");
}

static void only_whole_lines_are_given_out(void **state)
{
    (void)state;
    pipe_buffer_init(&b, 16, true, false);
    add("one\ntwo\nth");
    write_out("one\ntwo\n");
    pipe_buffer_sent(&b, 8);
    add("ree");
    write_out("");
    add("\n");
    write_out("three\n");
    pipe_buffer_sent(&b, 6);
    add("four");
    write_out("");
    pipe_buffer_end(&b);
    write_out("fo"); /* up to the end of the ring, and around it */
    write_out("ur");
}

static void a_line_that_was_cut_is_given_out_whole_again(void **state)
{
    (void)state;
    pipe_buffer_init(&b, 32, true, false);
    add("one\ntwo\nthree\n");
    write_out("one\ntwo\nthree\n");
    pipe_buffer_sent(&b, 6);
    assert_int_equal(pipe_buffer_lost(&b), 2); /* "tw" */
    write_out("two\nthree\n");
    pipe_buffer_sent(&b, 4);
    assert_int_equal(pipe_buffer_lost(&b), 0);
    write_out("three\n");
    pipe_buffer_sent(&b, 6);
    assert_int_equal(pipe_buffer_lost(&b), 0);
    write_out("");
    assert_int_equal(pipe_buffer_space(&b), 32);
}

static void a_last_line_without_an_end_is_cut_like_others(void **state)
{
    (void)state;
    pipe_buffer_init(&b, 32, true, false);
    add("one\ntwo");
    pipe_buffer_end(&b);
    write_out("one\ntwo");
    pipe_buffer_sent(&b, 5);
    assert_int_equal(pipe_buffer_lost(&b), 1);
    write_out("two");
    pipe_buffer_sent(&b, 3);
    assert_true(pipe_buffer_is_done(&b));
    assert_int_equal(pipe_buffer_lost(&b), 0); /* all of it was sent */
    assert_true(pipe_buffer_is_done(&b));
}

static void a_line_longer_than_the_buffer_is_noticed(void **state)
{
    (void)state;
    pipe_buffer_init(&b, 8, true, false);
    add("a\n123456");
    assert_false(pipe_buffer_is_stuck(&b)); /* there will be room for two more */
    write_out("a\n");
    pipe_buffer_sent(&b, 2);
    assert_false(pipe_buffer_is_stuck(&b));
    add("78");
    assert_true(pipe_buffer_is_stuck(&b));
    pipe_buffer_end(&b);
    assert_false(pipe_buffer_is_stuck(&b));
}

static void line_ends_become_those_of_the_network(void **state)
{
    (void)state;
    pipe_buffer_init(&b, 64, false, true);
    assert_int_equal(pipe_buffer_space(&b), 32);
    add("\na\n\nb\r\nc\r");
    write_out("\r\na\r\n\r\nb\r\nc\r");
    add("\n\r");
    write_out("\n\r");
    add("d\n");
    write_out("d\r\n");
}

/* ---- anything, in any order ---- */

static unsigned seed;

static size_t below(size_t n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

/* The input is a counter; whatever arrives on a connection must go on where the kernel was. */
static void run_any_order(bool lines)
{
    char input[4096], got[4096], chunk[64];
    size_t read = 0, got_n = 0, in_flight = 0;

    for (size_t i = 0; i < sizeof input; i++)
        input[i] = below(8) == 0 || i % 16 == 0 ? '\n' : (char)('a' + below(26));
    pipe_buffer_init(&b, 32 + below(64), lines, false);
    while (!pipe_buffer_is_done(&b)) {
        const char *data;
        size_t n;

        switch (below(4)) {
        case 0:
            n = pipe_buffer_space(&b) < sizeof chunk ? pipe_buffer_space(&b) : sizeof chunk;
            if (n > sizeof input - read)
                n = sizeof input - read;
            pipe_buffer_add(&b, input + read, n);
            read += n;
            if (read == sizeof input)
                pipe_buffer_end(&b);
            break;
        case 1:
            n = pipe_buffer_next(&b, 1 + below(40), &data);
            memcpy(got + got_n + in_flight, data, n); /* on its way, from memory that stays */
            pipe_buffer_wrote(&b, n);
            in_flight += n;
            break;
        case 2:
            n = below(in_flight + 1);
            pipe_buffer_sent(&b, n);
            in_flight -= n;
            got_n += n;
            break;
        default:
            if (below(8))
                break;
            n = pipe_buffer_lost(&b);
            in_flight = 0;
            got_n -= n; /* the receiver throws away the line that was cut */
            if (lines)
                assert_true(got_n == 0 || got[got_n - 1] == '\n');
        }
        assert_true(pipe_buffer_unsent(&b) <= b.size);
    }
    assert_int_equal(got_n, sizeof input);
    assert_memory_equal(got, input, sizeof input);
    pipe_buffer_free(&b);
}

static void nothing_is_lost_in_any_order_of_events(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        seed = i;
        run_any_order(false);
    }
}

static void lines_stay_whole_in_any_order_of_events(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        seed = i;
        run_any_order(true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_written_and_not_sent_is_written_again, tear_down),
        cmocka_unit_test_teardown(it_takes_no_more_than_its_size_until_some_was_sent, tear_down),
        cmocka_unit_test_teardown(only_whole_lines_are_given_out, tear_down),
        cmocka_unit_test_teardown(a_line_that_was_cut_is_given_out_whole_again, tear_down),
        cmocka_unit_test_teardown(a_last_line_without_an_end_is_cut_like_others, tear_down),
        cmocka_unit_test_teardown(a_line_longer_than_the_buffer_is_noticed, tear_down),
        cmocka_unit_test_teardown(line_ends_become_those_of_the_network, tear_down),
        cmocka_unit_test_teardown(nothing_is_lost_in_any_order_of_events, tear_down),
        cmocka_unit_test_teardown(lines_stay_whole_in_any_order_of_events, tear_down),
    };
    return cmocka_run_group_tests_name("cli_pipe_buffer", tests, NULL, NULL);
}
