/* SPDX-License-Identifier: MIT */
/* A terminal that is drawn on as a whole. */
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "memory.h"
#include "say.h"

#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[0m\033[?25h\033[?1049l"

static struct {
    bool drawn_on, keys; /* as they are now */
    bool prepared;       /* leaving at the program's end is seen to */
    struct termios before;
} terminal;

static void write_all(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(1, text, len);

        if (n < 0 && errno != EINTR)
            return; /* it is gone: nothing can be left as it was */
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

bool terminal_is_ours(void)
{
    return say_is_terminal(1) && tcgetpgrp(1) == getpgrp();
}

/* Nothing but what a handler of signals may do. */
void terminal_leave(void)
{
    if (terminal.drawn_on)
        write_all(LEAVE, sizeof LEAVE - 1);
    terminal.drawn_on = false;
    if (terminal.keys)
        tcsetattr(0, TCSANOW, &terminal.before);
    terminal.keys = false;
}

static void on_crash(int number)
{
    terminal_leave();
    raise(number); /* the default action, as of now */
}

static void prepare(void)
{
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

    if (terminal.prepared)
        return;
    terminal.prepared = true;
    atexit(terminal_leave);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        sigaction(crashes[i], &action, NULL);
}

void terminal_enter(void)
{
    struct termios keys;

    prepare();
    if (!terminal.keys && isatty(0) && tcgetattr(0, &terminal.before) == 0) {
        keys = terminal.before;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        terminal.keys = tcsetattr(0, TCSANOW, &keys) == 0;
    }
    if (!terminal.drawn_on)
        write_all(ENTER, sizeof ENTER - 1);
    terminal.drawn_on = true;
}

void terminal_draw(const char *text, size_t len, size_t lines)
{
    struct bytes out = {0};

    bytes_add(&out, "\033[H", 3);
    for (const char *end = text + len; text < end && lines > 0; lines--) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((newline ? newline : end) - text);

        bytes_add(&out, text, n);
        bytes_add(&out, "\033[K", 3);
        text += n + 1;
        if (text < end && lines > 1)
            bytes_add(&out, "\r\n", 2);
    }
    bytes_add(&out, "\033[J", 3);
    write_all(out.data, out.len);
    bytes_free(&out);
}

static size_t from_environment(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    long n = text ? strtol(text, NULL, 10) : 0;

    return n > 0 && n < 10000 ? (size_t)n : otherwise;
}

void terminal_size(size_t *ret_columns, size_t *ret_lines)
{
    struct winsize size;
    bool told = ioctl(1, TIOCGWINSZ, &size) == 0;

    *ret_columns = told && size.ws_col ? size.ws_col : from_environment("COLUMNS", 80);
    *ret_lines = told && size.ws_row ? size.ws_row : from_environment("LINES", 24);
}
