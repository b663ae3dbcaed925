/* SPDX-License-Identifier: MIT */
/* What the adapter's files share: how to open, and what an error says. */
#ifndef BL_HIREDIS_PARTS_H
#define BL_HIREDIS_PARTS_H

#include "belay-hiredis.h"

struct belay_hiredis {
    char *username, *password, *client_name;
    int32_t db;
    int64_t command_timeout_ms; /* below 0: none */
};

/* session.c */
extern const struct belay_connector_ops bl_hiredis_ops;

/* error.c */
int bl_hiredis_error(struct belay_error *error, int code, enum belay_stage stage,
                     const char *format, ...) BELAY_PRINTF(4, 5);
/* The server refused while the connection was being opened: again later, or never? */
void bl_hiredis_refused(struct belay_error *error, const char *name, const char *doing,
                        const char *reply);
/* The context has an error; `os_error` is errno where it was of the system. */
void bl_hiredis_broken(struct belay_error *error, const char *what, const char *name,
                       enum belay_stage stage, const redisContext *context, int os_error);

#endif
