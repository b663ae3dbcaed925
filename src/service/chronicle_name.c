/* SPDX-License-Identifier: MIT */
/*
 * The name of a connection. Names are processes', so one that has a name has a process, which does
 * nothing but hold it: who is linked to that process, or watches it, learns of the connection's end;
 * and who ends it ends the connection.
 */
#include "belay/registry.h"
#include "keep/process.h"
#include "service/chronicle.h"

/* What it is asked or told is nobody's business, and no reason to end. */
static struct belay_directive ignore_call(struct belay_process *process,
                                          struct belay_message *message, struct belay_from from,
                                          void *state)
{
    (void)process, (void)message, (void)from, (void)state;
    return belay_do_noreply();
}

static struct belay_directive ignore_cast(struct belay_process *process,
                                          struct belay_message *message, void *state)
{
    (void)process, (void)message, (void)state;
    return belay_do_noreply();
}

static const struct belay_behaviour holder = {
    .size = sizeof holder,
    .name = "chronicle",
    .handle_call = ignore_call,
    .handle_cast = ignore_cast,
    .handle_info = ignore_cast,
};

static void on_exit(struct belay_process *process, struct belay_exit why, void *arg)
{
    struct belay_chronicle *c = arg;

    (void)process;
    c->process_ended = true;
    if (why.error && c->policy.state != BL_CHP_CLOSED)
        bl_chronicle_remember(c, why.error);
    bl_chronicle_end(c, why.kind);
}

int bl_chronicle_take_name(struct belay_chronicle *c, struct belay_error *error)
{
    struct belay_process_options o = belay_process_options_init();

    if (!c->name)
        return 0;
    o.name = c->name;
    o.registry = c->options.registry;
    o.on_exit = on_exit;
    o.exit_arg = c;
    return belay_process_start(c->loop, &holder, c, &o, &c->process, NULL, NULL, error);
}

void bl_chronicle_give_name_back(struct belay_chronicle *c, struct belay_exit why)
{
    if (c->process && !c->process_ended)
        belay_process_stop(c->process, why.kind, why.error, BELAY_FOREVER, NULL, NULL);
}

struct belay_chronicle *belay_chronicle_whereis(struct belay_loop *loop,
                                                struct belay_registry *registry, const char *name)
{
    struct belay_process *process = belay_process_whereis(loop, registry, name);
    struct belay_chronicle *c;

    if (!process || process->behaviour != &holder)
        return NULL;
    c = belay_process_get_state(process);
    return belay_chronicle_is_closed(c) ? NULL : c;
}
