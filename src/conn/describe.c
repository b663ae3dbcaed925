/* SPDX-License-Identifier: MIT */
/* What a dial came to, in words for the trace. */
#include "conn/describe.h"

#include <stdio.h>

const char *bl_describe(struct belay_stream *stream, char out[BL_DESCRIBE_MAX])
{
    struct belay_tls_facts facts = belay_tls_facts_init();
    char addr[BELAY_ADDR_TEXT_MAX] = "";
    struct belay_addr peer;

    out[0] = '\0';
    if (!stream)
        return out;
    if (belay_stream_peer_addr(stream, &peer) == 0)
        belay_addr_print(&peer, addr, sizeof addr);
    if (belay_stream_tls_facts(stream, &facts) < 0)
        snprintf(out, BL_DESCRIBE_MAX, "%s", addr);
    else
        snprintf(out, BL_DESCRIBE_MAX, "%s, %s, %s, %s%s%s%s", addr, facts.version, facts.cipher,
                 facts.alpn ? facts.alpn : "", facts.alpn ? ", " : "",
                 facts.resumed ? "resumed" : "full handshake",
                 facts.verified ? "" : ", NOT verified");
    return out;
}
