/* SPDX-License-Identifier: MIT */
/* What hiredis and the server say, as an error of belay's. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "parts.h"

int bl_hiredis_error(struct belay_error *error, int code, enum belay_stage stage,
                     const char *format, ...)
{
    va_list args;

    if (!error)
        return code;
    memset(error, 0, sizeof *error);
    error->code = code;
    error->kind = belay_error_kind_of(code);
    error->stage = stage;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return code;
}

/* Refusals that pass; all others, such as WRONGPASS, NOAUTH, DENIED, stay until something is
 * changed. */
static bool passes(const char *reply)
{
    static const char *const starts[] = {"LOADING ",  "BUSY ",        "MASTERDOWN ",
                                         "TRYAGAIN ", "CLUSTERDOWN ", "ERR max number of clients"};

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(reply, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

void bl_hiredis_refused(struct belay_error *error, const char *name, const char *doing,
                        const char *reply)
{
    bl_hiredis_error(error, BELAY_ECONNECT, BELAY_STAGE_PROTOCOL, "connecting to %s: %s: %s", name,
                     doing, reply);
    error->kind = passes(reply) ? BELAY_KIND_RETRY : BELAY_KIND_FATAL;
}

void bl_hiredis_broken(struct belay_error *error, const char *what, const char *name,
                       enum belay_stage stage, const redisContext *context, int os_error)
{
    int code = BELAY_ECONNECT;

    if (context->err == REDIS_ERR_EOF)
        code = BELAY_EEOF;
    else if (context->err == REDIS_ERR_PROTOCOL)
        code = BELAY_EPROTO;
    else if (context->err == REDIS_ERR_OOM)
        code = BELAY_ENOMEM;
    else if (os_error == ECONNRESET || os_error == EPIPE)
        code = BELAY_ERESET;
    bl_hiredis_error(error, code, stage, "%s %s: %s", what, name,
                     context->errstr[0] ? context->errstr : belay_strerror(code));
    error->os_error = context->err == REDIS_ERR_IO ? os_error : 0;
}
