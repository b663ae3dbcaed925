/* SPDX-License-Identifier: MIT */
/*
 * HTTP CONNECT, the client's side: the request, and the head of its answer. Pure. It stands beside
 * the parser of responses because the bytes after the head are no body: they are the tunnel's.
 */
#ifndef BL_WIRE_HTTP_CONNECT_H
#define BL_WIRE_HTTP_CONNECT_H

#include "base/mem.h"
#include "base/span.h"
#include "belay/error.h"

#define BL_CONNECT_ANSWER_MAX 16384 /* bytes of all heads together */

/*
 * The request, to be freed with bl_free_secret (wire/credentials.h). `host` is a name or an address
 * without brackets; user NULL: no credentials. BELAY_EINVAL: a host or a user that cannot be
 * written, and the text does not show the latter; BELAY_ENOMEM.
 */
int bl_connect_write(struct bl_mem *mem, const char *host, uint16_t port, const char *user,
                     const char *password, char **ret_text, size_t *ret_len,
                     struct belay_error *error);

struct bl_connect {
    uint8_t state;
    uint8_t line_n;  /* of `line` */
    uint16_t status; /* of the head that is being read */
    uint32_t total;
    char line[12]; /* "HTTP/1.1 200": how a head begins */
};

static inline void bl_connect_init(struct bl_connect *c)
{
    memset(c, 0, sizeof *c);
}

/*
 * Reads on. 1: the tunnel stands, and what comes after *ret_used is its; 0: all was used, go on;
 * BELAY_EPROXY: refused, `status` says how; BELAY_EPROTO: not HTTP; BELAY_ELIMIT: it does not end.
 * Heads of 1xx are skipped. The text has nothing of what the proxy wrote: it might repeat a
 * password.
 */
int bl_connect_input(struct bl_connect *c, const void *data, size_t len, size_t *ret_used,
                     struct belay_error *error);

/* Whether a refusal speaks of the target, or of the way to it, and not of the proxy. */
bool bl_connect_blames_target(int status);

#endif
