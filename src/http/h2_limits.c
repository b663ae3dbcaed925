/* SPDX-License-Identifier: MIT */
/*
 * What is borne of a peer that sends frames which cost it nothing (RFC 9113 section 10.5): each kind
 * of them fills a bucket, which drains with time. An honest peer never comes near; one that floods
 * has its connection ended, with ENHANCE_YOUR_CALM. What answers us is paid for by what we send: a
 * reset by a request, windows and probes by our DATA. Pure.
 */
#include "http/h2_session.h"

struct bucket {
    uint32_t size, per_second;
    const char *what;
};

static const struct bucket buckets[BL_H2_FLOODS_N] = {
    [BL_H2_FLOOD_CONTROL] = {1000, 100, "the peer sends too many SETTINGS and PING frames"},
    [BL_H2_FLOOD_RESET] = {1000, 100, "the peer sends too many RST_STREAM frames"},
    [BL_H2_FLOOD_EMPTY] = {1000, 100, "the peer sends too many empty frames"},
    [BL_H2_FLOOD_OTHER] = {10000, 5000, "the peer sends too many WINDOW_UPDATE and other frames"},
};

static int kind_of(uint8_t type, uint8_t flags, uint32_t length)
{
    switch (type) {
    case NGHTTP2_DATA:
        return length == 0 && !(flags & NGHTTP2_FLAG_END_STREAM) ? BL_H2_FLOOD_EMPTY : -1;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        return length == 0 ? BL_H2_FLOOD_EMPTY : -1;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING:
        return BL_H2_FLOOD_CONTROL;
    case NGHTTP2_RST_STREAM:
        return BL_H2_FLOOD_RESET;
    default:
        return BL_H2_FLOOD_OTHER;
    }
}

static void drain(struct bl_h2_limits *l, uint64_t now)
{
    uint64_t seconds = (now - l->drained_at) / BL_MS(1000);

    if (seconds == 0)
        return;
    l->drained_at += seconds * BL_MS(1000);
    for (int i = 0; i < BL_H2_FLOODS_N; i++) {
        uint64_t less = seconds * buckets[i].per_second;

        l->level[i] = less < l->level[i] ? l->level[i] - (uint32_t)less : 0;
    }
}

/* A block may be longer on the wire than what it says, but not by much. */
static bool block_is_too_long(struct bl_h2_limits *l, uint8_t type, uint32_t length, size_t max)
{
    if (type == NGHTTP2_HEADERS)
        l->block = 0;
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_CONTINUATION)
        return false;
    l->block += length;
    return l->block > 2 * max + 65536;
}

bool bl_h2_limits_allow(struct bl_h2_limits *l, const uint8_t header[BL_H2_FRAME_HEADER],
                        size_t header_bytes_max, uint64_t now, const char **ret_why)
{
    uint32_t length = bl_h2_frame_length(header);
    int kind = kind_of(header[3], header[4], length);

    if (block_is_too_long(l, header[3], length, header_bytes_max)) {
        *ret_why = "the peer sends a header block without end";
        return false;
    }
    if (kind < 0)
        return true;
    drain(l, now);
    if (++l->level[kind] <= buckets[kind].size)
        return true;
    *ret_why = buckets[kind].what;
    return false;
}

bool bl_h2_limits_unwanted(struct bl_h2_limits *l, uint64_t now)
{
    drain(l, now);
    return ++l->level[BL_H2_FLOOD_EMPTY] <= buckets[BL_H2_FLOOD_EMPTY].size;
}

static void pay(struct bl_h2_limits *l, enum bl_h2_flood kind, uint32_t n)
{
    l->level[kind] = l->level[kind] > n ? l->level[kind] - n : 0;
}

/* A reader of a body may give back its window, of the stream and of the connection, by the KiB. */
#define UPDATES_PER_KIB 2

void bl_h2_limits_earn(struct bl_h2_limits *l, uint8_t type, size_t length)
{
    if (type == NGHTTP2_HEADERS) {
        pay(l, BL_H2_FLOOD_RESET, 1);
        pay(l, BL_H2_FLOOD_OTHER, 2);
    } else if (type == NGHTTP2_RST_STREAM) {
        pay(l, BL_H2_FLOOD_EMPTY, 2); /* a head and trailers may be on their way */
    } else if (type == NGHTTP2_DATA) {
        pay(l, BL_H2_FLOOD_CONTROL, 1);
        pay(l, BL_H2_FLOOD_OTHER, 4 + (uint32_t)(length / 1024) * UPDATES_PER_KIB);
    }
}
