/* SPDX-License-Identifier: MIT */
/* Histogram, schedule, progress and names of files: the pure parts that count. */
#include "support/test.h"

#include "base64.h"
#include "file_name.h"
#include "histogram.h"
#include "progress.h"
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

/* ---- histogram ---- */

static void percentiles_are_right_to_one_percent(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);
    static const double percents[] = {1, 10, 50, 90, 99, 99.9, 100};

    (void)state;
    assert_non_null(h);
    for (uint64_t i = 1; i <= 100000; i++)
        histogram_add(h, i * 17);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        double exact = percents[i] * 1000 * 17, said = (double)histogram_percentile(h, percents[i]);

        assert_true(said >= exact && said <= exact * 1.01);
    }
    assert_true(histogram_percentile(h, 100) == h->max);
    assert_true(histogram_mean(h) > 850000 && histogram_mean(h) < 850017);
    free(h);
}

static void small_values_are_exact(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    assert_int_equal(histogram_percentile(h, 50), 0);
    histogram_add(h, 0);
    assert_int_equal(histogram_percentile(h, 99), 0);
    histogram_add(h, 127);
    histogram_add(h, 5);
    assert_int_equal(histogram_percentile(h, 50), 5);
    assert_int_equal(histogram_percentile(h, 67), 127);
    free(h);
}

static void no_value_is_out_of_range(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    for (unsigned bit = 0; bit < 64; bit++) {
        histogram_add(h, UINT64_C(1) << bit);
        histogram_add(h, (UINT64_C(1) << bit) - 1);
    }
    histogram_add(h, UINT64_MAX);
    assert_int_equal(h->count, 129);
    assert_true(histogram_percentile(h, 100) == h->max);
    free(h);
}

/* ---- schedule ---- */

static struct schedule plan(int64_t requests, int64_t in_flight)
{
    return (struct schedule){
        .requests = requests, .for_ms = -1, .in_flight_max = in_flight, .begin_ms = 1000};
}

static void so_many_in_flight_and_so_many_in_all(void **state)
{
    struct schedule s = plan(3, 2);
    int64_t at;

    (void)state;
    assert_int_equal(schedule_next(&s, 1000, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1000, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1000, &at), SCHEDULE_FULL);
    schedule_done(&s);
    assert_int_equal(schedule_next(&s, 1001, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1001, &at), SCHEDULE_ENDED);
    assert_int_equal(s.in_flight, 2);
}

static void a_rate_is_kept_and_lateness_known(void **state)
{
    struct schedule s = plan(-1, 100);
    int64_t at;

    (void)state;
    s.rate = 10;
    assert_int_equal(schedule_next(&s, 1000, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1000, &at), SCHEDULE_WAIT);
    assert_int_equal(at, 1100);
    assert_int_equal(schedule_next(&s, 1350, &at), SCHEDULE_START);
    assert_int_equal(at, 1100);
    assert_int_equal(schedule_next(&s, 1350, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1350, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1350, &at), SCHEDULE_WAIT);
    assert_int_equal(at, 1400);
}

static void the_warm_up_does_not_count(void **state)
{
    struct schedule s = plan(2, 10);
    int64_t at;

    (void)state;
    s.warm_up_ms = 100;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(schedule_next(&s, 1099, &at), SCHEDULE_START);
        assert_false(schedule_counts(&s, 1099));
    }
    assert_true(schedule_counts(&s, 1100));
    assert_int_equal(schedule_next(&s, 1100, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1100, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1100, &at), SCHEDULE_ENDED);
}

static void the_end_comes_in_time_however_slow_the_rate(void **state)
{
    struct schedule s = plan(-1, 10);
    int64_t at;

    (void)state;
    s.for_ms = 500;
    s.rate = 0.1;
    assert_int_equal(schedule_next(&s, 1000, &at), SCHEDULE_START);
    assert_int_equal(schedule_next(&s, 1000, &at), SCHEDULE_WAIT);
    assert_int_equal(at, 1500);
    assert_int_equal(schedule_next(&s, 1500, &at), SCHEDULE_ENDED);
    assert_int_equal(schedule_next(&s, 1400, &at), SCHEDULE_ENDED);
}

/* ---- progress ---- */

static void progress_fits_its_terminal(void **state)
{
    struct progress_facts f = {.done = 45300,
                               .failed = 1234567,
                               .all = 100000000,
                               .share = 0.453,
                               .rate = 61234,
                               .connections = 10,
                               .dialing = 3,
                               .left_us = 90000000};
    char line[PROGRESS_LINE_MAX];

    (void)state;
    for (size_t width = 0; width < 200; width++)
        assert_true(strlen(progress_line(&f, width, line)) < (width ? width : 1));
    assert_non_null(strstr(progress_line(&f, 200, line), "1,234,567 failed"));
    assert_non_null(strstr(line, "61,234/s"));
    assert_non_null(strstr(line, "10 connections"));
    assert_non_null(strstr(line, "1 min 30 s left"));
    assert_non_null(strstr(line, "[========>           ]"));
    f.colours = true;
    assert_non_null(strstr(progress_line(&f, 200, line), "\033[31m1,234,567 failed\033[0m"));
}

static void progress_bar_reaches_its_end(void **state)
{
    struct progress_facts f = {.done = 3, .all = 3, .share = 1, .left_us = UINT64_MAX};
    char line[PROGRESS_LINE_MAX];

    (void)state;
    assert_non_null(strstr(progress_line(&f, 100, line), "[====================]  3/3  100%"));
    f.share = -1;
    f.all = -1;
    assert_null(strchr(progress_line(&f, 100, line), '['));
    assert_non_null(strstr(line, "3 done"));
}

/* ---- names ---- */

static void file_names_are_safe(void **state)
{
    static const struct {
        const char *url, *name;
    } rows[] = {
        {"http://a/x.html", "x.html"},
        {"http://a/dir/y.tar.gz?v=1#f", "y.tar.gz"},
        {"http://a", "index.html"},
        {"http://a/", "index.html"},
        {"http://a/dir/", "index.html"},
        {"http://a?x=/y", "index.html"},
        {"http://a/..", "_."},
        {"http://a/%2e%2e", "_."},
        {"http://a/.bashrc", "_bashrc"},
        {"http://a/-rf", "_rf"},
        {"http://a/a%2fb", "a_b"},
        {"http://a/..%2f..%2fetc%2fpasswd", "_._.._etc_passwd"},
        {"http://a/a%5cb", "a_b"},
        {"http://a/a%00b", "a_b"},
        {"http://a/a%0ab", "a_b"},
        {"http://a/%1b[31m", "_[31m"},
        {"http://a/gr%c3%bc%c3%9f", "gr\xc3\xbc\xc3\x9f"},
        {"http://a/%ff%fe", "__"},
        {"http://a/100%", "100%"},
        {"http://a/with%20blank", "with blank"},
    };
    char name[FILE_NAME_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        file_name_of_url(rows[i].url, name);
        assert_string_equal(name, rows[i].name);
    }
}

static void long_names_are_cut_and_numbers_go_behind(void **state)
{
    char url[2000] = "http://a/", name[FILE_NAME_MAX], numbered[FILE_NAME_MAX + 16];

    (void)state;
    memset(url + 9, 'x', sizeof url - 10);
    file_name_of_url(url, name);
    assert_int_equal(strlen(name), FILE_NAME_MAX - 1);
    file_name_numbered("a.html", 0, numbered, sizeof numbered);
    assert_string_equal(numbered, "a.html");
    file_name_numbered("a.html", 3, numbered, sizeof numbered);
    assert_string_equal(numbered, "a.html.3");
}

/* RFC 4648 section 10. */
static void base64_is_that_of_the_rfc(void **state)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {"\xff\xfe\xfd", "//79"}};
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        base64_write(rows[i][0], strlen(rows[i][0]), out);
        assert_string_equal(out, rows[i][1]);
        assert_int_equal(strlen(out), BASE64_LEN(strlen(rows[i][0])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_right_to_one_percent),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(no_value_is_out_of_range),
        cmocka_unit_test(so_many_in_flight_and_so_many_in_all),
        cmocka_unit_test(a_rate_is_kept_and_lateness_known),
        cmocka_unit_test(the_warm_up_does_not_count),
        cmocka_unit_test(the_end_comes_in_time_however_slow_the_rate),
        cmocka_unit_test(progress_fits_its_terminal),
        cmocka_unit_test(progress_bar_reaches_its_end),
        cmocka_unit_test(file_names_are_safe),
        cmocka_unit_test(long_names_are_cut_and_numbers_go_behind),
        cmocka_unit_test(base64_is_that_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
