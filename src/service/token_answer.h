/* SPDX-License-Identifier: MIT */
/* What a token endpoint is asked, and what it answers (RFC 6749 section 4.4). Pure. */
#ifndef BL_SERVICE_TOKEN_ANSWER_H
#define BL_SERVICE_TOKEN_ANSWER_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

#define BL_TOKEN_MAX    8192 /* bytes of a token */
#define BL_TOKEN_LIFE_S 3600 /* where the answer does not say */

/* Appends the form "grant_type=client_credentials&client_id=...&client_secret=...". BELAY_ENOMEM;
 * `out` may hold a part then, secrets included. */
int bl_token_form(struct bl_buf *out, struct bl_mem *mem, const char *user, const char *password);

struct bl_token_answer {
    char *token; /* the caller's: wiped and freed with bl_token_wipe */
    int64_t life_s;
};

/*
 * Of a response: BELAY_EPROTO (`error` says why, and shows nothing of the body but what RFC 6749
 * calls an error code), kind RETRY where the status is 429 or 5xx; BELAY_ENOMEM.
 */
int bl_token_answer_parse(struct bl_mem *mem, int status, struct bl_span body,
                          struct bl_token_answer *ret, struct belay_error *error);
void bl_token_wipe(struct bl_mem *mem, char *token); /* NULL is fine */

#endif
