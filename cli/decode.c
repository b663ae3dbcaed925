/* SPDX-License-Identifier: MIT */
/* --compressed: unpacks gzip and deflate while it comes. */
#include "decode.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define PIECE 65536 /* unpacked at a time */

enum packing { PACKING_NONE, PACKING_GZIP, PACKING_DEFLATE, PACKING_UNKNOWN };

struct decoder {
    enum packing packing;
    bool begun;        /* the stream is made */
    bool ended;        /* what has come is whole */
    bool more;         /* the last piece was full: there may be more of it inside */
    uint64_t in, out;  /* bytes */
    struct bytes held; /* packed, not looked at yet */
    size_t held_at;
    z_stream z;
    struct complaint why;
};

/* ---- what it is ---- */

static bool is(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(word, name, len) == 0;
}

static enum packing packing_of(const char *word, size_t len)
{
    return is(word, len, "gzip") || is(word, len, "x-gzip") ? PACKING_GZIP
           : is(word, len, "deflate")                       ? PACKING_DEFLATE
           : is(word, len, "identity")                      ? PACKING_NONE
                                                            : PACKING_UNKNOWN;
}

/* The words of one Content-Encoding; several of them would be packed several times. */
static bool add_encodings(const struct belay_header *h, enum packing *packing,
                          struct complaint *why)
{
    const char *at = h->value, *end = h->value + h->value_len;

    while (at < end) {
        size_t len = 0;
        enum packing one;
        char word[32], shown[TEXT_SHOWN_MAX];

        while (at < end && strchr(" \t,", *at))
            at++;
        while (at + len < end && !strchr(" \t,", at[len]))
            len++;
        if (len == 0)
            break;
        one = packing_of(at, len);
        if (one == PACKING_UNKNOWN || (one && *packing)) {
            snprintf(word, sizeof word, "%.*s", (int)len, at);
            text_show(shown, sizeof shown, word);
            return one == PACKING_UNKNOWN
                       ? complain(why,
                                  "it is packed as \"%s\", and only gzip and deflate were "
                                  "asked for",
                                  shown)
                       : complain(why, "it is packed twice, the second time as %s", shown);
        }
        *packing = one == PACKING_NONE ? *packing : one;
        at += len;
    }
    return true;
}

struct decoder *decoder_new(const struct belay_http_response *response)
{
    enum packing packing = PACKING_NONE;
    struct complaint why = {.text = ""};
    struct decoder *d;

    for (size_t i = 0; i < response->headers_n; i++) {
        const struct belay_header *h = &response->headers[i];

        if (is(h->name, h->name_len, "Content-Encoding") && !add_encodings(h, &packing, &why))
            packing = PACKING_UNKNOWN;
    }
    if (packing == PACKING_NONE)
        return NULL;
    d = memory_get(1, sizeof *d);
    d->packing = packing;
    d->why = why;
    return d;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    if (d->begun)
        inflateEnd(&d->z);
    bytes_free(&d->held);
    free(d);
}

const char *decoder_error(const struct decoder *d)
{
    return d && d->why.text[0] ? d->why.text : NULL;
}

uint64_t decoder_bytes(const struct decoder *d)
{
    return d ? d->out : 0;
}

/* ---- unpacking ---- */

static const char *name(const struct decoder *d)
{
    return d->packing == PACKING_GZIP ? "gzip" : "deflate";
}

static enum sink_verdict corrupt(struct decoder *d, const char *happened)
{
    complain(&d->why, "it is no sound %s data at byte %llu (%s)", name(d),
             (unsigned long long)(d->in - (d->held.len - d->held_at)), happened);
    return SINK_FAILED;
}

/*
 * "deflate" is the zlib format (RFC 1950), and there are servers that send the bare one (RFC 1951):
 * the two first bytes tell. False: they have not come yet.
 */
static bool begin(struct decoder *d)
{
    const unsigned char *at = (const unsigned char *)d->held.data + d->held_at;
    int bits = 16 + MAX_WBITS;

    if (d->packing == PACKING_DEFLATE) {
        if (d->held.len - d->held_at < 2)
            return false;
        bits = (at[0] & 0x0f) == 8 && (at[0] * 256 + at[1]) % 31 == 0 ? MAX_WBITS : -MAX_WBITS;
    }
    if (inflateInit2(&d->z, bits) != Z_OK) {
        complain(&d->why, "there is no memory to unpack it");
        return false;
    }
    d->begun = true;
    return true;
}

/* One piece, as far as the held bytes go; -1: an error. */
static ptrdiff_t unpack(struct decoder *d, char *out, size_t size)
{
    size_t have = d->held.len - d->held_at;
    int rc;

    if (d->ended) { /* RFC 1952: one gzip file may follow another */
        if (d->packing != PACKING_GZIP)
            return corrupt(d, "more follows its end"), -1;
        inflateReset(&d->z);
        d->ended = false;
    }
    d->z.next_in = (Bytef *)d->held.data + d->held_at;
    d->z.avail_in = (uInt)have;
    d->z.next_out = (Bytef *)out;
    d->z.avail_out = (uInt)size;
    rc = inflate(&d->z, Z_NO_FLUSH);
    d->held_at = d->held.len - d->z.avail_in;
    d->more = d->z.avail_out == 0 && rc == Z_OK;
    d->ended = rc == Z_STREAM_END;
    if (rc == Z_NEED_DICT)
        return corrupt(d, "a dictionary is needed"), -1;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return corrupt(d, d->z.msg ? d->z.msg : zError(rc)), -1;
    d->out += size - d->z.avail_out;
    return (ptrdiff_t)(size - d->z.avail_out);
}

static enum sink_verdict go_on(struct decoder *d, struct sink *sink)
{
    static char out[PIECE];

    while (d->held_at < d->held.len || d->more) {
        enum sink_verdict verdict;
        ptrdiff_t n;

        if (!d->begun && !begin(d))
            return decoder_error(d) ? SINK_FAILED : SINK_TAKEN;
        n = unpack(d, out, sizeof out);
        if (n < 0)
            return SINK_FAILED;
        verdict = n > 0 ? sink_write(sink, out, (size_t)n) : SINK_TAKEN;
        if (verdict != SINK_TAKEN)
            return verdict;
    }
    d->held.len = d->held_at = 0;
    return SINK_TAKEN;
}

enum sink_verdict decoder_write(struct decoder *d, struct sink *sink, const void *data, size_t len)
{
    if (d->why.text[0])
        return SINK_FAILED;
    bytes_add(&d->held, data, len);
    d->in += len;
    return go_on(d, sink);
}

enum sink_verdict decoder_flush(struct decoder *d, struct sink *sink)
{
    enum sink_verdict verdict = sink_flush(sink);

    return verdict == SINK_TAKEN ? go_on(d, sink) : verdict;
}

bool decoder_finish(struct decoder *d, struct sink *sink)
{
    enum sink_verdict verdict = sink->pending.len ? SINK_WAIT : go_on(d, sink);

    while (verdict == SINK_WAIT) {
        struct pollfd p = {.fd = sink->fd, .events = POLLOUT};

        poll(&p, 1, -1);
        verdict = decoder_flush(d, sink);
    }
    if (verdict == SINK_FAILED)
        return false;
    if (d->ended || d->in == 0)
        return true;
    return complain(&d->why, "the %s data ends before its end, after %llu bytes", name(d),
                    (unsigned long long)d->in);
}
