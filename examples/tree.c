/* SPDX-License-Identifier: MIT */
/*
 * A tree: a supervisor over a pool, a link and a process that looks at both. The process fails at its
 * third look, and is started again; at its sixth the program has seen enough, and the loop ends the
 * whole tree, from the last child to the first.
 *
 *     tree tcp://127.0.0.1:8080
 */
#include <belay/link.h>
#include <belay/pool.h>
#include <belay/process.h>
#include <belay/supervisor.h>
#include <stdio.h>

static struct belay_pool *pool;
static struct belay_link *link;
static int looks;

/* Each is opened again when it had to be started again. */
static void on_pool(struct belay_pool *opened, void *arg)
{
    (void)arg;
    pool = opened;
}

static void on_link(struct belay_link *opened, void *arg)
{
    (void)arg;
    link = opened;
}

static void on_event(struct belay_link *it, const struct belay_link_event *event, void *arg)
{
    (void)it;
    (void)arg;
    if (event->type == BELAY_LINK_CONNECTED || event->type == BELAY_LINK_DISCONNECTED)
        printf("link: %s\n", event->type == BELAY_LINK_CONNECTED ? "connected" : "disconnected");
}

/* ---- the process: a look every 100 ms ---- */

static struct belay_directive start_looking(struct belay_process *process, void *args)
{
    (void)process;
    (void)args;
    printf("watchman: starts\n");
    return belay_with_timeout(belay_do_ok(), 100);
}

static struct belay_directive look(struct belay_process *process, struct belay_message *message,
                                   void *state)
{
    struct belay_link_stats stats = belay_link_stats_init();
    struct belay_error error = {.code = BELAY_EUNHEALTHY, .text = "the watchman fell asleep"};

    (void)message;
    (void)state;
    if (++looks == 3)
        return belay_do_stop(process, BELAY_EXIT_ERROR, &error);
    belay_link_get_stats(link, &stats);
    printf("watchman: the link is %s, the pool is %s\n", belay_link_state_name(stats.state),
           belay_pool_is_closed(pool) ? "closed" : "open");
    if (looks == 6)
        belay_loop_stop(belay_process_loop(process));
    return belay_with_timeout(belay_do_noreply(), 100);
}

static void stop_looking(struct belay_process *process, struct belay_exit why, void *state)
{
    (void)process;
    (void)state;
    printf("watchman: ends (%s)\n", why.error ? why.error->text : belay_exit_name(why.kind));
}

static const struct belay_behaviour watchman = {
    .size = sizeof watchman,
    .name = "watchman",
    .init = start_looking,
    .handle_info = look,
    .terminate = stop_looking,
};

static void on_exit_of_all(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    (void)supervisor;
    (void)arg;
    printf("all have ended (%s)\n", why.error ? why.error->text : belay_exit_name(why.kind));
}

int main(int argc, char **argv)
{
    struct belay_supervisor_options options = belay_supervisor_options_init();
    struct belay_link_options link_options = belay_link_options_init();
    struct belay_supervisor *supervisor;
    struct belay_child_spec specs[3];
    struct belay_endpoint *endpoint;
    struct belay_source *source;
    struct belay_error error;
    struct belay_loop *loop;

    if (argc != 2) {
        fprintf(stderr, "usage: tree ENDPOINT\n");
        return 2;
    }
    options.on_exit = on_exit_of_all;
    link_options.on_event = on_event;
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_endpoint_parse(loop, argv[1], &endpoint, &error) < 0 ||
        belay_supervisor_open(loop, &options, &supervisor, &error) < 0) {
        fprintf(stderr, "tree: %s\n", error.text);
        return 1;
    }
    if (belay_source_list(loop, &endpoint, 1, BELAY_SOURCE_IN_ORDER, &source) < 0)
        return 1; /* out of memory */
    if (belay_pool_child_spec(NULL, on_pool, NULL, &specs[0], &error) < 0 ||
        belay_link_child_spec(source, &link_options, on_link, NULL, &specs[1], &error) < 0 ||
        belay_process_child_spec(&watchman, NULL, NULL, NULL, NULL, &specs[2], &error) < 0) {
        fprintf(stderr, "tree: %s\n", error.text);
        return 1;
    }
    belay_source_unref(source);
    belay_endpoint_unref(endpoint);
    for (int i = 0; i < 3; i++)
        if (belay_supervisor_start_child(supervisor, &specs[i], NULL, NULL, NULL, &error) < 0)
            fprintf(stderr, "tree: %s\n", error.text);

    belay_loop_run(loop);  /* until the watchman stops it */
    belay_loop_free(loop); /* ends the tree, from its root, in order */
    return looks == 6 ? 0 : 1;
}
