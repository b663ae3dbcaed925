/* SPDX-License-Identifier: MIT */
/* What has come of a channel, and what it has now. */
#include "grpc/subchannel.h"

static uint32_t length(const struct bl_list *list)
{
    uint32_t n = 0;

    BL_LIST_EACH(node, list)
    {
        n++;
    }
    return n;
}

/* Those of addresses that are known no more have calls, too. */
static void count_connections(const struct belay_channel *ch, struct belay_channel_stats *s)
{
    BL_LIST_EACH(node, &ch->subs)
    {
        const struct bl_subchannel *sub = BL_LIST_OF(node, struct bl_subchannel, link);

        s->addresses += !sub->removed;
        BL_LIST_EACH(each, &sub->conns)
        {
            const struct bl_sub_conn *sc = BL_LIST_OF(each, struct bl_sub_conn, link);

            s->connecting += !sc->open && !sc->closing;
            s->connections += sc->ready;
            s->ending += sc->open && !sc->ready && !sc->closing;
        }
    }
}

void belay_channel_get_stats(const struct belay_channel *ch, struct belay_channel_stats *stats)
{
    struct belay_channel_stats s = ch->stats;
    size_t size = stats->size < sizeof s ? stats->size : sizeof s;

    s.state = ch->cp.state;
    s.calls = ch->calls_n;
    s.waiting = length(&ch->waiting);
    count_connections(ch, &s);
    memcpy(stats, &s, size);
    memcpy(stats, &size, sizeof size);
}
