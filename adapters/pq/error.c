/* SPDX-License-Identifier: MIT */
/*
 * What libpq says, as an error of belay's. The SQLSTATE of a connection that failed is to be had
 * nowhere but in the text, with verbosity PQERRORS_VERBOSE: "FATAL:  28P01: password ...".
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "parts.h"

int bl_pq_error(struct belay_error *error, int code, enum belay_stage stage, const char *format,
                ...)
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

static bool is_sqlstate(const char *at)
{
    for (int i = 0; i < 5; i++)
        if (!(at[i] >= '0' && at[i] <= '9') && !(at[i] >= 'A' && at[i] <= 'Z'))
            return false;
    return at[5] == ':';
}

/* The last one counts: of several hosts the last was tried last. */
static const char *find_sqlstate(const char *text)
{
    const char *found = NULL;

    while ((text = strstr(text, ":  "))) {
        text += 3;
        if (is_sqlstate(text))
            found = text;
    }
    return found;
}

/* Which will be said again until something is changed: a password, a database, a parameter. */
static bool is_fatal(const char *sqlstate)
{
    static const char *const classes[] = {
        "28",                                  /* authorization: password, role, pg_hba.conf */
        "3D", /* no such database */ "22",     /* a value that is out of range */
        "42", /* an unknown parameter */ "0A", /* not supported */
    };

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

/* One line: no LOCATION of the server's sources, no runs of spaces; further lines behind "; ". */
static void put_line(char *out, size_t size, const char *text)
{
    size_t n = 0;

    while (*text && n + 3 < size) {
        if (strncmp(text, "LOCATION:", 9) == 0) {
            text += strcspn(text, "\n");
        } else if (*text == '\n') {
            text += strspn(text, "\n\t ");
            if (*text && strncmp(text, "LOCATION:", 9) != 0) {
                out[n++] = ';';
                out[n++] = ' ';
            }
        } else if (*text == ' ' || *text == '\t') {
            text += strspn(text, " \t");
            out[n++] = ' ';
        } else {
            out[n++] = (unsigned char)*text < 0x20 ? '?' : *text;
            text++;
        }
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = 0;
}

static void put(const PGconn *pg, struct belay_error *error, int code, enum belay_stage stage,
                const char *what, const char *name)
{
    char line[BELAY_ERROR_TEXT_MAX];

    put_line(line, sizeof line, PQerrorMessage(pg));
    bl_pq_error(error, code, stage, "%s %s: %s", what, name, line[0] ? line : belay_strerror(code));
}

void bl_pq_connect_error(const PGconn *pg, const char *name, enum belay_stage stage,
                         struct belay_error *error)
{
    const char *sqlstate = find_sqlstate(PQerrorMessage(pg));

    put(pg, error, BELAY_ECONNECT, stage, "connecting to", name);
    error->kind = BELAY_KIND_RETRY;
    if (sqlstate ? is_fatal(sqlstate) : PQconnectionNeedsPassword(pg))
        error->kind = BELAY_KIND_FATAL;
}

void bl_pq_lost_error(const PGconn *pg, const char *name, struct belay_error *error)
{
    put(pg, error, BELAY_EEOF, BELAY_STAGE_USE, "the connection to", name);
}
