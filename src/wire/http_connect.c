/* SPDX-License-Identifier: MIT */
/*
 * HTTP CONNECT (RFC 9110, section 9.3.6). An answer is read byte by byte, by state:
 *
 *     STATUS --LF--> LINE_START --LF--> DONE, or STATUS again after 1xx
 *                    LINE_START --name--> NAME --":"--> VALUE --LF--> LINE_START
 *
 * A refusal is one as soon as its status is known. Lines may end in LF alone, as some proxies have
 * it.
 */
#include "wire/http_connect.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/credentials.h"
#include "wire/field.h"

/* ---- the request ---- */

/* What stands in the names and addresses that resolvers take: neither blanks nor line ends. */
static bool is_authority(const char *host)
{
    size_t len = strlen(host);

    for (size_t i = 0; i < len; i++) {
        char c = bl_lower(host[i]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(".:-_", c));
        if (!plain)
            return false;
    }
    return len > 0 && len <= 255;
}

static int write_head(struct bl_mem *mem, const char *host, uint16_t port, const char *basic,
                      char **ret_text, size_t *ret_len)
{
    static const char format[] = "CONNECT %s%s%s:%u HTTP/1.1\r\n"
                                 "Host: %s%s%s:%u\r\n"
                                 "%s%s%s"
                                 "User-Agent: belay/" BELAY_VERSION "\r\n"
                                 "\r\n";
    bool v6 = strchr(host, ':') != NULL;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    size_t size = sizeof format + 2 * (strlen(host) + 8) +
                  (basic ? strlen(basic) + sizeof "Proxy-Authorization: \r\n" : 0);
    char *text = bl_alloc(mem, size);

    if (!text)
        return BELAY_ENOMEM;
    *ret_len = (size_t)snprintf(text, size, format, open, host, close, (unsigned)port, open, host,
                                close, (unsigned)port, basic ? "Proxy-Authorization: " : "",
                                basic ? basic : "", basic ? "\r\n" : "");
    *ret_text = text;
    return 0;
}

int bl_connect_write(struct bl_mem *mem, const char *host, uint16_t port, const char *user,
                     const char *password, char **ret_text, size_t *ret_len,
                     struct belay_error *error)
{
    struct bl_span name = bl_span_of(user), secret = bl_span_of(password ? password : "");
    char *basic = NULL;
    int rc;

    if (!is_authority(host))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "HTTP CONNECT cannot ask for such a host name");
    if (user && (!bl_field_is_value(name) || memchr(name.data, ':', name.len) ||
                 !bl_field_is_value(secret)))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "Basic credentials can hold neither control characters nor, in the "
                            "user name, a colon");
    if (user)
        basic = bl_basic_credentials(mem, name, secret);
    rc = user && !basic ? BELAY_ENOMEM : write_head(mem, host, port, basic, ret_text, ret_len);
    bl_free_secret(mem, basic, basic ? strlen(basic) : 0);
    if (rc < 0)
        bl_error_set(error, rc, BELAY_STAGE_NONE, "%s", belay_strerror(rc));
    return rc;
}

/* ---- the answer ---- */

enum state { STATUS = 0, STATUS_REST, LINE_START, NAME, VALUE, BLANK, DONE };

/* What belay calls them, as the proxy's own words are not repeated. */
static const char *status_text(int status)
{
    switch (status) {
    case 400:
        return "bad request";
    case 401:
    case 407:
        return "it wants other credentials";
    case 403:
        return "forbidden";
    case 404:
        return "not found";
    case 405:
    case 501:
        return "it does not do CONNECT";
    case 408:
    case 504:
        return "it waited in vain";
    case 429:
        return "too many requests";
    case 500:
        return "internal error";
    case 502:
        return "it could not connect";
    case 503:
        return "not available";
    default:
        return status < 400 ? "this is not an answer to CONNECT" : "refused";
    }
}

static bool may_work_later(int status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501);
}

bool bl_connect_blames_target(int status)
{
    return status == 403 || status == 404 || status == 410 || status == 451 ||
           (status >= 502 && status <= 504);
}

static int refused(int status, struct belay_error *error)
{
    bl_error_set(error, BELAY_EPROXY, BELAY_STAGE_NONE, "the proxy answered %d: %s", status,
                 status_text(status));
    if (error) {
        error->status = status;
        error->kind = may_work_later(status) ? BELAY_KIND_RETRY : BELAY_KIND_FATAL;
    }
    return BELAY_EPROXY;
}

static int garbled(struct belay_error *error)
{
    return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_NONE,
                        "what the proxy answered is not HTTP/1.1");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.d ddd", then a blank or the end of the line. */
static bool fits_status(char c, unsigned i)
{
    static const char start[] = "HTTP/1.";
    if (i < sizeof start - 1)
        return c == start[i];
    return i == 8 ? c == ' ' : i == 9 ? c >= '1' && c <= '5' : i < 12 && is_digit(c);
}

static int on_status(struct bl_connect *c, char byte, struct belay_error *error)
{
    if (c->line_n < 12) {
        if (!fits_status(byte, c->line_n))
            return garbled(error);
        c->line[c->line_n++] = byte;
        return 0;
    }
    if (byte != ' ' && byte != '\r' && byte != '\n')
        return garbled(error);
    c->status = (uint16_t)((c->line[9] - '0') * 100 + (c->line[10] - '0') * 10 + c->line[11] - '0');
    c->line_n = 0;
    if (c->status >= 300 || c->status == 101) /* nobody asked for another protocol */
        return refused(c->status, error);
    c->state = byte == '\n' ? LINE_START : STATUS_REST;
    return 0;
}

/* A head is over: 1 unless it was an interim one. */
static int on_blank_line(struct bl_connect *c)
{
    c->state = c->status >= 200 ? DONE : STATUS;
    return c->status >= 200;
}

static int on_byte(struct bl_connect *c, char byte, struct belay_error *error)
{
    bool token = bl_field_is_token(bl_span(&byte, 1));

    switch ((enum state)c->state) {
    case STATUS:
        return on_status(c, byte, error);
    case STATUS_REST:
    case VALUE:
        if (byte == '\n')
            c->state = LINE_START;
        return byte == '\0' ? garbled(error) : 0;
    case LINE_START:
        if (byte == '\n')
            return on_blank_line(c);
        c->state = byte == '\r' ? BLANK : NAME;
        return token || byte == '\r' ? 0 : garbled(error);
    case NAME:
        if (byte == ':')
            c->state = VALUE;
        return token || byte == ':' ? 0 : garbled(error);
    case BLANK:
        return byte == '\n' ? on_blank_line(c) : garbled(error);
    case DONE:
        break;
    }
    return 1;
}

/* Not a limit of this process: the proxy is to blame. */
static int too_long(struct belay_error *error)
{
    bl_error_set(error, BELAY_ELIMIT, BELAY_STAGE_NONE,
                 "the proxy's answer is longer than %d bytes", BL_CONNECT_ANSWER_MAX);
    if (error)
        error->kind = BELAY_KIND_FATAL;
    return BELAY_ELIMIT;
}

int bl_connect_input(struct bl_connect *c, const void *data, size_t len, size_t *ret_used,
                     struct belay_error *error)
{
    const char *bytes = data;
    int rc = 0;
    size_t i;

    for (i = 0; i < len && rc == 0; i++) {
        if (c->total++ == BL_CONNECT_ANSWER_MAX) {
            rc = too_long(error);
            break;
        }
        rc = on_byte(c, bytes[i], error);
    }
    *ret_used = i;
    return rc;
}
