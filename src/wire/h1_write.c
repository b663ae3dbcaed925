/* SPDX-License-Identifier: MIT */
/* Requests. The room a head needs is reserved in one go; then it is a row of copies. */
#include "wire/h1_write.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/field.h"

/* ---- checks ---- */

int bl_h1_check_method(struct bl_span method, struct belay_error *error)
{
    char shown[48];

    if (method.len > BL_METHOD_MAX || !bl_field_is_token(method))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "\"%s\" is not a method",
                            bl_text_show(shown, sizeof shown, method.data, method.len));
    if (bl_span_equal(method, bl_span_of("CONNECT")))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "CONNECT makes tunnels through proxies; it is not a request");
    return 0;
}

static bool is_ours(struct bl_span name)
{
    static const struct bl_span ours[] = {
        BL_SPAN_TEXT("connection"),       BL_SPAN_TEXT("content-length"),
        BL_SPAN_TEXT("expect"),           BL_SPAN_TEXT("keep-alive"),
        BL_SPAN_TEXT("proxy-connection"), BL_SPAN_TEXT("transfer-encoding"),
    };

    for (size_t i = 0; i < BL_COUNT(ours); i++) {
        if (bl_span_equal_nocase(name, ours[i]))
            return true;
    }
    return false;
}

int bl_h1_check_header(const struct belay_header *h, struct belay_error *error)
{
    struct bl_span name = bl_span(h->name, h->name_len);
    char shown[80];

    if (!bl_field_is_token(name))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "\"%s\" is not the name of a header",
                            bl_text_show(shown, sizeof shown, name.data, name.len));
    if (is_ours(name))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "the header %s is set by belay itself",
                            bl_text_show(shown, sizeof shown, name.data, name.len));
    if (!bl_field_is_value(bl_span(h->value, h->value_len)))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "the value of the header %s holds a control character",
                            bl_text_show(shown, sizeof shown, name.data, name.len));
    return 0;
}

/* ---- writing ---- */

static char *put(char *at, struct bl_span text)
{
    if (text.len > 0)
        memcpy(at, text.data, text.len);
    return at + text.len;
}

#define PUT(at, literal) (memcpy(at, literal, sizeof literal - 1), (at) + sizeof literal - 1)

static char *put_field(char *at, struct bl_span name, struct bl_span value)
{
    at = put(at, name);
    at = PUT(at, ": ");
    at = put(at, value);
    return PUT(at, "\r\n");
}

int bl_h1_write_target(struct bl_buf *out, struct bl_mem *mem, struct bl_span target,
                       struct bl_span host, size_t *ret_host_at)
{
    static const char line[] = " HTTP/1.1\r\n";
    char *start, *at;

    if (!bl_field_is_target(target) || !bl_field_is_target(host))
        return BELAY_EINVAL;
    start = at = bl_buf_reserve(out, mem, target.len + host.len + 32);
    if (!at)
        return BELAY_ENOMEM;
    at = PUT(at, " ");
    at = put(at, target);
    at = PUT(at, line);
    *ret_host_at = (size_t)(at - start);
    at = put_field(at, bl_span_of("Host"), host);
    bl_buf_commit(out, (size_t)(at - start));
    return 0;
}

/* Which of the lines that belay adds the caller has given. */
struct given {
    bool host, user_agent, accept, authorization, proxy_authorization, upgrade;
    size_t bytes; /* of all the caller's lines */
};

static struct given look_at(const struct bl_h1_request *r)
{
    struct given g = {0};

    for (size_t i = 0; i < r->headers_n; i++) {
        const struct belay_header *h = &r->headers[i];
        struct bl_span name = bl_span(h->name, h->name_len);

        g.bytes += h->name_len + h->value_len + 4;
        g.host |= bl_span_equal_nocase(name, bl_span_of("host"));
        g.user_agent |= bl_span_equal_nocase(name, bl_span_of("user-agent"));
        g.accept |= bl_span_equal_nocase(name, bl_span_of("accept"));
        g.authorization |= bl_span_equal_nocase(name, bl_span_of("authorization"));
        g.proxy_authorization |= bl_span_equal_nocase(name, bl_span_of("proxy-authorization"));
        g.upgrade |= bl_span_equal_nocase(name, bl_span_of("upgrade"));
    }
    return g;
}

/* Methods for which a body is usual: its absence is said. */
static bool usually_has_body(struct bl_span method)
{
    return bl_span_equal(method, bl_span_of("POST")) || bl_span_equal(method, bl_span_of("PUT")) ||
           bl_span_equal(method, bl_span_of("PATCH"));
}

static char *put_framing(char *at, const struct bl_h1_request *r)
{
    int64_t length = r->body;

    if (length == BL_H1_NO_BODY) {
        if (!usually_has_body(r->method))
            return at;
        length = 0;
    }
    if (length == BL_H1_CHUNKED)
        at = PUT(at, "Transfer-Encoding: chunked\r\n");
    else
        at += snprintf(at, 48, "Content-Length: %" PRId64 "\r\n", length);
    if (r->expect_continue && length != 0)
        at = PUT(at, "Expect: 100-continue\r\n");
    return at;
}

int bl_h1_write_head(struct bl_buf *out, struct bl_mem *mem, const struct bl_h1_request *r)
{
    struct given g = look_at(r);
    size_t room = r->method.len + r->target.len + r->user_agent.len + r->authorization.len +
                  r->proxy_authorization.len + g.bytes + 288;
    char *start = bl_buf_reserve(out, mem, room), *at = start;

    if (!at)
        return BELAY_ENOMEM;
    at = put(at, r->method);
    at = put(at, bl_span(r->target.data, g.host ? r->host_at : r->target.len));
    if (r->user_agent.data && !g.user_agent)
        at = put_field(at, bl_span_of("User-Agent"), r->user_agent);
    if (!g.accept)
        at = PUT(at, "Accept: */*\r\n");
    if (r->authorization.data && !g.authorization)
        at = put_field(at, bl_span_of("Authorization"), r->authorization);
    if (BL_UNLIKELY(r->proxy_authorization.data != NULL) && !g.proxy_authorization)
        at = put_field(at, bl_span_of("Proxy-Authorization"), r->proxy_authorization);
    if (g.upgrade)
        at = PUT(at, "Connection: Upgrade\r\n");
    for (size_t i = 0; i < r->headers_n; i++) {
        const struct belay_header *h = &r->headers[i];

        at = put_field(at, bl_span(h->name, h->name_len), bl_span(h->value, h->value_len));
    }
    at = put_framing(at, r);
    at = PUT(at, "\r\n");
    BL_ASSERT((size_t)(at - start) <= room);
    bl_buf_commit(out, (size_t)(at - start));
    return 0;
}

size_t bl_h1_write_chunk_line(char out[BL_H1_CHUNK_LINE_MAX], size_t len)
{
    return (size_t)snprintf(out, BL_H1_CHUNK_LINE_MAX, "%zx\r\n", len);
}
