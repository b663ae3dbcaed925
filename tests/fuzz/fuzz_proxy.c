/* SPDX-License-Identifier: MIT */
/* What proxies answer: SOCKS 4 and 5 and HTTP CONNECT, in portions of any size; and the header of
 * the PROXY protocol for any two addresses. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "wire/credentials.h"
#include "wire/http_connect.h"
#include "wire/proxy_protocol.h"
#include "wire/socks.h"

#define SECRET "sesame-open"

static void check_error(int rc, const struct belay_error *error)
{
    BL_ASSERT(rc == error->code);
    fuzz_check_sentence(error->text, sizeof error->text);
    BL_ASSERT(!strstr(error->text, SECRET));
    BL_ASSERT(rc == BELAY_EPROXY || rc == BELAY_EPROTO || rc == BELAY_ELIMIT);
    BL_ASSERT((rc == BELAY_EPROXY) == (error->status != 0));
}

static struct belay_addr draw_addr(struct fuzz_input *in)
{
    struct belay_addr addr = {.family = (uint8_t)fuzz_below(in, 4)};

    if (addr.family == BELAY_FAMILY_UNIX) {
        addr.path_len = 2;
        memcpy(addr.u.path, "/x", 2);
        return addr;
    }
    addr.port = (uint16_t)(fuzz_byte(in) * 257);
    for (size_t i = 0; i < sizeof addr.u.ip; i++)
        addr.u.ip[i] = fuzz_byte(in);
    return addr;
}

/* ---- SOCKS ---- */

static void check_socks(struct fuzz_input *in)
{
    char host[300];
    struct belay_addr addr = draw_addr(in);
    struct bl_socks_want want = {.version = (int)(4 + fuzz_below(in, 2)), .port = 443};
    struct belay_error error;
    struct bl_socks s;
    size_t len = fuzz_byte(in) + fuzz_below(in, 4);
    int rc;

    memset(host, 'h', len);
    host[len] = '\0';
    want.host = host;
    if (addr.family != BELAY_FAMILY_NONE)
        want.addr = &addr;
    if (fuzz_below(in, 2)) {
        want.user = SECRET;
        want.password = SECRET;
    }
    rc = bl_socks_init(&s, &want, &error);
    if (rc < 0) {
        BL_ASSERT(rc == BELAY_EINVAL);
        fuzz_check_sentence(error.text, sizeof error.text);
        return;
    }
    while (rc == 0) {
        size_t n = bl_socks_output(&s).len;
        size_t max = 1 + fuzz_byte(in);

        BL_ASSERT((n > 0) != (bl_socks_wants(&s) > 0));
        if (n > 0) {
            bl_socks_sent(&s, n < max ? n : max);
            continue;
        }
        n = bl_socks_wants(&s);
        n = n < max ? n : max;
        n = n < in->len ? n : in->len;
        if (n == 0)
            break;
        rc = bl_socks_input(&s, in->data, n, &error);
        in->data += n;
        in->len -= n;
    }
    if (rc < 0)
        check_error(rc, &error);
    else if (rc == 1)
        BL_ASSERT(bl_socks_wants(&s) == 0 && bl_socks_output(&s).len == 0);
    bl_socks_fini(&s);
}

/* ---- HTTP ---- */

/* Whole and in portions it comes to the same. */
static void check_connect(struct fuzz_input *in)
{
    size_t chop = 1 + fuzz_byte(in);
    struct bl_span text = fuzz_rest(in);
    struct belay_error error, other;
    struct bl_connect c;
    size_t used, at = 0;
    int rc, again = 0;

    bl_connect_init(&c);
    rc = bl_connect_input(&c, text.data, text.len, &used, &error);
    BL_ASSERT(used <= text.len && used <= BL_CONNECT_ANSWER_MAX);
    BL_ASSERT(rc != 0 || used == text.len);
    bl_connect_init(&c);
    while (at < text.len && again == 0) {
        size_t n = text.len - at < chop ? text.len - at : chop, some;

        again = bl_connect_input(&c, text.data + at, n, &some, &other);
        at += some;
    }
    BL_ASSERT(rc == again && (rc < 0 || used == at));
    if (rc < 0)
        check_error(rc, &error);
    else if (rc == 1)
        BL_ASSERT(text.data[used - 1] == '\n');
}

/* Whatever the host is: one request, with two lines that name it. */
static void check_request(struct fuzz_input *in)
{
    struct bl_mem mem;
    struct bl_span given = fuzz_rest(in);
    char *host, *text = NULL;
    size_t len = 0;

    bl_mem_init(&mem, NULL);
    host = bl_strndup(&mem, given.data ? given.data : "", given.len < 400 ? given.len : 400);
    if (host && bl_connect_write(&mem, host, 1, NULL, NULL, &text, &len, NULL) == 0) {
        size_t lines = 0;

        for (size_t i = 0; i < len; i++)
            lines += text[i] == '\n';
        BL_ASSERT(lines == 4 && strlen(text) == len);
        BL_ASSERT(memcmp(text + len - 4, "\r\n\r\n", 4) == 0);
    }
    bl_free_secret(&mem, text, len);
    bl_free(&mem, host);
}

/* ---- PROXY ---- */

static void check_header(struct fuzz_input *in)
{
    struct belay_addr from = draw_addr(in), to = draw_addr(in);
    uint8_t out[BL_PROXY_HEADER_MAX];
    size_t n = bl_proxy_header(1, &from, &to, out);

    BL_ASSERT(n <= 107 && memcmp(out, "PROXY ", 6) == 0);
    BL_ASSERT(memchr(out, '\n', n) == out + n - 1 && out[n - 2] == '\r');
    BL_ASSERT(!memchr(out, '%', n) && !memchr(out, '[', n));
    n = bl_proxy_header(2, &from, &to, out);
    BL_ASSERT(n == 16u + out[14] * 256u + out[15]);
    BL_ASSERT(n == 16 || n == 28 || n == 52);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};

    switch (fuzz_below(&in, 4)) {
    case 0:
        check_socks(&in);
        break;
    case 1:
        check_connect(&in);
        break;
    case 2:
        check_request(&in);
        break;
    default:
        check_header(&in);
    }
    return 0;
}
