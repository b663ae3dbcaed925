/* SPDX-License-Identifier: MIT */
/* Names of processes: the loop's registry, further ones, and those of the caller's own. */
#include <stdio.h>
#include <string.h>

#include "unit/keep/process_scene.h"

static void end(struct actor *actor)
{
    belay_process_stop(actor->process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_int_equal(actor->exited, 1);
}

static struct belay_process *who(const char *name)
{
    return belay_process_whereis(k.loop, NULL, name);
}

static int name(struct actor *actor, const char *text)
{
    return belay_process_register(actor->process, NULL, text, NULL);
}

/* ---- the loop's ---- */

static void a_process_is_found_by_its_name_until_it_has_ended(void **state)
{
    (void)state;
    assert_null(who("db"));
    a.options.name = "db";
    actor_start(&a);
    assert_ptr_equal(who("db"), a.process); /* at once: init has not run */
    process_kit_settle(&k);
    assert_ptr_equal(who("db"), a.process);
    assert_null(who("d"));
    assert_null(who("dbs"));
    end(&a);
    assert_null(who("db"));
    actor_forget(&a);
}

static void a_name_is_free_when_its_end_is_told(void **state)
{
    (void)state;
    a.options.name = b.options.name = "db";
    actor_begin(&a);
    end(&a);
    actor_begin(&b);
    assert_ptr_equal(who("db"), b.process);
    actor_forget(&a);
    assert_ptr_equal(who("db"), b.process);
    actor_forget(&b);
}

static void a_name_is_free_when_init_fails(void **state)
{
    (void)state;
    a.options.name = "db";
    actor_says(&a, BL_PR_INIT, belay_do(BELAY_DO_IGNORE));
    actor_start(&a);
    process_kit_settle(&k);
    assert_null(who("db"));
    actor_forget(&a);
}

static void a_name_that_is_taken_starts_nothing(void **state)
{
    struct belay_process_options o = belay_process_options_init();
    struct belay_error error;
    size_t live;

    (void)state;
    a.options.name = "db";
    actor_begin(&a);
    o.name = "db";
    live = failing_alloc_live(&k.alloc);
    assert_int_equal(belay_process_start(k.loop, &b.behaviour, &b, &o, NULL, NULL, NULL, &error),
                     BELAY_EEXISTS);
    assert_int_equal(error.code, BELAY_EEXISTS);
    assert_non_null(strstr(error.text, "the name db is taken, by process "));
    assert_non_null(strstr(error.text, "(db)"));
    assert_int_equal(failing_alloc_live(&k.alloc), live);
    process_kit_settle(&k);
    actor_saw(&b, "");
    assert_ptr_equal(who("db"), a.process);
    actor_forget(&a);
}

static void a_process_may_have_several_names(void **state)
{
    char text[] = "second";

    (void)state;
    a.options.name = "first";
    actor_begin(&a);
    actor_begin(&b);
    assert_int_equal(name(&a, text), 0);
    text[0] = 'X'; /* it was copied */
    assert_int_equal(name(&a, "third"), 0);
    assert_int_equal(name(&b, "b"), 0);
    assert_ptr_equal(who("first"), a.process);
    assert_ptr_equal(who("second"), a.process);
    assert_int_equal(belay_process_unregister(a.process, NULL, "second"), 0);
    assert_null(who("second"));
    assert_int_equal(belay_process_unregister(a.process, NULL, "second"), BELAY_ENOPROC);
    assert_int_equal(name(&b, "second"), 0);
    end(&a);
    assert_null(who("first"));
    assert_null(who("third"));
    assert_ptr_equal(who("second"), b.process);
    assert_ptr_equal(who("b"), b.process);
    actor_forget(&a);
    actor_forget(&b);
}

static void names_are_unique_and_one_s_own(void **state)
{
    struct belay_error error;

    (void)state;
    actor_begin(&a);
    actor_begin(&b);
    assert_int_equal(name(&a, "x"), 0);
    assert_int_equal(belay_process_register(b.process, NULL, "x", &error), BELAY_EEXISTS);
    assert_non_null(strstr(error.text, "the name x is taken, by process "));
    assert_int_equal(belay_process_register(a.process, NULL, "x", &error), BELAY_EEXISTS);
    assert_non_null(strstr(error.text, "by the same process"));
    assert_int_equal(belay_process_unregister(b.process, NULL, "x"), BELAY_ENOPROC);
    assert_ptr_equal(who("x"), a.process);
    actor_forget(&a);
    actor_forget(&b);
}

static void what_is_no_name_is_refused(void **state)
{
    struct belay_error error;

    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_register(a.process, NULL, "", &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "name: is empty"));
    assert_int_equal(belay_process_register(a.process, NULL, "a\tb", &error), BELAY_EINVAL);
    assert_int_equal(belay_process_register(a.process, NULL, "a\x7f", &error), BELAY_EINVAL);
    assert_int_equal(belay_process_register(a.process, NULL, NULL, &error), BELAY_EINVAL);
    assert_int_equal(belay_process_register(NULL, NULL, "a", &error), BELAY_EINVAL);
    assert_int_equal(name(&a, "k\xc3\xb6nig"), 0);
    assert_int_equal(belay_process_unregister(a.process, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_unregister(NULL, NULL, "a"), BELAY_EINVAL);
    assert_null(belay_process_whereis(k.loop, NULL, NULL));
    assert_null(belay_process_whereis(NULL, NULL, "a"));
    end(&a);
    assert_int_equal(belay_process_register(a.process, NULL, "late", &error), BELAY_ENOPROC);
    assert_null(who("late"));
    actor_forget(&a);
}

static void thousands_of_names(void **state)
{
    char text[16];

    (void)state;
    actor_begin(&a);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "name-%d", i);
        assert_int_equal(name(&a, text), 0);
    }
    for (int i = 0; i < 3000; i += 3) {
        snprintf(text, sizeof text, "name-%d", i);
        assert_int_equal(belay_process_unregister(a.process, NULL, text), 0);
    }
    assert_null(who("name-0"));
    assert_ptr_equal(who("name-2999"), a.process);
    end(&a);
    assert_null(who("name-2999"));
    actor_forget(&a);
}

/* ---- further ones ---- */

static void registries_keep_names_apart(void **state)
{
    struct belay_registry *r;

    (void)state;
    assert_int_equal(belay_registry_new(k.loop, NULL, NULL, &r), 0);
    a.options.name = b.options.name = "db";
    b.options.registry = r;
    actor_begin(&a);
    actor_begin(&b);
    assert_ptr_equal(who("db"), a.process);
    assert_ptr_equal(belay_process_whereis(k.loop, r, "db"), b.process);
    assert_ptr_equal(belay_process_whereis(NULL, r, "db"), b.process);
    assert_int_equal(belay_process_unregister(b.process, NULL, "db"), BELAY_ENOPROC);
    assert_int_equal(belay_process_register(a.process, r, "other", NULL), 0);
    end(&a);
    assert_null(who("db"));
    assert_null(belay_process_whereis(k.loop, r, "other"));
    assert_ptr_equal(belay_process_whereis(k.loop, r, "db"), b.process);
    end(&b);
    assert_null(belay_process_whereis(k.loop, r, "db"));
    belay_registry_free(r);
    belay_registry_free(NULL);
    actor_forget(&a);
    actor_forget(&b);
}

static void names_go_with_their_registry(void **state)
{
    struct belay_registry *r;

    (void)state;
    assert_int_equal(belay_registry_new(k.loop, NULL, NULL, &r), 0);
    a.options.name = "db";
    a.options.registry = r;
    actor_begin(&a);
    belay_registry_free(r);
    end(&a);
    actor_forget(&a);
}

static void a_registry_of_another_loop_is_refused(void **state)
{
    struct process_kit other;
    struct belay_registry *r;
    struct belay_error error;

    (void)state;
    process_kit_begin(&other);
    assert_int_equal(belay_registry_new(other.loop, NULL, NULL, &r), 0);
    actor_begin(&a);
    assert_int_equal(belay_process_register(a.process, r, "db", &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "another loop's"));
    belay_registry_free(r);
    process_kit_end(&other);
    actor_forget(&a);
}

/* ---- of the caller's own ---- */

/* One name, and a journal. */
static char via[512], via_name[64];
static struct belay_process *via_process;
static int via_refuses;

static void via_note(const char *what, const char *text)
{
    size_t len = strlen(via);

    snprintf(via + len, sizeof via - len, "%s%s %s", len ? ", " : "", what, text);
}

static int via_add(const char *text, struct belay_process *process, void *arg)
{
    assert_ptr_equal(arg, via);
    via_note("add", text);
    if (via_refuses)
        return via_refuses;
    if (via_process)
        return BELAY_EEXISTS;
    snprintf(via_name, sizeof via_name, "%s", text);
    via_process = process;
    return 0;
}

static void via_remove(const char *text, struct belay_process *process, void *arg)
{
    assert_ptr_equal(arg, via);
    assert_ptr_equal(process, via_process);
    assert_string_equal(text, via_name);
    via_note("remove", text);
    via_process = NULL;
}

static struct belay_process *via_find(const char *text, void *arg)
{
    assert_ptr_equal(arg, via);
    return via_process && strcmp(text, via_name) == 0 ? via_process : NULL;
}

static const struct belay_registry_ops via_ops = {sizeof via_ops, via_add, via_remove, via_find};

static struct belay_registry *via_new(void)
{
    struct belay_registry *r;

    via[0] = '\0';
    via_process = NULL;
    via_refuses = 0;
    assert_int_equal(belay_registry_new(k.loop, &via_ops, via, &r), 0);
    return r;
}

static void a_registry_of_the_caller_s_own_is_asked(void **state)
{
    struct belay_registry *r = via_new();
    struct belay_error error;

    (void)state;
    a.options.name = "db";
    a.options.registry = r;
    actor_begin(&a);
    assert_string_equal(via, "add db");
    assert_ptr_equal(belay_process_whereis(k.loop, r, "db"), a.process);
    assert_null(who("db"));
    actor_begin(&b);
    assert_int_equal(belay_process_register(b.process, r, "db", &error), BELAY_EEXISTS);
    assert_non_null(strstr(error.text, "the name db is taken, by process "));
    assert_int_equal(belay_process_register(b.process, r, "full", &error), BELAY_EEXISTS);
    assert_string_equal(error.text, "the name full is taken");
    via_refuses = BELAY_ENOMEM;
    assert_int_equal(belay_process_register(b.process, r, "db", &error), BELAY_ENOMEM);
    via_refuses = 7; /* no code at all */
    assert_int_equal(belay_process_register(b.process, r, "db", &error), BELAY_EBADRETURN);
    end(&b);
    via[0] = '\0';
    end(&a);
    assert_string_equal(via, "remove db"); /* once */
    belay_registry_free(r);
    actor_forget(&a);
    actor_forget(&b);
}

static void its_names_are_removed_once(void **state)
{
    struct belay_registry *r = via_new();

    (void)state;
    a.options.name = "db";
    a.options.registry = r;
    actor_begin(&a);
    assert_int_equal(belay_process_unregister(a.process, r, "db"), 0);
    assert_string_equal(via, "add db, remove db");
    end(&a);
    assert_string_equal(via, "add db, remove db");
    belay_registry_free(r);
    actor_forget(&a);
}

static void its_names_are_removed_when_it_is_freed(void **state)
{
    struct belay_registry *r = via_new();

    (void)state;
    a.options.name = "db";
    a.options.registry = r;
    actor_begin(&a);
    belay_registry_free(r);
    assert_string_equal(via, "add db, remove db");
    end(&a);
    assert_string_equal(via, "add db, remove db");
    actor_forget(&a);
}

static void a_start_that_fails_behind_the_name_gives_it_back(void **state)
{
    struct belay_registry *r = via_new();
    struct belay_process *p;
    size_t n = 1;
    int rc;

    (void)state;
    actor_begin(&b);
    a.options.name = "db";
    a.options.registry = r;
    do { /* the link to its parent comes last */
        failing_alloc_once(&k.alloc, n++);
        rc =
            belay_process_start_link(b.process, &a.behaviour, &a, &a.options, &p, NULL, NULL, NULL);
        if (rc < 0) {
            assert_int_equal(rc, BELAY_ENOMEM);
            assert_null(via_process);
        }
    } while (rc < 0);
    assert_ptr_equal(via_process, p);
    assert_non_null(strstr(via, "remove db"));
    failing_alloc_once(&k.alloc, 0);
    a.process = p;
    process_kit_settle(&k);
    end(&a);
    assert_null(via_process);
    belay_registry_free(r);
    actor_forget(&a);
    actor_forget(&b);
}

static void ops_without_a_function_are_refused(void **state)
{
    struct belay_registry_ops ops;
    struct belay_registry *r;

    (void)state;
    for (int i = 0; i < 4; i++) {
        ops = via_ops;
        if (i == 0)
            ops.add = NULL;
        if (i == 1)
            ops.remove = NULL;
        if (i == 2)
            ops.find = NULL;
        if (i == 3)
            ops.size = sizeof(size_t);
        assert_int_equal(belay_registry_new(k.loop, &ops, NULL, &r), BELAY_EINVAL);
    }
    assert_int_equal(belay_registry_new(NULL, NULL, NULL, &r), BELAY_EINVAL);
    assert_int_equal(belay_registry_new(k.loop, NULL, NULL, NULL), BELAY_EINVAL);
    failing_alloc_once(&k.alloc, 1);
    assert_int_equal(belay_registry_new(k.loop, NULL, NULL, &r), BELAY_ENOMEM);
}

static void without_memory_nothing_is_registered(void **state)
{
    struct belay_error error;
    size_t n = 1;
    int rc;

    (void)state;
    actor_begin(&a);
    do { /* the registry, the entry, the table */
        failing_alloc_once(&k.alloc, n++);
        rc = belay_process_register(a.process, NULL, "db", &error);
        if (rc < 0) {
            assert_int_equal(rc, BELAY_ENOMEM);
            assert_int_equal(error.code, BELAY_ENOMEM);
            assert_null(who("db"));
        }
    } while (rc < 0);
    assert_true(n > 4);
    failing_alloc_once(&k.alloc, 0);
    assert_ptr_equal(who("db"), a.process);
    actor_forget(&a);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_is_found_by_its_name_until_it_has_ended),
        TEST(a_name_is_free_when_its_end_is_told),
        TEST(a_name_is_free_when_init_fails),
        TEST(a_name_that_is_taken_starts_nothing),
        TEST(a_process_may_have_several_names),
        TEST(names_are_unique_and_one_s_own),
        TEST(what_is_no_name_is_refused),
        TEST(thousands_of_names),
        TEST(registries_keep_names_apart),
        TEST(names_go_with_their_registry),
        TEST(a_registry_of_another_loop_is_refused),
        TEST(a_registry_of_the_caller_s_own_is_asked),
        TEST(its_names_are_removed_once),
        TEST(its_names_are_removed_when_it_is_freed),
        TEST(a_start_that_fails_behind_the_name_gives_it_back),
        TEST(ops_without_a_function_are_refused),
        TEST(without_memory_nothing_is_registered),
    };

    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
