/* SPDX-License-Identifier: MIT */
/* gzip by zlib. What comes out is made room for piece by piece, so that a limit is one of memory, too. */
#include "wire/grpc_gzip.h"

#include <limits.h>
#include <zlib.h>

#include "base/error.h"

#define GZIP_WINDOW (15 + 16) /* the largest window, in gzip's format */
#define MEM_LEVEL   8         /* zlib's default */
#define PIECE       16384u

static void *allocate(void *arg, unsigned items, unsigned size)
{
    return size > 0 && items > SIZE_MAX / size ? Z_NULL : bl_alloc(arg, (size_t)items * size);
}

static void release(void *arg, void *memory)
{
    bl_free(arg, memory);
}

static z_stream make_stream(struct bl_span input, struct bl_mem *mem)
{
    z_stream z = {.zalloc = allocate, .zfree = release, .opaque = mem};

    z.next_in = (Bytef *)(uintptr_t)input.data; /* which zlib only reads */
    z.avail_in = (uInt)input.len;
    return z;
}

static bool is_too_long(struct bl_span message)
{
    return message.len > INT_MAX; /* no message of gRPC that a bl_buf holds */
}

int bl_grpc_gzip(struct bl_span message, struct bl_buf *out, struct bl_mem *mem)
{
    z_stream z = make_stream(message, mem);
    uLong bound;
    char *room;

    if (is_too_long(message) || deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW,
                                             MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return BELAY_ENOMEM;
    bound = deflateBound(&z, (uLong)message.len);
    room = bl_buf_reserve(out, mem, bound);
    if (room) {
        z.next_out = (Bytef *)room;
        z.avail_out = (uInt)bound;
        deflate(&z, Z_FINISH); /* cannot fail within its bound */
        bl_buf_commit(out, z.total_out);
    }
    deflateEnd(&z);
    return room ? 0 : BELAY_ENOMEM;
}

/* ---- back ---- */

static int refuse(struct belay_error *error, const char *what)
{
    return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE, "a compressed message %s", what);
}

static int no_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_USE, "no memory to decompress a message");
}

/* 1 at the end of the message, 0 when there is more. With no room left for what is allowed, it goes
 * on into one byte that must stay empty. */
static int inflate_piece(z_stream *z, uint32_t limit, struct bl_buf *out, struct bl_mem *mem,
                         struct belay_error *error)
{
    size_t left = limit - z->total_out, room = left < PIECE ? left : PIECE;
    Bytef none;
    int rc;

    z->next_out = room > 0 ? (Bytef *)bl_buf_reserve(out, mem, room) : &none;
    if (!z->next_out)
        return no_memory(error);
    z->avail_out = room > 0 ? (uInt)room : 1;
    rc = inflate(z, Z_NO_FLUSH);
    if (room > 0)
        bl_buf_commit(out, room - z->avail_out);
    else if (z->avail_out == 0)
        return bl_error_set(error, BELAY_ELIMIT, BELAY_STAGE_USE,
                            "a message is longer than the limit of %lu bytes when decompressed",
                            (unsigned long)limit);
    if (rc == Z_OK)
        return 0;
    if (rc == Z_MEM_ERROR)
        return no_memory(error);
    if (rc == Z_BUF_ERROR)
        return refuse(error, "is cut short");
    if (rc != Z_STREAM_END)
        return refuse(error, "is no gzip, or damaged");
    return z->avail_in == 0 ? 1 : refuse(error, "is followed by something else");
}

int bl_grpc_gunzip(struct bl_span message, uint32_t limit, struct bl_buf *out, struct bl_mem *mem,
                   struct belay_error *error)
{
    z_stream z = make_stream(message, mem);
    size_t before = bl_buf_len(out);
    int rc = 0;

    if (is_too_long(message) || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return no_memory(error);
    while (rc == 0)
        rc = inflate_piece(&z, limit, out, mem, error);
    inflateEnd(&z);
    if (rc < 0)
        bl_buf_cut(out, before);
    return rc < 0 ? rc : 0;
}
