/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdio.h>

#include "base/assert.h"
#include "belay/loop.h"
#include "support/test.h"

/* What was written last, and how often. */
struct seen {
    int lines, level;
    char tag[32], line[2048];
};

static void note(int level, const char *tag, const char *line, void *arg)
{
    struct seen *seen = arg;

    seen->lines++;
    seen->level = level;
    snprintf(seen->tag, sizeof seen->tag, "%s", tag);
    snprintf(seen->line, sizeof seen->line, "%s", line);
}

static void start(struct bl_log *log, struct seen *seen)
{
    memset(seen, 0, sizeof *seen);
    bl_log_init(log, BELAY_LOG_DEFAULT);
    log->write = note;
    log->arg = seen;
}

static void the_default_level_is_warn(void **state)
{
    struct bl_log log;
    struct seen seen;

    (void)state;
    start(&log, &seen);
    BL_LOG(&log, "pool", BELAY_LOG_INFO, "no");
    assert_int_equal(seen.lines, 0);
    BL_LOG(&log, "pool", BELAY_LOG_WARN, "n=%d", 5);
    assert_int_equal(seen.lines, 1);
    assert_int_equal(seen.level, BELAY_LOG_WARN);
    assert_string_equal(seen.tag, "pool");
    assert_string_equal(seen.line, "n=5");
    BL_LOG(&log, "pool", BELAY_LOG_ERROR, "yes");
    assert_int_equal(seen.lines, 2);
}

static int arguments_made;

static int make_argument(void)
{
    return ++arguments_made;
}

static void an_unwanted_line_costs_no_arguments(void **state)
{
    struct bl_log log;
    struct seen seen;

    (void)state;
    start(&log, &seen);
    arguments_made = 0;
    BL_LOG(&log, "pool", BELAY_LOG_DEBUG, "%d", make_argument());
    assert_int_equal(arguments_made, 0);
}

static void without_a_writer_nothing_is_wanted(void **state)
{
    struct bl_log log;

    (void)state;
    bl_log_init(&log, BELAY_LOG_DEBUG);
    assert_false(bl_log_wants(&log, "pool", BELAY_LOG_ERROR));
    bl_log_line(&log, "pool", BELAY_LOG_ERROR, "nowhere");
}

static void a_tag_has_its_own_level(void **state)
{
    struct bl_log log;
    struct seen seen;

    (void)state;
    start(&log, &seen);
    assert_int_equal(bl_log_set(&log, "pool", BELAY_LOG_DEBUG), 0);
    assert_int_equal(bl_log_set(&log, "tls", BELAY_LOG_OFF), 0);
    assert_true(bl_log_wants(&log, "pool", BELAY_LOG_DEBUG));
    assert_false(bl_log_wants(&log, "dial", BELAY_LOG_DEBUG));
    assert_true(bl_log_wants(&log, "dial", BELAY_LOG_WARN));
    assert_false(bl_log_wants(&log, "tls", BELAY_LOG_ERROR));

    assert_int_equal(bl_log_set(&log, "unheard-of", BELAY_LOG_DEFAULT), 0);
    assert_true(bl_log_wants(&log, "pool", BELAY_LOG_DEBUG));

    /* The default takes the tag's own level away. */
    assert_int_equal(bl_log_set(&log, "pool", BELAY_LOG_DEFAULT), 0);
    assert_false(bl_log_wants(&log, "pool", BELAY_LOG_INFO));
    assert_int_equal(log.loudest, BELAY_LOG_WARN);

    /* All is all. */
    assert_int_equal(bl_log_set(&log, NULL, BELAY_LOG_INFO), 0);
    assert_true(bl_log_wants(&log, "tls", BELAY_LOG_INFO));
}

static void bad_tags_and_levels_are_refused(void **state)
{
    struct bl_log log;
    struct seen seen;

    (void)state;
    start(&log, &seen);
    assert_int_equal(bl_log_set(&log, NULL, BELAY_LOG_DEBUG + 1), BELAY_EINVAL);
    assert_int_equal(bl_log_set(&log, NULL, -1), BELAY_EINVAL);
    assert_int_equal(bl_log_set(&log, "", BELAY_LOG_INFO), BELAY_EINVAL);
    assert_int_equal(bl_log_set(&log, "a tag of four and twenty", BELAY_LOG_INFO), BELAY_EINVAL);
    assert_int_equal(bl_log_set(&log, "two-and-thirty-are-one-too-many..", BELAY_LOG_INFO),
                     BELAY_EINVAL);
    for (int i = 0; i < BL_LOG_TAGS_MAX; i++) {
        char tag[8];

        snprintf(tag, sizeof tag, "t%d", i);
        assert_int_equal(bl_log_set(&log, tag, BELAY_LOG_INFO), 0);
    }
    assert_int_equal(bl_log_set(&log, "more", BELAY_LOG_INFO), BELAY_ELIMIT);
    assert_int_equal(bl_log_set(&log, "t5", BELAY_LOG_DEBUG), 0);
}

static void levels_are_parsed(void **state)
{
    static const struct {
        const char *text;
        int rc, all, pool, tls;
    } cases[] = {
        {"info", 0, BELAY_LOG_INFO, BELAY_LOG_INFO, BELAY_LOG_INFO},
        {"debug,tls=off", 0, BELAY_LOG_DEBUG, BELAY_LOG_DEBUG, BELAY_LOG_OFF},
        {"info,pool=debug", 0, BELAY_LOG_INFO, BELAY_LOG_DEBUG, BELAY_LOG_INFO},
        {"pool=debug,info", 0, BELAY_LOG_INFO, BELAY_LOG_DEBUG, BELAY_LOG_INFO},
        {"pool=debug,tls=error", 0, BELAY_LOG_WARN, BELAY_LOG_DEBUG, BELAY_LOG_ERROR},
        {"default,pool=warn", 0, BELAY_LOG_WARN, BELAY_LOG_WARN, BELAY_LOG_WARN},
        {"", 0, BELAY_LOG_WARN, BELAY_LOG_WARN, BELAY_LOG_WARN},
        {"loud", BELAY_EINVAL, 0, 0, 0},
        {"info,", BELAY_EINVAL, 0, 0, 0},
        {",info", BELAY_EINVAL, 0, 0, 0},
        {"pool=", BELAY_EINVAL, 0, 0, 0},
        {"=debug", BELAY_EINVAL, 0, 0, 0},
        {"debug,pool=loud", BELAY_EINVAL, 0, 0, 0},
        {"pool=debug=info", BELAY_EINVAL, 0, 0, 0},
        {"info, pool=debug", BELAY_EINVAL, 0, 0, 0},
        {"a-tag-of-two-and-thirty-letters.=debug", BELAY_EINVAL, 0, 0, 0},
        {"a-tag-of-a-good-deal-more-than-thirty-two=debug", BELAY_EINVAL, 0, 0, 0},
        {NULL, BELAY_EINVAL, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_log log, before;
        struct seen seen;

        start(&log, &seen);
        before = log;
        assert_int_equal(bl_log_parse(&log, cases[i].text), cases[i].rc);
        if (cases[i].rc < 0) {
            assert_memory_equal(&log, &before, sizeof log);
            continue;
        }
        for (int level = BELAY_LOG_ERROR; level <= BELAY_LOG_DEBUG; level++) {
            assert_int_equal(bl_log_wants(&log, "other", level), level <= cases[i].all);
            assert_int_equal(bl_log_wants(&log, "pool", level), level <= cases[i].pool);
            assert_int_equal(bl_log_wants(&log, "tls", level), level <= cases[i].tls);
        }
    }
}

static void a_line_is_one_line_of_at_most_1023_bytes(void **state)
{
    struct bl_log log;
    struct seen seen;
    char text[3000];

    (void)state;
    start(&log, &seen);
    bl_log_line(&log, "tls", BELAY_LOG_WARN, "%s", "a\r\nb\x1b[2Jc\x7f");
    assert_string_equal(seen.line, "a  b [2Jc ");

    memset(text, 'x', sizeof text);
    bl_log_line(&log, "tls", BELAY_LOG_WARN, "%.*s", 1023, text);
    assert_int_equal(strlen(seen.line), 1023);
    assert_int_equal(seen.line[1022], 'x');
    bl_log_line(&log, "tls", BELAY_LOG_WARN, "%.*s", 1024, text);
    assert_int_equal(strlen(seen.line), 1023);
    assert_string_equal(seen.line + 1019, "x...");

    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 3);
    bl_log_line(&log, "tls", BELAY_LOG_WARN, "a%s", text);
    assert_string_equal(seen.line + strlen(seen.line) - 5, "\xc3\xa9...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_level_is_warn),
        cmocka_unit_test(an_unwanted_line_costs_no_arguments),
        cmocka_unit_test(without_a_writer_nothing_is_wanted),
        cmocka_unit_test(a_tag_has_its_own_level),
        cmocka_unit_test(bad_tags_and_levels_are_refused),
        cmocka_unit_test(levels_are_parsed),
        cmocka_unit_test(a_line_is_one_line_of_at_most_1023_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
