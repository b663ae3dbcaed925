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

/* What a server says may be anything: one line, and nothing that a terminal would obey. */
static void put_line(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; *text && n + 1 < size; text++)
        out[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
    out[n] = 0;
}

/* Servers that do not know a command repeat its arguments, and those of AUTH are secrets, however
 * they are quoted: of what it got no more is told than the code, where it begins with one. */
static void put_code(char *out, size_t size, const char *text)
{
    static const char *const codes[] = {"WRONGPASS", "NOAUTH",     "NOPERM",   "ERR",
                                        "LOADING",   "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN",
                                        "BUSY",      "DENIED",     "MISCONF",  "NOPROTO"};
    size_t len = strcspn(text, " ");
    const char *code = "refused";

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strlen(codes[i]) == len && strncmp(text, codes[i], len) == 0)
            code = codes[i];
    snprintf(out, size, "%s (what more it said may repeat the password, and is left out)", code);
}

void bl_hiredis_refused(struct belay_error *error, const char *name, const char *doing,
                        const char *reply)
{
    char line[BELAY_ERROR_TEXT_MAX];

    if (strcmp(doing, "AUTH") == 0)
        put_code(line, sizeof line, reply);
    else
        put_line(line, sizeof line, reply);
    bl_hiredis_error(error, BELAY_ECONNECT, BELAY_STAGE_PROTOCOL, "connecting to %s: %s: %s", name,
                     doing, line);
    error->kind = passes(reply) ? BELAY_KIND_RETRY : BELAY_KIND_FATAL;
}

void bl_hiredis_broken(struct belay_error *error, const char *what, const char *name,
                       enum belay_stage stage, const redisContext *context, int os_error)
{
    char line[BELAY_ERROR_TEXT_MAX];
    int code = BELAY_ECONNECT;

    if (context->err == REDIS_ERR_EOF)
        code = BELAY_EEOF;
    else if (context->err == REDIS_ERR_PROTOCOL)
        code = BELAY_EPROTO;
    else if (context->err == REDIS_ERR_OOM)
        code = BELAY_ENOMEM;
    else if (os_error == ECONNRESET || os_error == EPIPE)
        code = BELAY_ERESET;
    put_line(line, sizeof line, context->errstr[0] ? context->errstr : belay_strerror(code));
    bl_hiredis_error(error, code, stage, "%s %s: %s", what, name, line);
    error->os_error = context->err == REDIS_ERR_IO ? os_error : 0;
}
