/* SPDX-License-Identifier: MIT */
/*
 * What `belay pipe` has read and not sent, and what becomes of it when a connection is lost. Pure: it
 * moves no byte by itself.
 *
 *     kept <= sent <= written <= whole <= total      offsets from the beginning of the input
 *
 * kept..total is held. With `lines` only whole lines are given out, and the line that is being sent
 * is held to its end: if it is cut, it is given out again from its start.
 */
#ifndef CLI_PIPE_BUFFER_H
#define CLI_PIPE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pipe_buffer {
    char *data; /* a ring: what is held never moves */
    size_t size;
    bool lines, crlf, after_cr, ended;
    uint64_t kept, sent, written, whole, total;
};

void pipe_buffer_init(struct pipe_buffer *b, size_t size, bool lines, bool crlf);
void pipe_buffer_free(struct pipe_buffer *b);

/* How many bytes of input may be added. */
size_t pipe_buffer_space(const struct pipe_buffer *b);
/* At most so many. With `crlf` a line that ends in "\n" ends in "\r\n" from here on. */
void pipe_buffer_add(struct pipe_buffer *b, const char *data, size_t len);
/* The input has ended: what is held is all, a last line without an end included. */
void pipe_buffer_end(struct pipe_buffer *b);
/* It is full of one line, which will never be whole. */
bool pipe_buffer_is_stuck(const struct pipe_buffer *b);

/* What is to be written next, at most `max` bytes in one piece; 0: nothing now. */
size_t pipe_buffer_next(const struct pipe_buffer *b, size_t max, const char **ret);
void pipe_buffer_wrote(struct pipe_buffer *b, size_t len);
/* So many of those, the oldest, have left this process. */
void pipe_buffer_sent(struct pipe_buffer *b, size_t len);

/* The connection is gone: what was written and not sent is to be written again. Returns how many
 * bytes of a line were sent that is to be sent again whole. */
size_t pipe_buffer_lost(struct pipe_buffer *b);

/* Bytes that are held and not sent, and whether all is through: sent, and the input ended. */
size_t pipe_buffer_unsent(const struct pipe_buffer *b);
bool pipe_buffer_is_done(const struct pipe_buffer *b);

#endif
