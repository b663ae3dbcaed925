/* SPDX-License-Identifier: MIT */
/*
 * Text into the messages that it stands for, while it comes: values of JSON, one behind the other
 * over however many lines, or lines of hex or base64. Pure.
 */
#ifndef CLI_GRPC_SPLIT_H
#define CLI_GRPC_SPLIT_H

#include "memory.h"
#include "text.h"

enum grpc_format { GRPC_JSON, GRPC_HEX, GRPC_BASE64 };

struct grpc_split {
    enum grpc_format format;
    struct bytes text;
    size_t at;   /* where the next message begins, or the blanks before it */
    size_t scan; /* how far it has been looked at */
    int depth;
    bool in_string, escaped;
    bool ended;         /* nothing more comes */
    unsigned long line; /* of `at`, from 1 */
    unsigned long messages;
};

void grpc_split_begin(struct grpc_split *split, enum grpc_format format);
void grpc_split_add(struct grpc_split *split, const void *data, size_t len);
void grpc_split_end(struct grpc_split *split);
void grpc_split_free(struct grpc_split *split);

enum grpc_split_verdict { GRPC_SPLIT_MESSAGE, GRPC_SPLIT_MORE, GRPC_SPLIT_DONE, GRPC_SPLIT_BAD };

/*
 * The next message: of JSON its text, else its bytes; put into `ret`, in place of what was there.
 * MORE: it has not come as a whole. DONE: at the end there is none. BAD: why.
 */
enum grpc_split_verdict grpc_split_next(struct grpc_split *split, struct bytes *ret,
                                        struct complaint *why);

#endif
