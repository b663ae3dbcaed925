/* SPDX-License-Identifier: MIT */
/* Supervisors of processes, links and each other: who is started again, in which order, and when it is enough. */
#include <stdio.h>

#include "sim/scenarios.h"

#define KIDS 8

/* One tree and all that was heard of it. It outlives its scenario: the end is told, too. */
static struct story {
    struct sim_rig *rig;
    struct belay_supervisor *supervisor;
    struct belay_source *source;
    struct belay_endpoint *endpoint;
    struct sim_host *host;
    struct belay_link *link;
    char order[64]; /* who began ("a") and who ended ("A") */
    int exits, code, closed, answers, refused;
    struct kid {
        char name;
        struct belay_process *p; /* while it runs */
    } kids[KIDS];
    bool ends_at_once;
} story;

static void note(char letter)
{
    size_t len = strlen(story.order);

    if (len + 1 < sizeof story.order)
        story.order[len] = letter;
}

static struct belay_directive init(struct belay_process *p, void *args)
{
    struct kid *kid = args;

    note(kid->name);
    kid->p = p;
    return story.ends_at_once ? belay_with_timeout(belay_do_ok(), 10) : belay_do_ok();
}

static struct belay_directive handle_info(struct belay_process *p, struct belay_message *m,
                                          void *state)
{
    (void)m, (void)state;
    return belay_do_stop(p, BELAY_EXIT_ERROR, NULL);
}

static void terminate(struct belay_process *p, struct belay_exit why, void *state)
{
    struct kid *kid = state;

    (void)p, (void)why;
    note((char)(kid->name - 'a' + 'A'));
    kid->p = NULL;
}

static const struct belay_behaviour behaviour = {.size = sizeof behaviour,
                                                 .name = "kid",
                                                 .init = init,
                                                 .handle_info = handle_info,
                                                 .terminate = terminate};

static void on_exit_(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    (void)supervisor, (void)arg;
    story.exits++;
    story.code = why.error ? why.error->code : 0;
}

static void on_closed(void *arg)
{
    (void)arg;
    story.closed++;
}

static void let_go(void *arg)
{
    (void)arg;
    if (story.supervisor) {
        belay_supervisor_close(story.supervisor, on_closed, NULL);
        belay_supervisor_unref(story.supervisor);
    }
    belay_source_unref(story.source);
    belay_endpoint_unref(story.endpoint);
}

static void on_answer(const char *id, const struct belay_error *error, void *arg)
{
    (void)id, (void)arg;
    story.answers++;
    story.refused += error != NULL;
}

static int kid_spec(int n, struct belay_child_spec *spec)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    int r;

    story.kids[n].name = (char)('a' + n);
    r = belay_process_child_spec(&behaviour, &story.kids[n], NULL, NULL, NULL, spec, NULL);
    spec->id = ids[n];
    return r;
}

static void add(int n)
{
    struct belay_child_spec spec;

    SIM_EXPECT(story.rig, kid_spec(n, &spec) == 0);
    SIM_EXPECT(story.rig, belay_supervisor_start_child(story.supervisor, &spec, on_answer, NULL,
                                                       NULL, NULL) == 0);
}

static void open_tree(struct sim_rig *rig, struct belay_supervisor_options *o)
{
    memset(&story, 0, sizeof story);
    story.rig = rig;
    sim_rig_later(rig, let_go, NULL);
    o->on_exit = on_exit_;
    SIM_EXPECT(rig, belay_supervisor_open(rig->w->loop, o, &story.supervisor, NULL) == 0);
    belay_supervisor_ref(story.supervisor);
}

#define TREE(rig, ...)                                                                             \
    open_tree(rig, &(struct belay_supervisor_options){BELAY_SIZED(belay_supervisor_options),       \
                                                      __VA_ARGS__})

static void fell(int n)
{
    if (story.kids[n].p)
        belay_process_exit(story.kids[n].p, (struct belay_exit){BELAY_EXIT_ERROR, NULL});
    sim_run_ms(story.rig->w, 10);
}

static void close_tree(void)
{
    belay_supervisor_close(story.supervisor, on_closed, NULL);
    sim_run_ms(story.rig->w, 100);
    SIM_EXPECT(story.rig, story.closed == 1 && story.exits == 1);
    memset(story.order, 0, sizeof story.order);
}

/* ---- */

static void one_that_fell_is_started_again_alone(struct sim_rig *rig)
{
    TREE(rig, .strategy = BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++)
        add(i);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.answers == 3 && story.refused == 0);
    fell(1);
    SIM_EXPECT(rig, strcmp(story.order, "abcBb") == 0);
    belay_supervisor_close(story.supervisor, on_closed, NULL);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, strcmp(story.order, "abcBbCBA") == 0 && story.closed == 1);
}

static void all_or_the_rest_stop_and_start_with_the_one_that_fell(struct sim_rig *rig)
{
    TREE(rig, .strategy = BELAY_REST_FOR_ONE);
    for (int i = 0; i < 4; i++)
        add(i);
    sim_run_ms(rig->w, 10);
    fell(1);
    SIM_EXPECT(rig, strcmp(story.order, "abcdBDCbcd") == 0);
    close_tree();
    belay_supervisor_unref(story.supervisor);
    story.supervisor = NULL;
    TREE(rig, .strategy = BELAY_ONE_FOR_ALL);
    for (int i = 0; i < 3; i++)
        add(i);
    sim_run_ms(rig->w, 10);
    fell(1);
    SIM_EXPECT(rig, strcmp(story.order, "abcBCAabc") == 0);
}

static void supervisor_gives_up_when_it_is_too_often(struct sim_rig *rig)
{
    TREE(rig, .intensity = 2, .period_ms = 5000);
    add(0);
    add(1);
    sim_run_ms(rig->w, 10);
    fell(0);
    fell(0);
    sim_run_ms(rig->w, 6000);
    fell(0);
    fell(0);
    SIM_EXPECT(rig, story.exits == 0);
    fell(0);
    SIM_EXPECT(rig, story.exits == 1 && story.code == BELAY_ERESTARTS);
    SIM_EXPECT(rig, !story.kids[0].p && !story.kids[1].p);
    SIM_EXPECT(rig, belay_supervisor_is_closed(story.supervisor));
}

static void children_are_stopped_started_and_forgotten_by_name(struct sim_rig *rig)
{
    struct belay_child_info info = belay_child_info_init();

    TREE(rig, .strategy = BELAY_ONE_FOR_ONE);
    add(0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_supervisor_stop_child(story.supervisor, "a", on_answer, NULL) == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.answers == 2 && !story.kids[0].p);
    SIM_EXPECT(rig, belay_supervisor_restart_child(story.supervisor, "a", on_answer, NULL) == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_supervisor_find_child(story.supervisor, "a", &info));
    SIM_EXPECT(rig, info.state == BELAY_CHILD_RUNNING && info.object == story.kids[0].p);
    SIM_EXPECT(rig, belay_supervisor_delete_child(story.supervisor, "a") == BELAY_EINVAL);
    SIM_EXPECT(rig, belay_supervisor_stop_child(story.supervisor, "a", NULL, NULL) == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_supervisor_delete_child(story.supervisor, "a") == 0);
    SIM_EXPECT(rig, !belay_supervisor_find_child(story.supervisor, "a", &info));
}

static void who_stops_one_that_fell_with_its_group_is_told_so(struct sim_rig *rig)
{
    TREE(rig, .strategy = BELAY_ONE_FOR_ALL);
    for (int i = 0; i < 2; i++)
        add(i);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_supervisor_stop_child(story.supervisor, "b", NULL, NULL) == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(
        rig, belay_process_exit(story.kids[0].p, (struct belay_exit){BELAY_EXIT_ERROR, NULL}) == 0);
    SIM_EXPECT(rig, belay_supervisor_stop_child(story.supervisor, "b", on_answer, NULL) == 0);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, story.answers == 3);
}

static void nothing_is_started_by_one_that_gives_up(struct sim_rig *rig)
{
    TREE(rig, .intensity = BELAY_NONE);
    for (int i = 0; i < 2; i++)
        add(i);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_supervisor_stop_child(story.supervisor, "b", NULL, NULL) == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(
        rig, belay_process_exit(story.kids[0].p, (struct belay_exit){BELAY_EXIT_ERROR, NULL}) == 0);
    SIM_EXPECT(rig, belay_supervisor_restart_child(story.supervisor, "b", on_answer, NULL) == 0);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, story.exits == 1 && !story.kids[1].p && story.answers == 3);
}

/* Children that end when the scenario says so, and not before. */
static struct belay_child *puppets[2];

static int puppet_start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    (void)loop;
    note('x');
    *(struct belay_child **)arg = child;
    belay_child_started(child, arg);
    return 0;
}

static void puppet_stop(struct belay_child *child, void *object, void *arg)
{
    (void)child, (void)object, (void)arg;
}

static void puppet_kill(struct belay_child *child, void *object, void *arg)
{
    (void)object, (void)arg;
    belay_child_ended(child, (struct belay_exit){BELAY_EXIT_KILLED, NULL});
}

static const struct belay_child_ops puppet_ops = {.size = sizeof puppet_ops,
                                                  .noun = "puppet",
                                                  .start = puppet_start,
                                                  .stop = puppet_stop,
                                                  .kill = puppet_kill};

/* What was decided before the end was heard of is not done after it. */
static void nothing_is_started_that_was_asked_for_just_before_the_end(struct sim_rig *rig)
{
    TREE(rig, .intensity = BELAY_NONE);
    add(0);
    for (int i = 0; i < 2; i++) {
        struct belay_child_spec spec = belay_child_spec_init();

        spec.ops = &puppet_ops;
        spec.arg = &puppets[i];
        spec.shutdown_ms = 500;
        SIM_EXPECT(rig, belay_supervisor_start_child(story.supervisor, &spec, on_answer, NULL, NULL,
                                                     NULL) == 0);
    }
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_supervisor_stop_child(story.supervisor, "a", NULL, NULL) == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, strcmp(story.order, "axxA") == 0);
    belay_child_ended(puppets[0], (struct belay_exit){BELAY_EXIT_NORMAL, NULL});
    SIM_EXPECT(rig, belay_supervisor_restart_child(story.supervisor, "a", on_answer, NULL) == 0);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, story.exits == 1 && story.answers == 4 && strcmp(story.order, "axxA") == 0);
}

static void on_link(struct belay_link *link, void *arg)
{
    (void)arg;
    story.link = link;
}

static void link_that_gave_up_is_opened_again(struct sim_rig *rig)
{
    struct belay_endpoint_options e = belay_endpoint_options_init();
    struct belay_link_options o = belay_link_options_init();
    struct belay_backoff_options b = belay_backoff_options_init();
    struct belay_child_info info = belay_child_info_init();
    struct belay_child_spec spec;
    struct belay_lease lease;

    TREE(rig, .intensity = 20);
    story.host = sim_host_add(rig->w, "db.test", 7000, &sim_line_server);
    e.scheme = "tcp";
    e.host = "db.test";
    e.port = 7000;
    SIM_EXPECT(rig, belay_endpoint_new(rig->w->loop, &e, &story.endpoint, NULL) == 0);
    SIM_EXPECT(rig, belay_source_list(rig->w->loop, &story.endpoint, 1, BELAY_SOURCE_IN_ORDER,
                                      &story.source) == 0);
    b.attempts_max = 2;
    o.backoff = &b;
    o.connector = sim_fake_connector(rig->w);
    SIM_EXPECT(rig, belay_link_child_spec(story.source, &o, on_link, NULL, &spec, NULL) == 0);
    SIM_EXPECT(rig, belay_supervisor_start_child(story.supervisor, &spec, on_answer, NULL, NULL,
                                                 NULL) == 0);
    story.host->refuse = true;
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, story.host->dials > 3 && story.exits == 0);
    sim_host_heal(story.host);
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, belay_supervisor_get_child(story.supervisor, 0, &info));
    SIM_EXPECT(rig, info.state == BELAY_CHILD_RUNNING && info.object == story.link);
    SIM_EXPECT(rig, belay_link_current(story.link, &lease) == 0);
}

static void tree_within_a_tree_stops_from_its_root(struct sim_rig *rig)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();
    struct belay_child_spec specs[2], nested;

    TREE(rig, .strategy = BELAY_ONE_FOR_ALL);
    add(0);
    for (int i = 0; i < 2; i++) {
        int r = kid_spec(1 + i, &specs[i]);

        if (r < 0 && i == 1)
            belay_child_spec_free(&specs[0]);
        SIM_EXPECT(rig, r == 0);
    }
    SIM_EXPECT(rig, belay_supervisor_child_spec(&o, specs, 2, &nested, NULL) == 0);
    SIM_EXPECT(rig, belay_supervisor_start_child(story.supervisor, &nested, on_answer, NULL, NULL,
                                                 NULL) == 0);
    add(3);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, strcmp(story.order, "abcd") == 0 && story.answers == 3);
    fell(1);
    SIM_EXPECT(rig, strcmp(story.order, "abcdBb") == 0);
    fell(3);
    SIM_EXPECT(rig, strcmp(story.order, "abcdBbDCBAabcd") == 0);
    belay_supervisor_close(story.supervisor, on_closed, NULL);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, strcmp(story.order, "abcdBbDCBAabcdDCBA") == 0 && story.closed == 1);
}

static void many_of_a_kind_stop_together(struct sim_rig *rig)
{
    TREE(rig, .strategy = BELAY_DYNAMIC, .max_children = 4);
    for (int i = 0; i < 4; i++)
        add(i);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, strcmp(story.order, "abcd") == 0);
    story.ends_at_once = true;
    fell(2);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, story.exits == 1 && story.code == BELAY_ERESTARTS);
}

const struct sim_scenario sim_supervisor_scenarios[] = {
    SIM_SCENARIO(one_that_fell_is_started_again_alone),
    SIM_SCENARIO(all_or_the_rest_stop_and_start_with_the_one_that_fell),
    SIM_SCENARIO(supervisor_gives_up_when_it_is_too_often),
    SIM_SCENARIO(children_are_stopped_started_and_forgotten_by_name),
    SIM_SCENARIO(who_stops_one_that_fell_with_its_group_is_told_so),
    SIM_SCENARIO(nothing_is_started_by_one_that_gives_up),
    SIM_SCENARIO(nothing_is_started_that_was_asked_for_just_before_the_end),
    SIM_SCENARIO(link_that_gave_up_is_opened_again),
    SIM_SCENARIO(tree_within_a_tree_stops_from_its_root),
    SIM_SCENARIO(many_of_a_kind_stop_together),
    {0},
};
