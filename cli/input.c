/* SPDX-License-Identifier: MIT */
/* What is read before anything is asked. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

const char *input_name(const char *path, char shown[TEXT_SHOWN_MAX])
{
    return is_stdin(path) ? "standard input" : text_show(shown, TEXT_SHOWN_MAX, path);
}

static bool fail(struct complaint *why, const char *what, const char *path, const char *happened)
{
    char shown[TEXT_SHOWN_MAX];

    return complain(why, "%s: %s: %s", what, input_name(path, shown), happened);
}

static bool read_all(int fd, struct bytes *ret, const char **ret_error)
{
    for (;;) {
        ssize_t n;

        bytes_reserve(ret, 65536);
        n = read(fd, ret->data + ret->len, 65536);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            *ret_error = strerror(errno);
            return false;
        }
        ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        if (ret->len > INPUT_MAX) {
            *ret_error = "is larger than 1 GiB";
            return false;
        }
    }
}

bool input_read(const char *path, const char *what, struct bytes *ret, struct complaint *why)
{
    int fd = is_stdin(path) ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    const char *error = NULL;
    bool good;

    if (fd < 0)
        return fail(why, what, path, strerror(errno));
    bytes_reserve(ret, 0);
    ret->data[ret->len] = '\0';
    good = read_all(fd, ret, &error);
    if (fd != 0)
        close(fd);
    return good || fail(why, what, path, error);
}

/* ---- URLs ---- */

/* curl's -i shows headers: what follows it here is then a URL, or another option. */
static bool looks_like_curl(const char *path)
{
    return strstr(path, "://") || (path[0] == '-' && path[1] != '\0');
}

static void add_url(struct client_options *o, char *url, const char *file, unsigned long line)
{
    strings_add(&o->urls, url);
    o->url_lines = memory_grow(o->url_lines, o->urls.space, sizeof *o->url_lines);
    o->url_lines[o->urls.n - 1] = (struct url_line){file, line};
}

static bool add_lines(struct client_options *o, const char *path, char *text, size_t len,
                      struct complaint *why)
{
    char *line = text, *end = text + len;

    for (unsigned long number = 1; line < end; number++) {
        char *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end;

        while (stop > line && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        while (line < stop && (*line == ' ' || *line == '\t'))
            line++;
        if (memchr(line, '\0', (size_t)(stop - line))) {
            char shown[TEXT_SHOWN_MAX];

            return complain(why, "reading URLs: %s: line %lu has a NUL byte in it",
                            text_show(shown, sizeof shown, path), number);
        }
        *stop = '\0';
        if (line < stop && *line != '#')
            add_url(o, line, path, number);
        line = newline ? newline + 1 : end;
    }
    return true;
}

bool input_urls(struct client_options *o, struct bytes *ret, struct complaint *why)
{
    size_t *starts = memory_get(o->url_files.n + 1, sizeof *starts);
    bool good = true;

    o->url_lines = memory_get(o->urls.n, sizeof *o->url_lines);
    for (size_t i = 0; good && i < o->url_files.n; i++) {
        const char *path = o->url_files.items[i];
        size_t used;

        starts[i] = ret->len;
        good = input_read(path, "reading URLs", ret, why);
        used = strlen(why->text);
        if (!good && looks_like_curl(path))
            snprintf(why->text + used, sizeof why->text - used,
                     " (-i takes a file of URLs; curl's -i, headers with the body, is -D - here)");
        bytes_add(ret, "\n", 1); /* room for the NUL of a last line without an end */
    }
    starts[o->url_files.n] = ret->len;
    for (size_t i = 0; good && i < o->url_files.n; i++)
        good = add_lines(o, o->url_files.items[i], ret->data + starts[i], starts[i + 1] - starts[i],
                         why);
    free(starts);
    return good;
}

/* ---- bodies ---- */

/* As curl reads @FILE for -d: without line ends and NULs. */
static void drop_line_ends(struct bytes *b, size_t from)
{
    size_t to = from;

    for (size_t i = from; i < b->len; i++)
        if (b->data[i] != '\r' && b->data[i] != '\n' && b->data[i] != '\0')
            b->data[to++] = b->data[i];
    b->len = to;
    b->data[to] = '\0';
}

bool input_data(const struct client_options *o, struct bytes *ret, struct complaint *why)
{
    for (size_t i = 0; i < o->data_n; i++) {
        const struct data_option *data = &o->data[i];
        size_t from;

        if (i > 0)
            bytes_add(ret, "&", 1);
        from = ret->len;
        if (data->text[0] != '@')
            bytes_add(ret, data->text, strlen(data->text));
        else if (!input_read(data->text + 1, "reading the body", ret, why))
            return false;
        else if (!data->binary)
            drop_line_ends(ret, from);
    }
    return true;
}

bool input_upload(const char *path, int *ret_fd, off_t *ret_size, struct complaint *why)
{
    int fd = is_stdin(path) ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(why, "reading the body", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        return fail(why, "reading the body", path, strerror(EISDIR));
    }
    *ret_fd = fd;
    *ret_size = S_ISREG(st.st_mode) && fd != 0 ? st.st_size : -1;
    return true;
}
