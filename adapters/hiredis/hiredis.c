/* SPDX-License-Identifier: MIT */
/* How to open: the options, copied. */
#include <stdlib.h>
#include <string.h>

#include "parts.h"

#define COMMAND_TIMEOUT_MS     5000
#define COMMAND_TIMEOUT_MS_MAX INT64_C(31536000000)

static int check(const struct belay_hiredis_options *o, struct belay_error *error)
{
    if (o->db < 0)
        return bl_hiredis_error(error, BELAY_EINVAL, BELAY_STAGE_NONE, "db: %d is below 0", o->db);
    if (o->username && !o->password)
        return bl_hiredis_error(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                "username: there is no password");
    if (o->command_timeout_ms != BELAY_FOREVER &&
        (o->command_timeout_ms < 0 || o->command_timeout_ms > COMMAND_TIMEOUT_MS_MAX))
        return bl_hiredis_error(
            error, BELAY_EINVAL, BELAY_STAGE_NONE,
            "command_timeout_ms: %lld is neither 0, BELAY_FOREVER nor 1 ms to a "
            "year",
            (long long)o->command_timeout_ms);
    return 0;
}

static bool copy(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

int belay_hiredis_new(const struct belay_hiredis_options *options,
                      struct belay_hiredis **ret_hiredis, struct belay_error *error)
{
    struct belay_hiredis_options o = belay_hiredis_options_init();
    struct belay_hiredis *h;
    int rc;

    if (!ret_hiredis)
        return bl_hiredis_error(error, BELAY_EINVAL, BELAY_STAGE_NONE, "ret_hiredis is NULL");
    if (options && options->size <= offsetof(struct belay_hiredis_options, username))
        return bl_hiredis_error(
            error, BELAY_EINVAL, BELAY_STAGE_NONE,
            "size: %zu is too small; prepare the options with their init function", options->size);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    rc = check(&o, error);
    if (rc < 0)
        return rc;
    h = calloc(1, sizeof *h);
    if (!h || !copy(&h->username, o.username) || !copy(&h->password, o.password) ||
        !copy(&h->client_name, o.client_name)) {
        belay_hiredis_free(h);
        return bl_hiredis_error(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    }
    h->db = o.db;
    h->command_timeout_ms = o.command_timeout_ms ? o.command_timeout_ms : COMMAND_TIMEOUT_MS;
    *ret_hiredis = h;
    return 0;
}

void belay_hiredis_free(struct belay_hiredis *h)
{
    if (!h)
        return;
    free(h->username);
    if (h->password)
        memset(h->password, 0, strlen(h->password));
    free(h->password);
    free(h->client_name);
    free(h);
}

struct belay_connector belay_hiredis_connector(struct belay_hiredis *hiredis)
{
    return (struct belay_connector){.ops = &bl_hiredis_ops, .arg = hiredis};
}

redisContext *belay_hiredis_context(struct belay_lease lease)
{
    redisContext **first = belay_lease_state(lease); /* of the session */

    return first ? *first : NULL;
}
