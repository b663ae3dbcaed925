/* SPDX-License-Identifier: MIT */
/* Every callback of a request may cancel it, close its client, or close the loop. */
#include "scripted.h"

#include <stdio.h>

enum place { INFO, HEAD, DATA, TRAILERS, REDIRECT, READ, REWIND, DONE, PLACES };
enum deed { CANCEL, CLOSE, DRAIN, END_LOOP, DEEDS };

static const char *const place_name[] = {"on_informational", "on_headers",  "on_data",
                                         "on_trailers",      "on_redirect", "read_body",
                                         "rewind_body",      "on_done"};
static const char *const deed_name[] = {"cancel", "close", "drain", "close the loop"};

struct story {
    struct kit kit;
    struct scripted server;
    enum place place;
    enum deed deed;
    struct belay_http_request *request;
    bool acted, over;
    int dones, after; /* callbacks after a cancel */
    int code;
    bool client_closed, loop_closed;
    size_t given; /* of the body */
};

static void on_client_closed(void *arg)
{
    struct story *s = arg;

    assert_false(s->client_closed);
    s->client_closed = true;
}

static void on_loop_closed(void *arg)
{
    struct story *s = arg;

    s->loop_closed = true;
}

static void reach(struct story *s, enum place place)
{
    if (s->acted && s->deed == CANCEL && place != DONE)
        s->after++;
    if (s->acted || place != s->place)
        return;
    s->acted = true;
    switch (s->deed) {
    case CANCEL:
        belay_http_request_cancel(s->request);
        s->over = true;
        break;
    case CLOSE:
        belay_http_close(s->kit.http, on_client_closed, s);
        break;
    case DRAIN:
        belay_http_drain(s->kit.http, on_client_closed, s);
        break;
    case END_LOOP:
        belay_loop_close(s->kit.loop, on_loop_closed, s);
        break;
    case DEEDS:
        break;
    }
}

static enum belay_http_action on_info(const struct belay_http_response *response, void *arg)
{
    (void)response;
    reach(arg, INFO);
    return BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_head(const struct belay_http_response *response, void *arg)
{
    (void)response;
    reach(arg, HEAD);
    return BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    (void)request;
    (void)data;
    (void)len;
    reach(arg, DATA);
    return BELAY_HTTP_GO_ON;
}

static void on_trailers(const struct belay_header *trailers, size_t n, void *arg)
{
    (void)trailers;
    (void)n;
    reach(arg, TRAILERS);
}

static enum belay_http_action on_redirect(const struct belay_http_response *response,
                                          const char *url, void *arg)
{
    (void)response;
    (void)url;
    reach(arg, REDIRECT);
    return BELAY_HTTP_GO_ON;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct story *s = arg;

    (void)request;
    s->dones++;
    s->over = true;
    s->code = error ? error->code : 0;
    reach(s, DONE);
}

static ptrdiff_t read_body(void *out, size_t size, void *arg)
{
    struct story *s = arg;

    reach(s, READ);
    if (s->given == 4)
        return 0;
    assert_true(size >= 1);
    *(char *)out = 'x';
    s->given++;
    return 1;
}

static int rewind_body(void *arg)
{
    struct story *s = arg;

    s->given = 0;
    reach(s, REWIND);
    return 0;
}

static const struct belay_http_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_informational = on_info,
    .on_headers = on_head,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_redirect = on_redirect,
    .on_done = on_done,
};

static const char *const answers[] = {
    "HTTP/1.1 307 Again\r\nLocation: /there\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n3\r\ndef\r\n0\r\nT: 1\r\n\r\n",
    NULL,
};

static void start(struct story *s)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_error error;

    o.method = "PUT";
    o.url = scripted_url(&s->server, "/");
    o.read_body = read_body;
    o.body_size = 4; /* with no line end in it, which the server would take for that of a head */
    o.rewind_body = rewind_body;
    o.body_arg = s;
    o.max_redirects = 3;
    o.callbacks = &callbacks;
    if (belay_http_request(s->kit.http, &o, s, &s->request, &error) < 0)
        fail_msg("%s", error.text);
}

static void play(struct story *s)
{
    int64_t end = belay_loop_now_ms(s->kit.loop) + 20000;
    bool closes = s->deed != CANCEL;

    while (!s->over || (closes && s->acted && !s->client_closed && s->deed != END_LOOP)) {
        scripted_step(&s->server);
        kit_turn(&s->kit);
        if (s->loop_closed)
            return;
        if (belay_loop_now_ms(s->kit.loop) > end)
            fail_msg("%s in %s: nothing happened", deed_name[s->deed], place_name[s->place]);
    }
    for (int i = 0; s->deed == END_LOOP && !s->loop_closed && i < 10000; i++)
        kit_turn(&s->kit);
}

static void check(const struct story *s)
{
    const char *deed = deed_name[s->deed], *place = place_name[s->place];

    if (!s->acted)
        fail_msg("%s was never reached", place);
    if (s->dones != (s->deed == CANCEL && s->place != DONE ? 0 : 1))
        fail_msg("%s in %s: %d answers", deed, place, s->dones);
    if (s->after)
        fail_msg("%s in %s: %d callbacks after it", deed, place, s->after);
    if (s->place != DONE && (s->deed == CLOSE || s->deed == END_LOOP) && s->code != BELAY_ECLOSED)
        fail_msg("%s in %s: %s", deed, place, belay_error_name(s->code));
    if (s->deed == DRAIN && s->code != 0)
        fail_msg("%s in %s: %s", deed, place, belay_error_name(s->code));
    assert_int_equal(s->client_closed, s->deed == CLOSE || s->deed == DRAIN);
    assert_int_equal(s->loop_closed, s->deed == END_LOOP);
}

static void every_callback_may_end_it_all(void **state)
{
    static struct story s;

    (void)state;
    for (enum place place = INFO; place < PLACES; place++) {
        for (enum deed deed = CANCEL; deed < DEEDS; deed++) {
            memset(&s, 0, sizeof s);
            s.place = place;
            s.deed = deed;
            scripted_start(&s.server, answers);
            kit_open_steady(&s.kit, NULL);
            start(&s);
            play(&s);
            check(&s);
            if (!s.loop_closed)
                kit_close(&s.kit);
            assert_int_equal(failing_alloc_live(&s.kit.memory), 0);
            scripted_stop(&s.server);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_callback_may_end_it_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
