/* SPDX-License-Identifier: MIT */
#include "base/assert.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

static void a_broken_invariant_ends_the_process_and_is_named(void **state)
{
    char said[256] = "";
    ssize_t len;
    int ends[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], 2);
        BL_ASSERT(ends[0] == -5);
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    len = read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    assert_true(len > 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_ptr_equal(strstr(said, "belay: broken invariant: ends[0] == -5 ("), said);
    assert_non_null(strstr(said, "test_assert.c:"));
}

static void a_kept_invariant_is_evaluated_once(void **state)
{
    int times = 0;

    (void)state;
    BL_ASSERT(++times == 1);
    assert_int_equal(times, 1);
}

static void a_container_is_found_from_its_member(void **state)
{
    struct {
        int first;
        char member;
    } whole;

    (void)state;
    assert_ptr_equal(BL_CONTAINER(&whole.member, __typeof__(whole), member), &whole);
    assert_int_equal(BL_COUNT(((int[]){1, 2, 3})), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_invariant_ends_the_process_and_is_named),
        cmocka_unit_test(a_kept_invariant_is_evaluated_once),
        cmocka_unit_test(a_container_is_found_from_its_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
