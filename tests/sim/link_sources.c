/* SPDX-License-Identifier: MIT */
/* Where links under watch have their addresses from: lists, names, files, and sources that fail, hang or give nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "sim/link_rig.h"

/* ---- of the caller's own ---- */

static void answer(struct link_custom *c)
{
    struct sim_link *l = c->l;
    struct belay_source_query *query = c->query;
    struct belay_error error;

    c->query = NULL;
    if (c->how == ANSWER_ERROR) {
        link_did(l, LINK_SOURCE_FAILS);
        bl_error_set(&error, BELAY_EDNS, BELAY_STAGE_RESOLVE, "the directory is closed today");
        error.final = !l->all->life.healed && sim_chance(l->all->w, 3);
        belay_source_answer(query, NULL, 0, &error);
    } else if (c->how == ANSWER_NOTHING) {
        link_did(l, LINK_SOURCE_EMPTY);
        belay_source_answer(query, NULL, 0, NULL);
    } else {
        belay_source_answer(query, l->endpoints, (size_t)l->hosts_n, NULL);
    }
}

static void on_event(void *arg)
{
    struct link_custom *c = arg;

    if (c->query)
        answer(c);
}

static void custom_get(struct belay_source_query *query, void *arg)
{
    struct link_custom *c = arg;
    struct sim_link *l = c->l;

    if (c->query)
        sim_fail(l->all->w, "link %d asks its source twice at a time", l->n);
    if (l->over)
        sim_fail(l->all->w, "link %d asks its source after its end", l->n);
    c->query = query;
    sim_note(l->all->w, "link %d asks its source", l->n);
    if (c->how == ANSWER_NEVER)
        link_did(l, LINK_SOURCE_HANGS);
    else if (c->how == ANSWER_AT_ONCE)
        answer(c);
    else
        sim_event_in(&c->event, c->delay_ns);
}

static void custom_cancel(struct belay_source_query *query, void *arg)
{
    struct link_custom *c = arg;

    if (c->query != query)
        sim_fail(c->l->all->w, "link %d: a question is taken back that is none", c->l->n);
    c->query = NULL;
    sim_event_stop(&c->event);
}

static void custom_free(void *arg)
{
    struct link_custom *c = arg;

    if (c->query)
        sim_fail(c->l->all->w, "link %d: its source is freed with a question", c->l->n);
    c->freed = true;
}

static const struct belay_source_ops custom_ops = {
    .size = sizeof custom_ops,
    .get = custom_get,
    .cancel = custom_cancel,
    .free = custom_free,
};

/* ---- files ---- */

static void write_file(const struct sim_link *l, const char *before)
{
    FILE *f = fopen(l->path, "w");

    if (!f)
        abort();
    fputs(before, f);
    for (int i = 0; i < l->hosts_n; i++)
        fprintf(f, "%s:%u\n", l->hosts[i]->name, l->hosts[i]->port);
    fclose(f);
}

static void make_file(struct sim_link *l)
{
    const char *folder = getenv("TMPDIR");

    snprintf(l->path, sizeof l->path, "%s/belay-sim.%ld.%d", folder ? folder : "/tmp",
             (long)getpid(), l->n);
    write_file(l, "# the service\n\n");
}

/* ---- all of them ---- */

int link_source_make(struct sim_link *l)
{
    struct belay_loop *loop = l->all->w->loop;
    size_t n = (size_t)l->hosts_n;

    switch (l->source_kind) {
    case SOURCE_LIST:
        return belay_source_list(loop, l->endpoints, n, BELAY_SOURCE_IN_ORDER, &l->source);
    case SOURCE_SHUFFLED:
        return belay_source_list(loop, l->endpoints, n, BELAY_SOURCE_SHUFFLED, &l->source);
    case SOURCE_DNS:
        return belay_source_dns(l->endpoints[0], &l->source);
    case SOURCE_FILE:
        make_file(l);
        return belay_source_file(l->endpoints[0], l->path, &l->source);
    default:
        l->custom.l = l;
        l->custom.how = ANSWER_AT_ONCE;
        sim_event_init(&l->custom.event, l->all->w, on_event, &l->custom);
        return belay_source_custom(loop, &custom_ops, &l->custom, &l->source);
    }
}

static void disturb_file(struct sim_link *l)
{
    switch (sim_below(l->all->w, 3)) {
    case 0:
        link_did(l, LINK_SOURCE_FAILS);
        unlink(l->path);
        break;
    case 1:
        link_did(l, LINK_SOURCE_FAILS);
        write_file(l, "what : is this?\n");
        break;
    default:
        link_did(l, LINK_SOURCE_EMPTY);
        fclose(fopen(l->path, "w"));
    }
}

void link_source_disturb(struct sim_link *l)
{
    struct sim_world *w = l->all->w;

    if (l->source_kind == SOURCE_FILE)
        disturb_file(l);
    if (l->source_kind != SOURCE_CUSTOM)
        return;
    l->custom.how = (enum link_answer)sim_below(w, ANSWER_NEVER + 1);
    l->custom.delay_ns = SIM_MS(sim_below(w, 3000));
    sim_note(w, "link %d: its source answers otherwise: %d", l->n, (int)l->custom.how);
}

void link_source_heal(struct sim_link *l)
{
    if (l->source_kind == SOURCE_FILE)
        write_file(l, "");
    l->custom.how = ANSWER_AT_ONCE;
}

void link_source_fini(struct sim_link *l)
{
    belay_source_unref(l->source);
    l->source = NULL;
    if (l->path[0])
        unlink(l->path);
    l->path[0] = '\0';
}
