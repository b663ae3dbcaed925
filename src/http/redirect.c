/* SPDX-License-Identifier: MIT */
/*
 * Redirects. 303 always becomes GET, 301 and 302 do for POST, as every client does; 307 and 308
 * change nothing. From https to http is allowed; that is another origin, so credentials stay
 * behind.
 */
#include "http/redirect.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"

bool bl_redirect_is_credential(struct bl_span name)
{
    static const char *const names[] = {"authorization", "cookie", "host"};

    for (size_t i = 0; i < BL_COUNT(names); i++) {
        if (bl_span_equal_nocase(name, bl_span_of(names[i])))
            return true;
    }
    return false;
}

bool bl_is_for_proxy(struct bl_span name)
{
    return bl_span_equal_nocase(name, bl_span_of("proxy-authorization"));
}

bool bl_redirect_is_of_body(struct bl_span name)
{
    static const char prefix[] = "content-";

    return name.len >= sizeof prefix - 1 &&
           bl_span_equal_nocase(bl_span(name.data, sizeof prefix - 1), bl_span_of(prefix));
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool becomes_get(int status, struct bl_span method)
{
    if (status == 303)
        return !bl_span_equal(method, bl_span_of("HEAD"));
    return (status == 301 || status == 302) && bl_span_equal(method, bl_span_of("POST"));
}

static bool same_origin(const struct bl_url *a, const struct bl_url *b)
{
    char host_a[BL_HOST_MAX + 2], host_b[BL_HOST_MAX + 2];
    size_t len_a, len_b;

    if (a->scheme != b->scheme || a->port != b->port)
        return false;
    len_a = bl_url_host(a, host_a);
    len_b = bl_url_host(b, host_b);
    return bl_span_equal(bl_span(host_a, len_a), bl_span(host_b, len_b));
}

static int unusable(const struct bl_redirect_facts *f, struct belay_error *error, const char *why)
{
    char shown[80];

    if (!f->discreet && memchr(f->location.data, '@', f->location.len)) /* after a password */
        return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE, "a redirect (%d): %s", f->status,
                            why);
    if (f->discreet)
        return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE,
                            "a redirect (%d) leads to what is not an address of the web's",
                            f->status);
    return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE, "a redirect (%d) to \"%s\": %s",
                        f->status,
                        bl_text_show(shown, sizeof shown, f->location.data, f->location.len), why);
}

static int locate(const struct bl_redirect_facts *f, struct bl_redirect *ret, struct bl_buf *url,
                  struct bl_mem *mem, struct belay_error *error)
{
    struct bl_url from, to;
    struct belay_error why;
    int rc = bl_url_resolve(f->url, f->location, url, mem);

    if (rc == BELAY_ENOMEM)
        return bl_error_set(error, rc, BELAY_STAGE_USE, "following a redirect: out of memory");
    if (rc < 0)
        return unusable(f, error, "that is not an address");
    if (bl_url_parse(bl_buf_head(url), bl_buf_len(url), BL_SCHEMES_WEB, &to, &why) < 0)
        return unusable(f, error, why.text);
    rc = bl_url_parse(f->url.data, f->url.len, BL_SCHEMES_WEB, &from, error);
    if (rc < 0)
        return rc;
    ret->same_origin = same_origin(&from, &to);
    if (to.fragment.data)
        url->end -= (uint32_t)to.fragment.len + 1;
    if (bl_buf_append(url, mem, "", 1) < 0)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_USE,
                            "following a redirect: out of memory");
    url->end--;
    return 0;
}

int bl_redirect_decide(const struct bl_redirect_facts *f, struct bl_redirect *ret,
                       struct bl_buf *url, struct bl_mem *mem, struct belay_error *error)
{
    memset(ret, 0, sizeof *ret);
    bl_buf_clear(url);
    if (!is_redirect(f->status) || !f->location.data || f->max <= 0)
        return 0;
    if (f->redirects >= f->max)
        return bl_error_set(error, BELAY_EREDIRECT, BELAY_STAGE_USE,
                            "redirected more than %d times", (int)f->max);
    ret->follow = true;
    ret->to_get = becomes_get(f->status, f->method);
    return locate(f, ret, url, mem, error);
}
