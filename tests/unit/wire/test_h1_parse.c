/* SPDX-License-Identifier: MIT */
/*
 * The parser of responses: good and bad ones, each whole, cut in two at every place, and byte by
 * byte, must give the same account of itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "support/failing_alloc.h"
#include "wire/h1_parse.h"

#define EOF_MARK                                                                                   \
    "\x01"                                                                                         \
    "EOF" /* at the end of an input: and then the peer closes */

struct vector {
    const char *name, *input, *account;
    size_t len; /* 0: strlen */
    bool head_request;
    struct bl_h1_limits limits;
};

/*
 * An account: INFO and HEAD with what the head says ("until_close", "close", ...) and the headers
 * in brackets, the body in one piece, END with trailers, how many bytes were left; or the error's
 * name and text.
 */
static const struct vector good[] = {
    {.name = "a length",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
     .account = "HEAD 200 1.1 'OK' length=5 [Content-Length=5][X=y] body='hello' END left=0"},
    {.name = "no reason",
     .input = "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
     .account = "HEAD 404 1.1 '' length=0 [Content-Length=0] END left=0"},
    {.name = "no reason, and no blank before it",
     .input = "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
     .account = "HEAD 404 1.1 '' length=0 [Content-Length=0] END left=0"},
    {.name = "blanks around values, and an empty one",
     .input = "HTTP/1.1 200 All is well\r\nA:b\r\nC: \t d e \t \r\nF:\r\nContent-Length:0\r\n\r\n",
     .account =
         "HEAD 200 1.1 'All is well' length=0 [A=b][C=d e][F=][Content-Length=0] END left=0"},
    {.name = "chunks",
     .input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
              "Chunked\r\n\r\n3\r\nabc\r\n0b\r\ndefghijklmn\r\n0\r\n\r\n",
     .account =
         "HEAD 200 1.1 'OK' chunked [Transfer-Encoding=Chunked] body='abcdefghijklmn' END left=0"},
    {.name = "chunk extensions and trailers",
     .input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: "
              "1\r\nU:  two \r\n\r\nmore",
     .account = "HEAD 200 1.1 'OK' chunked [Transfer-Encoding=chunked] body='abc' END [T=1][U=two] "
                "left=4"},
    {.name = "until the close",
     .input = "HTTP/1.1 200 OK\r\nServer: s\r\n\r\nhello" EOF_MARK,
     .account = "HEAD 200 1.1 'OK' until_close close [Server=s] body='hello' END left=0"},
    {.name = "nothing until the close",
     .input = "HTTP/1.0 200 OK\r\n\r\n" EOF_MARK,
     .account = "HEAD 200 1.0 'OK' until_close close END left=0"},
    {.name = "HTTP/1.0 closes",
     .input = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
     .account = "HEAD 200 1.0 'OK' length=1 close [Content-Length=1] body='x' END left=0"},
    {.name = "HTTP/1.0 stays open when it says so",
     .input = "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
     .account = "HEAD 200 1.0 'OK' length=1 [Connection=Keep-Alive][Content-Length=1] body='x' END "
                "left=0"},
    {.name = "Connection: close among others",
     .input = "HTTP/1.1 200 OK\r\nConnection: x-y, Close\r\nContent-Length: 1\r\n\r\nx",
     .account = "HEAD 200 1.1 'OK' length=1 close [Connection=x-y, Close][Content-Length=1] "
                "body='x' END left=0"},
    {.name = "HEAD has no body",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
     .head_request = true,
     .account = "HEAD 200 1.1 'OK' length=500 [Content-Length=500] END left=0"},
    {.name = "HEAD of something chunked has no body",
     .input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     .head_request = true,
     .account = "HEAD 200 1.1 'OK' chunked [Transfer-Encoding=chunked] END left=0"},
    {.name = "204 has no body",
     .input = "HTTP/1.1 204 No Content\r\n\r\n",
     .account = "HEAD 204 1.1 'No Content' END left=0"},
    {.name = "204 that announces a body is the last",
     .input = "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
     .account = "HEAD 204 1.1 'No Content' length=3 close [Content-Length=3] END left=0"},
    {.name = "204 that announces chunks is the last",
     .input = "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
     .account = "HEAD 204 1.1 'No Content' chunked close [Transfer-Encoding=chunked] END left=0"},
    {.name = "204 of no length is as good as any",
     .input = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     .account = "HEAD 204 1.1 'No Content' length=0 [Content-Length=0] END left=0"},
    {.name = "304 has no body whatever its length",
     .input = "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
     .account = "HEAD 304 1.1 'Not Modified' length=9 [Content-Length=9] END left=0"},
    {.name = "informational ones first",
     .input = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 "
              "OK\r\nContent-Length: 2\r\n\r\nok",
     .account = "INFO 100 1.1 'Continue' INFO 103 1.1 'Early' [Link=a] HEAD 200 1.1 'OK' length=2 "
                "[Content-Length=2] "
                "body='ok' END left=0"},
    {.name = "101 ends HTTP",
     .input = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nxyz",
     .account = "HEAD 101 1.1 'Switching Protocols' upgrade close [Upgrade=x][Connection=Upgrade] "
                "END left=3"},
    {.name = "bytes after it are left",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1",
     .account = "HEAD 200 1.1 'OK' length=2 [Content-Length=2] body='ok' END left=8"},
    {.name = "bytes past ASCII",
     .input = "HTTP/1.1 200 \xc3\xa4\r\nX: \xff\r\nContent-Length: 0\r\n\r\n",
     .account = "HEAD 200 1.1 '\xc3\xa4' length=0 [X=\xff][Content-Length=0] END left=0"},
    {.name = "as many headers as allowed",
     .input = "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n",
     .limits = {.header_bytes = 44, .headers = 2},
     .account = "HEAD 200 1.1 'OK' length=0 [A=1][Content-Length=0] END left=0"},
};

#define OK_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define SAYS_OK    "HEAD 200 1.1 'OK' chunked [Transfer-Encoding=chunked] "

static const struct vector bad[] = {
    {.name = "another protocol",
     .input = "SSH-2.0-OpenSSH_9.2\r\n",
     .account = "EPROTO which is not HTTP"},
    {.name = "TLS",
     .input = "\x15\x03\x01\x00\x02\x02\x46",
     .len = 7,
     .account = "EPROTO the peer speaks TLS"},
    {.name = "empty lines first",
     .input = "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
     .account = "EPROTO which is not HTTP"},
    {.name = "HTTP/2", .input = "HTTP/2.0 200 OK\r\n\r\n", .account = "EPROTO HTTP/2.0"},
    {.name = "HTTP/0.9", .input = "HTTP/0.9 200 OK\r\n\r\n", .account = "EPROTO HTTP/0.9"},
    {.name = "HTTP/1.2", .input = "HTTP/1.2 200 OK\r\n\r\n", .account = "EPROTO"},
    {.name = "HTTP/11.1", .input = "HTTP/11.1 200 OK\r\n\r\n", .account = "EPROTO"},
    {.name = "status 99", .input = "HTTP/1.1 099 OK\r\n\r\n", .account = "EPROTO status \"099\""},
    {.name = "two digits", .input = "HTTP/1.1 99 OK\r\n\r\n", .account = "EPROTO status"},
    {.name = "status 600", .input = "HTTP/1.1 600 OK\r\n\r\n", .account = "EPROTO status \"600\""},
    {.name = "status 2000", .input = "HTTP/1.1 2000 OK\r\n\r\n", .account = "EPROTO status"},
    {.name = "status 0200", .input = "HTTP/1.1 0200 OK\r\n\r\n", .account = "EPROTO status"},
    {.name = "a status of one digit, and then the line ends",
     .input = "HTTP/1.1 2\nA: b\r\n\r\n",
     .account = "EPROTO status \"2\","},
    {.name = "a head of twelve bytes",
     .input = "HTTP/1.1 \n\r\n",
     .account = "EPROTO status \"\","},
    {.name = "status of letters", .input = "HTTP/1.1 abc OK\r\n\r\n", .account = "EPROTO"},
    {.name = "no status", .input = "HTTP/1.1\r\n\r\n", .account = "EPROTO"},
    {.name = "a folded line",
     .input = "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
     .account = "EPROTO folded"},
    {.name = "a folded line with a tab",
     .input = "HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\nContent-Length: 0\r\n\r\n",
     .account = "EPROTO folded"},
    {.name = "a folded line after an empty value",
     .input = "HTTP/1.1 200 OK\r\nA:\r\n c\r\nContent-Length: 0\r\n\r\n",
     .account = "EPROTO folded"},
    {.name = "a blank before the first header",
     .input = "HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 0\r\n\r\n",
     .account = "EPROTO"},
    {.name = "a blank before the colon",
     .input = "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
     .account = "EPROTO"},
    {.name = "a header without a colon",
     .input = "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
     .account = "EPROTO"},
    {.name = "an empty name", .input = "HTTP/1.1 200 OK\r\n: x\r\n\r\n", .account = "EPROTO"},
    {.name = "NUL in a value",
     .input = "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
     .len = 28,
     .account = "EPROTO"},
    {.name = "NUL in a name",
     .input = "HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n",
     .len = 27,
     .account = "EPROTO"},
    {.name = "NUL in the reason",
     .input = "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
     .len = 39,
     .account = "EPROTO control"},
    {.name = "CR in a value", .input = "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", .account = "EPROTO"},
    {.name = "lines that end in LF", .input = "HTTP/1.1 200 OK\nA: b\n\n", .account = "EPROTO"},
    {.name = "two lengths",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
     .account = "EPROTO contradictory"},
    {.name = "a length and a coding",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     .account = "EPROTO contradictory"},
    {.name = "a coding and a length",
     .input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
     .account = "EPROTO contradictory"},
    {.name = "a negative length",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
     .account = "EPROTO Content-Length"},
    {.name = "a list of lengths",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
     .account = "EPROTO Content-Length"},
    {.name = "a length past 2^64",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
     .account = "EPROTO Content-Length"},
    {.name = "a length past 2^63",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
     .account = "EPROTO Content-Length"},
    {.name = "an unknown coding",
     .input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
     .account = "EPROTO transfer coding"},
    {.name = "gzip, chunked",
     .input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     .account = "EPROTO transfer coding"},
    {.name = "chunked twice",
     .input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     .account = "EPROTO transfer coding"},
    {.name = "a chunk that is not hexadecimal",
     .input = OK_CHUNKED "xyz\r\n",
     .account = SAYS_OK "EPROTO"},
    {.name = "a chunk without its CRLF",
     .input = OK_CHUNKED "3\r\nabcX",
     .account = SAYS_OK "body='abc' EPROTO"},
    {.name = "an empty chunk line",
     .input = OK_CHUNKED "\r\n3\r\nabc",
     .account = SAYS_OK "EPROTO"},
    {.name = "a chunk past 2^64",
     .input = OK_CHUNKED "10000000000000000\r\n",
     .account = SAYS_OK "EPROTO"},
    {.name = "a negative chunk", .input = OK_CHUNKED "-1\r\n", .account = SAYS_OK "EPROTO"},
    {.name = "a folded trailer",
     .input = OK_CHUNKED "0\r\nA: b\r\n c\r\n\r\n",
     .account = SAYS_OK "EPROTO folded"},
    {.name = "a blank before the first trailer",
     .input = OK_CHUNKED "0\r\n A: b\r\n\r\n",
     .account = SAYS_OK "EPROTO"},
    {.name = "too many headers",
     .input = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
     .limits = {.header_bytes = 1000, .headers = 2},
     .account = "ELIMIT more than 2 headers"},
    {.name = "too many bytes",
     .input = "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n",
     .limits = {.header_bytes = 43, .headers = 2},
     .account = "ELIMIT more than 43 bytes"},
    {.name = "too many bytes of trailers",
     .input = OK_CHUNKED
     "0\r\nA: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n",
     .limits = {.header_bytes = 60, .headers = 2},
     .account = SAYS_OK "ELIMIT more than 60 bytes"},
    {.name = "no answer", .input = "" EOF_MARK, .account = "EEOF before it answered"},
    {.name = "no answer after 100",
     .input = "HTTP/1.1 100 Continue\r\n\r\n" EOF_MARK,
     .account = "INFO 100 1.1 'Continue' EEOF before it answered"},
    {.name = "half a head",
     .input = "HTTP/1.1 200 OK\r\nA: b" EOF_MARK,
     .account = "EEOF in the middle of the response's head"},
    {.name = "a short body",
     .input = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" EOF_MARK,
     .account =
         "HEAD 200 1.1 'OK' length=10 [Content-Length=10] body='hello' EEOF after 5 of 10 bytes"},
    {.name = "a short chunk",
     .input = OK_CHUNKED "5\r\nabc" EOF_MARK,
     .account = SAYS_OK "body='abc' EEOF chunked"},
    {.name = "no last chunk",
     .input = OK_CHUNKED "3\r\nabc\r\n" EOF_MARK,
     .account = SAYS_OK "body='abc' EEOF chunked"},
    {.name = "half a trailer",
     .input = OK_CHUNKED "0\r\nA: b\r\n" EOF_MARK,
     .account = SAYS_OK "EEOF chunked"},
};

/* ---- the account of a run ---- */

struct account {
    char text[4096], body[1024];
    size_t len, body_len, left;
    bool over;
};

static void say(struct account *a, const char *format, ...) BELAY_PRINTF(2, 3);
static void say(struct account *a, const char *format, ...)
{
    va_list args;

    if (a->body_len > 0) {
        size_t n = a->body_len;
        a->body_len = 0;
        say(a, "body='%.*s' ", (int)n, a->body);
    }
    va_start(args, format);
    a->len += (size_t)vsnprintf(a->text + a->len, sizeof a->text - a->len, format, args);
    va_end(args);
    assert_true(a->len < sizeof a->text);
}

static void say_headers(struct account *a, const struct bl_h1_parser *p)
{
    for (uint32_t i = 0; i < p->headers_n; i++) {
        const struct belay_header *h = &p->headers[i];
        say(a, "[%.*s=%.*s]", (int)h->name_len, h->name, (int)h->value_len, h->value);
    }
    if (p->headers_n > 0)
        say(a, " ");
}

static void say_head(struct account *a, const char *word, const struct bl_h1_parser *p)
{
    const struct bl_h1_head *h = &p->head;

    say(a, "%s %d 1.%d '%.*s' ", word, h->status, h->minor, (int)h->reason.len, h->reason.data);
    if (h->content_length >= 0)
        say(a, "length=%lld ", (long long)h->content_length);
    if (h->chunked)
        say(a, "chunked ");
    if (h->until_close)
        say(a, "until_close ");
    if (h->upgrade)
        say(a, "upgrade ");
    if (!h->keep_alive && h->status >= 101 && h->status != 103)
        say(a, "close ");
    say_headers(a, p);
}

static void say_event(struct account *a, const struct bl_h1_parser *p, int event)
{
    switch (event) {
    case BL_H1_INFO:
        say_head(a, "INFO", p);
        break;
    case BL_H1_HEAD:
        say_head(a, "HEAD", p);
        break;
    case BL_H1_BODY:
        assert_true(p->body.len > 0);
        memcpy(a->body + a->body_len, p->body.data, p->body.len);
        a->body_len += p->body.len;
        break;
    case BL_H1_END:
        say(a, "END ");
        say_headers(a, p);
        a->over = true;
        break;
    default:
        say(a, "%s %s", belay_error_name(event), bl_h1_parser_text(p));
        a->over = true;
    }
}

/* Each piece is a block of its own, so that a read past its end, or of an earlier one, is caught by
 * the sanitizers. */
static void feed(struct bl_h1_parser *p, struct account *a, const char *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    size_t at = 0, used;
    int event;

    memcpy(copy, data, len);
    if (a->over) {
        a->left += len;
    } else {
        do {
            event = bl_h1_parse(p, copy + at, len - at, &used);
            at += used;
            if (event != BL_H1_MORE)
                say_event(a, p, event);
        } while (event != BL_H1_MORE && !a->over);
        a->left += len - at;
    }
    free(copy);
}

static void run(struct bl_h1_parser *p, const struct vector *v, size_t cut, bool bytewise,
                struct account *a)
{
    const struct bl_h1_limits limits = {.header_bytes =
                                            v->limits.header_bytes ? v->limits.header_bytes : 65536,
                                        .headers = v->limits.headers ? v->limits.headers : 128};
    size_t len = v->len ? v->len : strlen(v->input), mark = sizeof EOF_MARK - 1;
    bool eof = len >= mark && memcmp(v->input + len - mark, EOF_MARK, mark) == 0;

    memset(a, 0, sizeof *a);
    len -= eof ? mark : 0;
    cut = cut < len ? cut : len;
    bl_h1_parser_begin(p, &limits, v->head_request);
    if (bytewise) {
        for (size_t i = 0; i < len; i++)
            feed(p, a, v->input + i, 1);
    } else {
        feed(p, a, v->input, cut);
        feed(p, a, v->input + cut, len - cut);
    }
    if (eof && !a->over)
        say_event(a, p, bl_h1_parse_eof(p));
    if (a->over && strstr(a->text, "END"))
        say(a, "left=%zu", a->left);
}

/* The error's words, when `account` ends in some, are looked for anywhere after its beginning. */
static bool agrees(const char *account, const char *wanted, bool is_bad)
{
    const char *codes[] = {"EPROTO", "ELIMIT", "EEOF"}, *code = NULL, *words;
    size_t head;

    if (!is_bad)
        return strcmp(account, wanted) == 0;
    for (size_t i = 0; i < 3 && !code; i++)
        code = strstr(wanted, codes[i]);
    assert_non_null(code);
    words = strchr(code, ' ');
    head = words ? (size_t)(words - wanted) : strlen(wanted);
    return strncmp(account, wanted, head) == 0 && (!words || strstr(account + head, words + 1));
}

static void check(const struct vector *v, bool is_bad)
{
    struct bl_mem mem;
    struct bl_h1_parser p;
    struct account a;
    size_t len = v->len ? v->len : strlen(v->input);

    bl_mem_init(&mem, NULL);
    bl_h1_parser_init(&p, &mem);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        run(&p, v, cut, cut == len + 1, &a);
        if (!agrees(a.text, v->account, is_bad)) {
            print_error("%s, cut at %zu of %zu:\n  is     %s\n  wanted %s\n", v->name, cut, len,
                        a.text, v->account);
            fail();
        }
    }
    bl_h1_parser_fini(&p);
    assert_int_equal(mem.live, 0);
}

static void good_responses_give_their_events_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        check(&good[i], false);
}

static void bad_responses_are_refused_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check(&bad[i], true);
}

static void a_head_in_one_piece_is_not_copied(void **state)
{
    static const char input[] = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n";
    const struct bl_h1_limits limits = {.header_bytes = 65536, .headers = 128};
    struct bl_mem mem;
    struct bl_h1_parser p;
    size_t used;

    (void)state;
    bl_mem_init(&mem, NULL);
    bl_h1_parser_init(&p, &mem);
    bl_h1_parser_begin(&p, &limits, false);
    assert_int_equal(bl_h1_parse(&p, input, sizeof input - 1, &used), BL_H1_HEAD);
    assert_ptr_equal(p.headers[0].name, input + 17);
    assert_ptr_equal(p.head.reason.data, input + 13);
    assert_null(p.store.data);
    bl_h1_parser_fini(&p);
}

static void endless_chunk_extensions_are_refused(void **state)
{
    static const char start[] = OK_CHUNKED "1;a=";
    const struct bl_h1_limits limits = {.header_bytes = 65536, .headers = 128};
    struct bl_mem mem;
    struct bl_h1_parser p;
    size_t used, fed = 0;
    char filler[1000];
    int event;

    (void)state;
    memset(filler, 'x', sizeof filler);
    bl_mem_init(&mem, NULL);
    bl_h1_parser_init(&p, &mem);
    bl_h1_parser_begin(&p, &limits, false);
    assert_int_equal(bl_h1_parse(&p, start, sizeof start - 1, &used), BL_H1_HEAD);
    event = bl_h1_parse(&p, start + used, sizeof start - 1 - used, &used);
    for (; event == BL_H1_MORE && fed < 1000000; fed += sizeof filler)
        event = bl_h1_parse(&p, filler, sizeof filler, &used);
    assert_int_equal(event, BELAY_ELIMIT);
    assert_true(fed <= 20000);
    bl_h1_parser_fini(&p);
}

static void long_chunk_extensions_are_refused_in_one_piece_too(void **state)
{
    static const char start[] = OK_CHUNKED "1;a=", end[] = "\r\nx\r\n0\r\n\r\n";
    static char input[20000];
    const struct bl_h1_limits limits = {.header_bytes = 65536, .headers = 128};
    struct bl_mem mem;
    struct bl_h1_parser p;
    size_t used, more;

    (void)state;
    memset(input, 'x', sizeof input);
    memcpy(input, start, sizeof start - 1);
    memcpy(input + sizeof input - (sizeof end - 1), end, sizeof end - 1);
    bl_mem_init(&mem, NULL);
    bl_h1_parser_init(&p, &mem);
    bl_h1_parser_begin(&p, &limits, false);
    assert_int_equal(bl_h1_parse(&p, input, sizeof input, &used), BL_H1_HEAD);
    assert_int_equal(bl_h1_parse(&p, input + used, sizeof input - used, &more), BELAY_ELIMIT);
    bl_h1_parser_fini(&p);
}

static void every_failing_allocation_is_told_and_nothing_is_lost(void **state)
{
    struct failing_alloc failing;
    struct account a;

    (void)state;
    for (size_t n = 1;; n++) {
        struct bl_h1_parser p;
        struct bl_mem mem;

        failing_alloc_init(&failing);
        failing_alloc_once(&failing, n);
        bl_mem_init(&mem, &failing.allocator);
        bl_h1_parser_init(&p, &mem);
        run(&p, &good[5], 40, false, &a);
        bl_h1_parser_fini(&p);
        assert_int_equal(mem.live, 0);
        if (failing_alloc_failures(&failing) == 0)
            break;
        assert_non_null(strstr(a.text, "ENOMEM"));
    }
    assert_string_equal(a.text, good[5].account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_responses_give_their_events_however_they_are_cut),
        cmocka_unit_test(bad_responses_are_refused_however_they_are_cut),
        cmocka_unit_test(a_head_in_one_piece_is_not_copied),
        cmocka_unit_test(endless_chunk_extensions_are_refused),
        cmocka_unit_test(long_chunk_extensions_are_refused_in_one_piece_too),
        cmocka_unit_test(every_failing_allocation_is_told_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
