/* SPDX-License-Identifier: MIT */
/* Everything that goes to standard error. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

static bool transient_shown;
static say_line_fn *divert;
static void *divert_arg;

void say_divert(say_line_fn *fn, void *arg)
{
    divert = fn;
    divert_arg = arg;
}

static void erase(void)
{
    if (transient_shown)
        fputs("\r\033[K", stderr);
    transient_shown = false;
}

/* What a peer wrote must not move the cursor. */
static void write_line(const char *prefix, const char *format, va_list args)
{
    char line[2048];
    size_t len = (size_t)snprintf(line, sizeof line, "%s", prefix);

    vsnprintf(line + len, sizeof line - len, format, args);
    text_tame(line, "");
    if (divert) {
        divert(line, divert_arg);
        return;
    }
    erase();
    fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line("belay: ", format, args);
    va_end(args);
}

void say_plain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void say_transient(const char *line)
{
    if (!line || !line[0]) {
        erase();
    } else {
        fprintf(stderr, "\r%s\033[K", line);
        transient_shown = true;
    }
    fflush(stderr);
}

bool say_is_terminal(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && term && term[0] && strcmp(term, "dumb") != 0;
}

bool say_has_colours(int fd)
{
    const char *no = getenv("NO_COLOR");

    return say_is_terminal(fd) && !(no && no[0]);
}

size_t say_width(void)
{
    struct winsize size;

    if (ioctl(2, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}
