/* SPDX-License-Identifier: MIT */
/* A file of addresses, read again at every question: what its lines are, what is refused, and works
 * that end after whoever asked has gone. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn/endpoint.h"
#include "conn/source_lines.h"
#include "unit/conn/source_kit.h"

static struct conn_world world;
static struct belay_endpoint *like;
static struct belay_source *source;
static char folder[] = "/tmp/belay-source-XXXXXX";
static char path[sizeof folder + 16];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/addresses", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void begin(const char *url)
{
    assert_int_equal(belay_endpoint_parse(world.loop, url, &like, NULL), 0);
    assert_int_equal(belay_source_file(like, path, &source), 0);
}

static int set_up(void **state)
{
    (void)state;
    conn_world_set_up(&world);
    begin("tcp://like.test:1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    belay_source_unref(source);
    belay_endpoint_unref(like);
    source = NULL;
    like = NULL;
    conn_world_tear_down(&world);
    unlink(path);
    return 0;
}

static void write_bytes(const char *bytes, size_t len)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void write_file(const char *text)
{
    write_bytes(text, strlen(text));
}

static void settle(void)
{
    conn_world_settle(&world);
}

/* One question, and what the file as it is now answers. */
static void question(struct source_answer *a)
{
    source_ask(source, a);
    settle();
    assert_int_equal(a->told, 0); /* nothing is read on the loop's thread */
    assert_true(conn_world_work(&world));
    assert_int_equal(a->told, 0);
    settle();
    assert_int_equal(a->told, 1);
}

static void assert_answer(const char *const names[], size_t n)
{
    struct source_answer a;

    question(&a);
    assert_string_equal(a.text, "");
    assert_int_equal(a.n, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(belay_endpoint_name(a.endpoints[i]), names[i]);
    source_drop(&a);
}

/* The answer is that error, and its text has these words. */
static void assert_refused(int code, const char *words)
{
    struct source_answer a;

    question(&a);
    assert_int_equal(a.code, code);
    assert_int_equal(a.stage, BELAY_STAGE_RESOLVE);
    assert_non_null(strstr(a.text, path));
    if (!strstr(a.text, words))
        fail_msg("\"%s\" does not say \"%s\"", a.text, words);
}

/* ---- what it says ---- */

static void each_line_is_an_endpoint(void **state)
{
    static const char *const names[] = {
        "tcp://a.test:1",        "tcp://b.test:7",        "tcp://c.test:9",
        "tcp://[2001:db8::1]:1", "tcp://[2001:db8::2]:1", "tcp://[2001:db8::3]:5",
        "tcp://192.0.2.1:1",     "tcp://192.0.2.2:65535", "tcp://last.test:1",
    };

    (void)state;
    write_file("# services\n"
               "\n"
               "  A.test\t\r\n"
               "b.test:7 # the second\n"
               "   # nothing\n"
               "tcp://c.test:9#the third\n"
               "[2001:db8::1]\n"
               "2001:db8::2\n"
               "[2001:db8::3]:5\n"
               "192.0.2.1\n"
               "\t192.0.2.2:65535\n"
               "last.test");
    assert_answer(names, BL_COUNT(names));
}

static void it_is_read_again_at_every_question(void **state)
{
    static const char *const first[] = {"tcp://a.test:1"};
    static const char *const second[] = {"tcp://b.test:2", "tcp://a.test:1"};

    (void)state;
    write_file("a.test\n");
    assert_answer(first, 1);
    write_file("b.test:2\na.test\n");
    assert_answer(second, 2);
    unlink(path);
    assert_refused(BELAY_EFILE, "no such file");
    write_file("a.test\n");
    assert_answer(first, 1);
}

static void what_like_has_its_copies_have(void **state)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    const char *lines = "a.test\nb.test:8443\nhttps://c.test\n192.0.2.1\n";
    static const char *const names[] = {"https://a.test:1443", "https://b.test:8443",
                                        "https://c.test:443", "https://192.0.2.1:1443"};
    static const char *const hosts[] = {"a.test", "b.test", "c.test", "192.0.2.1"};

    (void)state;
    o.url = "https://like.test:1443";
    o.alpn = "h2,http/1.1";
    o.tag = "blue";
    write_file(lines);
    for (int named = 0; named < 2; named++) {
        struct source_answer a;

        belay_source_unref(source);
        belay_endpoint_unref(like);
        o.server_name = named ? "like.test" : NULL;
        assert_int_equal(belay_endpoint_new(world.loop, &o, &like, NULL), 0);
        assert_int_equal(belay_source_file(like, path, &source), 0);
        question(&a);
        assert_int_equal(a.n, 4);
        for (size_t i = 0; i < a.n; i++) {
            struct bl_dial_plan plan;

            bl_endpoint_plan(a.endpoints[i], &plan);
            assert_string_equal(belay_endpoint_name(a.endpoints[i]), names[i]);
            assert_string_equal(plan.server_name, named ? "like.test" : hosts[i]);
            assert_memory_equal(plan.alpn, "\x02h2\x08http/1.1", plan.alpn_len);
            assert_int_equal(plan.addrs_n, i == 3);
        }
        source_drop(&a);
    }
}

/* ---- what is refused ---- */

static void a_line_that_is_no_address_is_named(void **state)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"a b", "line 3"},
        {"a.test:0", "line 3"},
        {"a.test:65536", "line 3"},
        {"a.test:x", "line 3"},
        {":7", "line 3"},
        {"[::1", "line 3"},
        {"::1::2", "line 3"},
        {"a.test/path", "line 3"},
        {"tcp://a.test", "the port is missing"},
        {"gopher://a.test:1", "line 3"},
        {"http://a.test", "its scheme is http, and not tcp"},
        {"unix:/run/x.sock", "its scheme is unix, and not tcp"},
        {"tcp://joe:secret@a.test:1", "a tcp URL has no user name"},
        {"1.2.3:7", "line 3"},
        {"\x01", "line 3"},
        {"\xef\xbb\xbf"
         "a.test:1",
         "line 3"},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        snprintf(text, sizeof text, "good.test\n\n%s\nbad bad\n", cases[i].line);
        write_file(text);
        assert_refused(BELAY_EINVAL, cases[i].words);
        assert_refused(BELAY_EINVAL, "line 3");
    }
    write_bytes("a.test\0.evil.test\n", 18); /* a NUL ends no line */
    assert_refused(BELAY_EINVAL, "line 1");
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    write_file(text);
    assert_refused(BELAY_EINVAL, "line 1");
}

static void a_url_within_an_origin_is_refused_without_its_secrets(void **state)
{
    static const char *const lines[] = {"http://a.test/path", "http://a.test?q=hunter2",
                                        "http://joe:hunter2@a.test:1", "joe:hunter2@a.test",
                                        "tcp://joe:hunter2@a.test:1/path"};

    (void)state;
    belay_source_unref(source);
    belay_endpoint_unref(like);
    begin("http://like.test");
    for (size_t i = 0; i < BL_COUNT(lines); i++) {
        struct source_answer a;

        write_file(lines[i]);
        question(&a);
        assert_int_equal(a.code, BELAY_EINVAL);
        assert_non_null(strstr(a.text, "line 1"));
        assert_null(strstr(a.text, "hunter2"));
    }
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    assert_refused(BELAY_EFILE, "no such file");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(BELAY_EFILE, "directory");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* not waited for */
    assert_refused(BELAY_EFILE, "no regular file");
    unlink(path);
    write_file("");
    assert_refused(BELAY_EFILE, "has no address");
    write_file("# none\n\n \t\r\n#\n");
    assert_refused(BELAY_EFILE, "has no address");
}

/* A file of n bytes: an address, and a comment for the rest. */
static void write_sized(size_t n)
{
    char *text = malloc(n);

    assert_non_null(text);
    memset(text, '#', n);
    memcpy(text, "a.test\n", 7);
    write_bytes(text, n);
    free(text);
}

static void there_is_a_limit_to_its_size(void **state)
{
    static const char *const names[] = {"tcp://a.test:1"};
    static const size_t fits[] = {7, 4095, 4096, 4097, 8192, BL_SOURCE_FILE_MAX};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(fits); i++) {
        write_sized(fits[i]);
        assert_answer(names, 1);
    }
    write_sized(BL_SOURCE_FILE_MAX + 1);
    assert_refused(BELAY_EFILE, "larger than 1 MiB");
    write_sized(3 * BL_SOURCE_FILE_MAX);
    assert_refused(BELAY_EFILE, "larger than 1 MiB");
}

static size_t many_n;

static void on_many(struct belay_endpoint *const *endpoints, size_t n,
                    const struct belay_error *error, void *arg)
{
    (void)endpoints;
    (void)arg;
    assert_null(error);
    many_n = n;
}

static void there_is_a_limit_to_its_addresses(void **state)
{
    char text[(BL_SOURCE_LINES_MAX + 1) * 4];

    (void)state;
    for (size_t i = 0; i < BL_SOURCE_LINES_MAX + 1; i++)
        memcpy(text + 4 * i, "a:1\n", 4);
    write_bytes(text, sizeof text - 4);
    many_n = 0;
    assert_int_equal(belay_source_get(source, false, NULL, on_many, NULL), 0);
    assert_true(conn_world_work(&world));
    settle();
    assert_int_equal(many_n, BL_SOURCE_LINES_MAX);
    write_bytes(text, sizeof text);
    assert_refused(BELAY_EFILE, "more than 4096");
}

static void impossible_sources_are_refused(void **state)
{
    struct belay_endpoint *unix_like = conn_world_endpoint(&world, "unix:/run/x");
    struct belay_source *none = NULL;

    (void)state;
    assert_int_equal(belay_source_file(unix_like, path, &none), BELAY_EINVAL);
    assert_int_equal(belay_source_file(like, NULL, &none), BELAY_EINVAL);
    assert_int_equal(belay_source_file(like, "", &none), BELAY_EINVAL);
    assert_null(none);
    belay_endpoint_unref(unix_like);
}

/* ---- works and queries end apart ---- */

static void who_cancels_is_never_told(void **state)
{
    (void)state;
    write_file("a.test\n");
    for (int when = 0; when < 3; when++) { /* before it is read, before it is told of, and after */
        struct belay_source_query *query;
        struct source_answer a = {0};

        assert_int_equal(belay_source_get(source, false, &query, source_kit_on_answer, &a), 0);
        if (when >= 1)
            conn_world_work(&world);
        if (when == 2)
            assert_int_equal(belay_loop_turn(world.loop, 0), 0);
        if (!a.told)
            belay_source_cancel(query);
        if (when == 0)
            conn_world_work(&world);
        settle();
        assert_int_equal(a.told, when == 2);
        source_drop(&a);
    }
    assert_int_equal(world.works_n, 0);
}

static void the_source_may_go_while_it_reads(void **state)
{
    struct belay_source_query *query;
    struct source_answer a = {0}, cancelled = {0};

    (void)state;
    write_file("a.test\n");
    assert_int_equal(belay_source_get(source, false, NULL, source_kit_on_answer, &a), 0);
    assert_int_equal(belay_source_get(source, false, &query, source_kit_on_answer, &cancelled), 0);
    belay_source_cancel(query);
    belay_source_unref(source);
    source = NULL;
    while (conn_world_work(&world))
        settle();
    assert_int_equal(a.n, 1);
    assert_int_equal(cancelled.told, 0);
    source_drop(&a);
}

static void the_end_of_the_loop_answers_at_once_and_waits_for_the_work(void **state)
{
    struct source_answer a;

    (void)state;
    write_file("a.test\n");
    source_ask(source, &a);
    belay_loop_close(world.loop, NULL, NULL);
    belay_source_unref(source);
    belay_endpoint_unref(like);
    source = NULL;
    like = NULL;
    for (int i = 0; i < 5; i++)
        belay_loop_turn(world.loop, 0);
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_ECLOSED);
    assert_non_null(world.world.loop);
    assert_true(conn_world_work(&world));
    while (world.world.loop)
        belay_loop_turn(world.loop, 0);
    assert_int_equal(a.told, 1);
}

static void too_many_works_are_an_error(void **state)
{
    struct source_answer waiting[CONN_WORKS_MAX], a;

    (void)state;
    write_file("a.test\n");
    for (int i = 0; i < CONN_WORKS_MAX; i++)
        source_ask(source, &waiting[i]);
    source_ask(source, &a);
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_EFULL);
    assert_non_null(strstr(a.text, "offload_queue_max"));
    while (conn_world_work(&world))
        settle();
    for (int i = 0; i < CONN_WORKS_MAX; i++) {
        assert_int_equal(waiting[i].n, 1);
        source_drop(&waiting[i]);
    }
}

/* ---- threads ---- */

static void on_thread_answer(struct belay_endpoint *const *endpoints, size_t n,
                             const struct belay_error *error, void *arg)
{
    (void)endpoints;
    assert_null(error);
    assert_int_equal(n, 2);
    ++*(unsigned *)arg;
}

static void threads_read_while_the_loop_turns(void **state)
{
    enum { QUESTIONS = 40 };
    struct belay_source_query *query;
    struct belay_loop *loop;
    struct belay_endpoint *here;
    struct belay_source *s;
    unsigned told = 0;

    (void)state;
    write_file("a.test:1\nb.test:2\n");
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    assert_int_equal(belay_endpoint_parse(loop, "tcp://like.test:1", &here, NULL), 0);
    assert_int_equal(belay_source_file(here, path, &s), 0);
    belay_endpoint_unref(here);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        assert_int_equal(belay_source_get(s, false, &query, on_thread_answer, &told), 0);
        if (i % 4 == 0) /* whatever its thread is doing */
            belay_source_cancel(query);
    }
    belay_source_unref(s);
    assert_int_equal(belay_loop_run(loop), 0);
    assert_int_equal(told, QUESTIONS * 3 / 4);
    belay_loop_free(loop);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state)
{
    size_t n;

    (void)state;
    write_file("a.test\nb.test:2\n[2001:db8::1]:3\n");
    for (n = 1; n < 300; n++) {
        struct belay_source *s = NULL;
        struct source_answer a = {0};
        size_t refused = failing_alloc_failures(&world.alloc);
        int rc;

        failing_alloc_once(&world.alloc, n);
        rc = belay_source_file(like, path, &s);
        if (rc == 0)
            rc = belay_source_get(s, false, NULL, source_kit_on_answer, &a);
        if (rc == 0) {
            conn_world_work(&world);
            settle();
            assert_int_equal(a.told, 1);
            assert_true(a.n == 3 || a.code == BELAY_ENOMEM);
        } else {
            assert_int_equal(rc, BELAY_ENOMEM);
        }
        refused = failing_alloc_failures(&world.alloc) - refused;
        failing_alloc_once(&world.alloc, 0);
        assert_true(refused > 0 || a.n == 3);
        source_drop(&a);
        belay_source_unref(s);
        if (refused == 0)
            break;
    }
    assert_true(n > 10 && n < 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_line_is_an_endpoint),
        TEST(it_is_read_again_at_every_question),
        TEST(what_like_has_its_copies_have),
        TEST(a_line_that_is_no_address_is_named),
        TEST(a_url_within_an_origin_is_refused_without_its_secrets),
        TEST(a_file_that_cannot_be_read_says_why),
        TEST(there_is_a_limit_to_its_size),
        TEST(there_is_a_limit_to_its_addresses),
        TEST(impossible_sources_are_refused),
        TEST(who_cancels_is_never_told),
        TEST(the_source_may_go_while_it_reads),
        TEST(the_end_of_the_loop_answers_at_once_and_waits_for_the_work),
        TEST(too_many_works_are_an_error),
        TEST(threads_read_while_the_loop_turns),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_source_file", tests, make_folder, remove_folder);
}
