/* SPDX-License-Identifier: MIT */
/* Links: what they tell, whom they answer, when they move, how they end. */
#include <stdio.h>
#include <unistd.h>

#include "sim/scenarios.h"

#define HOSTS  3
#define EVENTS 64

/* One link and all that was heard of it. It outlives its scenario: the end is told, too. */
static struct story {
    struct sim_rig *rig;
    struct sim_host *hosts[HOSTS];
    struct belay_endpoint *endpoints[HOSTS];
    struct belay_source *source;
    struct belay_link *link;
    enum belay_link_event_type events[EVENTS];
    int events_n, heard, answers, refused, ended;
    int code; /* of the last error that was told */
    struct belay_lease lease;
    bool breaks, subscribes;
    struct belay_link_subscription *subscription;
} story;

static void on_closed(void *arg)
{
    (*(int *)arg)++;
}

static void let_go(void *arg)
{
    (void)arg;
    if (story.link)
        belay_link_close(story.link, on_closed, &story.ended);
    story.link = NULL;
    belay_source_unref(story.source);
    for (int i = 0; i < HOSTS; i++)
        belay_endpoint_unref(story.endpoints[i]);
}

static void on_heard(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    (void)link, (void)event, (void)arg;
    story.heard++;
}

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    (void)arg;
    story.events[story.events_n++ % EVENTS] = event->type;
    if (event->error)
        story.code = event->error->code;
    if (story.subscribes)
        belay_link_subscribe(link, on_heard, NULL, &story.subscription);
    story.subscribes = false;
}

static void on_answer(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    (void)arg;
    story.answers++;
    story.refused += error != NULL;
    if (error)
        story.code = error->code;
    story.lease = lease;
    if (story.breaks)
        belay_lease_release(lease, BELAY_BROKEN);
    story.breaks = false;
}

static void begin(struct sim_rig *rig)
{
    memset(&story, 0, sizeof story);
    story.rig = rig;
    sim_rig_later(rig, let_go, NULL);
    for (int i = 0; i < HOSTS; i++) {
        struct belay_endpoint_options o = belay_endpoint_options_init();
        char name[16];

        snprintf(name, sizeof name, "%c.test", 'a' + i);
        story.hosts[i] = sim_host_add(rig->w, name, 7000, &sim_line_server);
        o.scheme = "tcp";
        o.host = story.hosts[i]->name;
        o.port = 7000;
        SIM_EXPECT(rig, belay_endpoint_new(rig->w->loop, &o, &story.endpoints[i], NULL) == 0);
    }
}

static void open_link(struct belay_link_options *o)
{
    struct sim_rig *rig = story.rig;

    if (!story.source)
        SIM_EXPECT(rig, belay_source_list(rig->w->loop, story.endpoints, HOSTS,
                                          BELAY_SOURCE_IN_ORDER, &story.source) == 0);
    if (!rig->wires)
        o->connector = sim_fake_connector(rig->w);
    o->on_event = on_event;
    if (!o->backoff && !o->retry_delay_ms)
        o->retry_delay_ms = 1000;
    if (!o->backoff)
        o->retry_spread = BELAY_NONE;
    SIM_EXPECT(rig, belay_link_open(story.source, o, &story.link, NULL) == 0);
}

#define LINK(...)                                                                                  \
    open_link(&(struct belay_link_options){BELAY_SIZED(belay_link_options), __VA_ARGS__})

static struct belay_link_stats link_stats(void)
{
    struct belay_link_stats s = belay_link_stats_init();

    belay_link_get_stats(story.link, &s);
    return s;
}

static const char *current(void)
{
    struct belay_lease lease;

    if (belay_link_current(story.link, &lease) < 0)
        return "";
    return sim_seen_of_lease(story.rig->w, lease)->host->name;
}

static bool told(const enum belay_link_event_type *events, int n)
{
    return story.events_n == n && memcmp(story.events, events, (size_t)n * sizeof *events) == 0;
}

/* ---- */

static void link_comes_up_answers_and_tells(struct sim_rig *rig)
{
    static const enum belay_link_event_type events[] = {
        BELAY_LINK_ATTEMPTING_TO_CONNECT, BELAY_LINK_OBTAINED_ADDRESS, BELAY_LINK_CONNECTED,
        BELAY_LINK_DISCONNECTED};

    begin(rig);
    LINK(.server_name = "catalog");
    SIM_EXPECT(rig, belay_link_connected(story.link, 5000, NULL, on_answer, NULL) == 0);
    SIM_EXPECT(rig, belay_link_connected_or_failed(story.link, 5000, NULL, on_answer, NULL) == 0);
    SIM_EXPECT(rig, belay_link_subscribe(story.link, on_heard, NULL, &story.subscription) == 0);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, story.answers == 2 && story.refused == 0 && story.heard == 3);
    SIM_EXPECT(rig, told(events, 3) && strcmp(current(), "a.test") == 0);
    belay_link_close(story.link, on_closed, &story.ended);
    story.link = NULL;
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, told(events, 4) && story.ended == 1 && !belay_lease_valid(story.lease));
}

static void link_goes_to_the_next_address_and_counts_its_failures(struct sim_rig *rig)
{
    struct belay_error last;
    int64_t age;

    begin(rig);
    story.hosts[0]->refuse = true;
    story.hosts[1]->fatal = true;
    LINK(.retry_delay_ms = 1000);
    sim_run_ms(rig->w, 900);
    SIM_EXPECT(rig, link_stats().failed[BELAY_STAGE_CONNECT] == 1 && current()[0] == '\0');
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, link_stats().failed[BELAY_STAGE_TLS] == 1 && link_stats().failures == 2);
    SIM_EXPECT(rig, belay_link_last_error(story.link, &last, &age) && last.code == BELAY_ECERT);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, strcmp(current(), "c.test") == 0 && link_stats().failures == 0);
    SIM_EXPECT(rig, link_stats().attempts == 3 && link_stats().connected == 1);
}

static void link_is_told_to_try_now(struct sim_rig *rig)
{
    begin(rig);
    for (int i = 0; i < HOSTS; i++)
        story.hosts[i]->refuse = true;
    LINK(.retry_delay_ms = 60000);
    sim_run_ms(rig->w, 1000);
    belay_link_kick(story.link);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, link_stats().attempts == 2 && link_stats().failures == 2);
    belay_link_reset_backoff(story.link);
    SIM_EXPECT(rig, belay_link_connected(story.link, 500, NULL, on_answer, NULL) == 0);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, story.refused == 1 && story.code == BELAY_ETIMEDOUT);
}

static void link_moves_to_its_first_address_make_before_break(struct sim_rig *rig)
{
    begin(rig);
    story.hosts[0]->refuse = true;
    LINK(.move_interval_ms = 5000);
    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, strcmp(current(), "b.test") == 0);
    sim_host_heal(story.hosts[0]);
    for (int i = 0; i < 400; i++) {
        sim_run_ms(rig->w, 25);
        SIM_EXPECT(rig, current()[0] != '\0');
    }
    SIM_EXPECT(rig, strcmp(current(), "a.test") == 0 && link_stats().moves == 1);
}

static void link_goes_on_trying_to_move_whatever_its_own_attempts(struct sim_rig *rig)
{
    struct belay_backoff_options b = belay_backoff_options_init();

    begin(rig);
    b.attempts_max = 2;
    story.hosts[0]->refuse = true;
    LINK(.backoff = &b, .move_interval_ms = 1000);
    sim_run_ms(rig->w, 30000);
    SIM_EXPECT(rig, strcmp(current(), "b.test") == 0 && link_stats().attempts > 10);
    sim_host_heal(story.hosts[0]);
    sim_run_ms(rig->w, 20000);
    SIM_EXPECT(rig, strcmp(current(), "a.test") == 0);
}

static void link_leaves_a_connection_that_drains_when_it_has_another(struct sim_rig *rig)
{
    struct belay_lease lease;

    begin(rig);
    LINK(.retry_delay_ms = 1000);
    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, belay_link_current(story.link, &lease) == 0);
    sim_fake_drain(sim_seen_of_lease(rig->w, lease));
    for (int i = 0; i < 200; i++) {
        sim_run_turn(rig->w);
        SIM_EXPECT(rig, current()[0] != '\0');
    }
    SIM_EXPECT(rig, strcmp(current(), "b.test") == 0);
}

static void link_whose_attempts_are_spent_tells_all_who_wait(struct sim_rig *rig)
{
    struct belay_backoff_options b = belay_backoff_options_init();

    begin(rig);
    b.attempts_max = 2;
    for (int i = 0; i < HOSTS; i++)
        story.hosts[i]->refuse = true;
    LINK(.backoff = &b);
    SIM_EXPECT(rig, belay_link_connected(story.link, BELAY_FOREVER, NULL, on_answer, NULL) == 0);
    SIM_EXPECT(rig, belay_link_close_finished(story.link, on_closed, &story.ended) == 0);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, story.refused == 1 && story.code == BELAY_EGIVENUP && story.ended == 1);
    SIM_EXPECT(rig, belay_link_is_closed(story.link) && link_stats().attempts == 3);
}

static void who_breaks_a_lease_leaves_the_others_waiting_for_the_next(struct sim_rig *rig)
{
    begin(rig);
    story.breaks = true;
    LINK(.retry_delay_ms = 1000);
    for (int i = 0; i < 3; i++)
        SIM_EXPECT(rig, belay_link_connected(story.link, 5000, NULL, on_answer, NULL) == 0);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, story.answers == 1);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, story.answers == 3 && story.refused == 0 && belay_lease_valid(story.lease));
}

static void who_subscribes_in_a_handler_hears_the_next_event(struct sim_rig *rig)
{
    begin(rig);
    story.subscribes = true;
    LINK(.retry_delay_ms = 1000);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, story.subscription && story.events_n == 3 && story.heard == 2);
    belay_link_unsubscribe(story.subscription);
    sim_host_kill(story.hosts[0]);
    sim_run_ms(rig->w, 400);
    SIM_EXPECT(rig, story.events_n == 4 && story.heard == 2);
}

static void link_finds_out_by_a_check_that_its_connection_is_dead(struct sim_rig *rig)
{
    struct belay_lease lease;

    begin(rig);
    LINK(.check_interval_ms = 2000, .check_timeout_ms = 500);
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, belay_link_current(story.link, &lease) == 0);
    sim_fake_sicken(sim_seen_of_lease(rig->w, lease));
    sim_run_ms(rig->w, 2500);
    SIM_EXPECT(rig, story.code == BELAY_EUNHEALTHY && strcmp(current(), "b.test") == 0);
    story.hosts[1]->never_answers = true;
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, strcmp(current(), "c.test") == 0);
}

static void link_whose_connection_was_taken_dials_the_next(struct sim_rig *rig)
{
    struct belay_lease lease;
    struct belay_stream *stream;

    rig->wires = true;
    begin(rig);
    LINK(.retry_delay_ms = 1000);
    sim_run_ms(rig->w, 1500);
    SIM_EXPECT(rig, belay_link_current(story.link, &lease) == 0);
    SIM_EXPECT(rig, belay_lease_take(lease, &stream) == 0);
    belay_stream_close(stream, 0, NULL, NULL);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, story.events_n > 3 && strcmp(current(), "b.test") == 0);
}

static void link_follows_a_name_and_its_addresses(struct sim_rig *rig)
{
    rig->wires = true;
    begin(rig);
    sim_host_more(story.hosts[0]);
    sim_name_of(rig->w, "a.test")->ttl_s = 1;
    SIM_EXPECT(rig, belay_source_dns(story.endpoints[0], &story.source) == 0);
    LINK(.retry_delay_ms = 1000);
    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, strcmp(current(), "a.test") == 0);
    sim_host_kill(story.hosts[0]);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, current()[0] == '\0');
    sim_host_heal(story.hosts[0]);
    sim_host_move(story.hosts[0]);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, strcmp(current(), "a.test") == 0);
}

static void link_reads_its_file_again_at_every_attempt(struct sim_rig *rig)
{
    char path[64];
    FILE *f;

    begin(rig);
    snprintf(path, sizeof path, "/tmp/belay-scenario.%ld", (long)getpid());
    unlink(path);
    SIM_EXPECT(rig, belay_source_file(story.endpoints[0], path, &story.source) == 0);
    LINK(.retry_delay_ms = 1000);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, story.code == BELAY_EFILE);
    f = fopen(path, "w");
    SIM_EXPECT(rig, f != NULL);
    fprintf(f, "# the service\nb.test:7000\nc.test\n");
    fclose(f);
    sim_run_ms(rig->w, 1000);
    unlink(path);
    SIM_EXPECT(rig, strcmp(current(), "b.test") == 0);
}

static void link_that_is_closed_while_it_dials_tells_nothing_more(struct sim_rig *rig)
{
    begin(rig);
    story.hosts[0]->black_hole = true;
    LINK(.retry_delay_ms = 1000);
    SIM_EXPECT(rig, belay_link_connected(story.link, BELAY_FOREVER, NULL, on_answer, NULL) == 0);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, story.events_n == 2);
    belay_link_close(story.link, on_closed, &story.ended);
    story.link = NULL;
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, story.events_n == 2 && story.code == BELAY_ECLOSED && story.ended == 1);
}

static void link_ends_with_its_connection_when_told_so(struct sim_rig *rig)
{
    begin(rig);
    LINK(.retry_delay_ms = 1000);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, belay_link_close_finished(story.link, on_closed, &story.ended) == 0);
    belay_link_close_when_current_closes(story.link);
    story.link = NULL; /* it is given up */
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, story.ended == 0 && story.hosts[0]->live == 1);
    sim_host_kill(story.hosts[0]);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, story.ended == 1 && story.events_n == 4);
}

const struct sim_scenario sim_link_scenarios[] = {
    SIM_SCENARIO(link_comes_up_answers_and_tells),
    SIM_SCENARIO(link_goes_to_the_next_address_and_counts_its_failures),
    SIM_SCENARIO(link_is_told_to_try_now),
    SIM_SCENARIO(link_moves_to_its_first_address_make_before_break),
    SIM_SCENARIO(link_goes_on_trying_to_move_whatever_its_own_attempts),
    SIM_SCENARIO(link_leaves_a_connection_that_drains_when_it_has_another),
    SIM_SCENARIO(link_whose_attempts_are_spent_tells_all_who_wait),
    SIM_SCENARIO(who_breaks_a_lease_leaves_the_others_waiting_for_the_next),
    SIM_SCENARIO(who_subscribes_in_a_handler_hears_the_next_event),
    SIM_SCENARIO(link_finds_out_by_a_check_that_its_connection_is_dead),
    SIM_SCENARIO(link_whose_connection_was_taken_dials_the_next),
    SIM_SCENARIO(link_follows_a_name_and_its_addresses),
    SIM_SCENARIO(link_reads_its_file_again_at_every_attempt),
    SIM_SCENARIO(link_that_is_closed_while_it_dials_tells_nothing_more),
    SIM_SCENARIO(link_ends_with_its_connection_when_told_so),
    {0},
};
