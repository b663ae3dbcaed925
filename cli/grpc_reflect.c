/* SPDX-License-Identifier: MIT */
/*
 * What the server tells of itself: grpc.reflection, v1 and, where the server does not know that,
 * v1alpha, whose messages are the same. One question is one call: it is put, then files that are
 * imported are asked for by name, until the schema has all.
 */
#include <stdlib.h>
#include <string.h>

#include "grpc.h"
#include "grpc_wire.h"
#include "say.h"

/* Fields of the request and of its answer. */
enum {
    ASK_FILE = 3,
    ASK_SYMBOL = 4,
    ASK_SERVICES = 7,
    ANSWER_FILES = 4,
    ANSWER_SERVICES = 6,
    ANSWER_ERROR = 7
};

#define DOING     "asking what it offers"
#define FILES_MAX 2000 /* that import each other, of one symbol */

struct grpc_question {
    struct grpc *g;
    struct belay_rpc *rpc;
    char *symbol;             /* NULL: which services there are */
    struct strings *services; /* to be filled */
    bool found, answered;
    char *file; /* that was asked for last; NULL: none */
    int files;  /* asked for */
    bool quiet;
    bool alpha;
    struct complaint wrong; /* with the answer; "": nothing */
    int status;             /* of the program */
    bool done;
    belay_fn *fn;
    void *arg;
};

static void put(struct grpc_question *q, unsigned field, const char *text)
{
    struct bytes request = {0};

    grpc_wire_add(&request, field, text, strlen(text));
    if (belay_rpc_write(q->rpc, request.data, request.len) < 0)
        complain(&q->wrong, "the question could not be sent");
    bytes_free(&request);
}

/* ---- answers ---- */

/* Servers may not know what they import, or be of bad will. */
static void ask_for_file(struct grpc_question *q, const char *name)
{
    char shown[TEXT_SHOWN_MAX];

    text_show(shown, sizeof shown, name);
    if (q->file && strcmp(q->file, name) == 0)
        complain(&q->wrong, "it was asked for %s, and sent something else", shown);
    else if (++q->files > FILES_MAX)
        complain(&q->wrong, "its files import others without end");
    if (q->wrong.text[0])
        return;
    free(q->file);
    q->file = memory_copy(name, strlen(name));
    put(q, ASK_FILE, name);
}

static void take_files(struct grpc_question *q, const struct grpc_field *answer)
{
    struct grpc_wire wire;
    struct grpc_field file;
    const char *missing;

    grpc_wire_begin(&wire, answer->data, answer->len);
    while (grpc_wire_next(&wire, &file) && !q->wrong.text[0])
        if (file.number == 1 && file.data)
            grpc_schema_add_file(q->g->schema, file.data, file.len, &q->wrong);
    if (q->wrong.text[0])
        return;
    q->found = true;
    missing = grpc_schema_missing(q->g->schema);
    if (missing) {
        ask_for_file(q, missing);
        return;
    }
    grpc_schema_build(q->g->schema, &q->wrong);
    q->answered = true;
}

/* What is printed must not move the cursor. */
static bool is_name(const char *data, size_t len)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";

    for (size_t i = 0; i < len; i++)
        if (!data[i] || !strchr(letters, data[i]))
            return false;
    return len > 0;
}

static void take_services(struct grpc_question *q, const struct grpc_field *answer)
{
    struct grpc_wire wire, inner;
    struct grpc_field service, name;

    grpc_wire_begin(&wire, answer->data, answer->len);
    while (grpc_wire_next(&wire, &service)) {
        if (service.number != 1 || !service.data)
            continue;
        grpc_wire_begin(&inner, service.data, service.len);
        while (grpc_wire_next(&inner, &name)) {
            if (name.number != 1 || !name.data)
                continue;
            if (!is_name(name.data, name.len))
                complain(&q->wrong, "it names a service in a way that none can be called");
            else if (q->services)
                strings_add(q->services, memory_copy(name.data, name.len));
        }
    }
    q->answered = q->found = true;
}

/* That there is no such symbol is an answer; that there is no such file is none. */
static void take_error(struct grpc_question *q, const struct grpc_field *answer)
{
    struct grpc_wire wire;
    struct grpc_field field;
    char shown[TEXT_SHOWN_MAX], *text;
    const char *message = "";
    size_t len = 0;
    uint64_t code = 0;

    grpc_wire_begin(&wire, answer->data, answer->len);
    while (grpc_wire_next(&wire, &field)) {
        if (field.number == 1 && !field.data)
            code = field.value;
        if (field.number == 2 && field.data) {
            message = field.data;
            len = field.len;
        }
    }
    q->answered = true;
    if (code == BELAY_GRPC_NOT_FOUND && !q->found)
        return;
    text = memory_copy(message, len);
    if (q->file)
        complain(&q->wrong, "it does not tell of %.120s, which it imports: %s: %s", q->file,
                 belay_grpc_status_name((int)code), text_show(shown, sizeof shown, text));
    else
        complain(&q->wrong, "%s: %s", belay_grpc_status_name((int)code),
                 text_show(shown, sizeof shown, text));
    free(text);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct grpc_question *q = arg;
    struct grpc_wire wire;
    struct grpc_field field;

    if (q->answered) /* more than was asked for */
        return;
    grpc_wire_begin(&wire, data, len);
    while (!q->wrong.text[0] && grpc_wire_next(&wire, &field)) {
        if (field.data && field.number == ANSWER_FILES)
            take_files(q, &field);
        else if (field.data && field.number == ANSWER_SERVICES)
            take_services(q, &field);
        else if (field.data && field.number == ANSWER_ERROR)
            take_error(q, &field);
    }
    if (wire.bad)
        complain(&q->wrong, "its answer is not one of reflection");
    if (q->answered || q->wrong.text[0])
        belay_rpc_end(rpc);
}

/* ---- the call ---- */

static bool begin(struct grpc_question *q);

static void finish(struct grpc_question *q)
{
    q->rpc = NULL;
    q->done = true;
    if (q->fn)
        q->fn(q->arg);
    else
        belay_loop_stop(q->g->loop);
}

static void say_failure(struct grpc_question *q, const struct belay_rpc_result *result)
{
    if (q->wrong.text[0])
        grpc_say(q->g, DOING, q->wrong.text);
    else if (result->status == BELAY_GRPC_OK)
        grpc_say(q->g, DOING, "reflection ended without an answer");
    else if (result->status == BELAY_GRPC_UNIMPLEMENTED && !result->error)
        grpc_say(q->g, DOING,
                 "UNIMPLEMENTED: it has no reflection (--protoset FILE or --proto FILE say what "
                 "messages look like; --hex needs neither)");
    else
        grpc_say_status(q->g, DOING, result, "");
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct grpc_question *q = arg;

    (void)rpc;
    if (!q->wrong.text[0] && !q->answered && !q->alpha &&
        result->status == BELAY_GRPC_UNIMPLEMENTED) {
        q->alpha = q->g->alpha = true;
        if (begin(q))
            return;
    } else if (q->wrong.text[0] || !q->answered) {
        q->status = q->wrong.text[0] || result->status == BELAY_GRPC_OK
                        ? EXIT_PROBLEM
                        : GRPC_EXIT + result->status;
        if (!q->quiet)
            say_failure(q, result);
    }
    finish(q);
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks, .on_message = on_message, .on_done = on_done};

static bool begin(struct grpc_question *q)
{
    struct grpc *g = q->g;
    struct belay_rpc_options options = belay_rpc_options_init();
    struct belay_error error;

    options.metadata = g->asking;
    options.metadata_n = g->asking_n;
    options.deadline_ms = grpc_deadline_ms(g, g->o->deadline_ms);
    if (belay_rpc_start(g->channel,
                        q->alpha ? "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
                                 : "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                        &options, &callbacks, q, &q->rpc, &error) < 0) {
        q->status = q->quiet ? EXIT_PROBLEM : client_refuse(DOING, &error);
        return false;
    }
    if (q->symbol)
        put(q, ASK_SYMBOL, q->symbol);
    else
        put(q, ASK_SERVICES, "*");
    return true;
}

static void setup(struct grpc_question *q, struct grpc *g, const char *symbol)
{
    *q = (struct grpc_question){.g = g, .alpha = g->alpha};
    if (symbol)
        q->symbol = memory_copy(symbol, strlen(symbol));
    if (!g->schema)
        g->schema = grpc_schema_new();
}

static void free_texts(struct grpc_question *q)
{
    free(q->symbol);
    free(q->file);
}

static int ask(struct grpc *g, const char *symbol, struct strings *services, bool *ret_found)
{
    struct grpc_question q;

    setup(&q, g, symbol);
    q.services = services;
    if (begin(&q) && !grpc_run(g, &q.done)) {
        belay_rpc_cancel(q.rpc);
        q.status = g->interrupted_by ? 128 + g->interrupted_by : EXIT_PROBLEM;
    }
    free_texts(&q);
    if (ret_found)
        *ret_found = q.found;
    return q.status;
}

int grpc_reflect_symbol(struct grpc *g, const char *symbol, bool *ret_found)
{
    return ask(g, symbol, NULL, ret_found);
}

int grpc_reflect_services(struct grpc *g, struct strings *ret)
{
    return ask(g, NULL, ret, NULL);
}

/* ---- while a call runs ---- */

struct grpc_question *grpc_question_start(struct grpc *g, const char *symbol, belay_fn *fn,
                                          void *arg)
{
    struct grpc_question *q = memory_get(1, sizeof *q);

    setup(q, g, symbol);
    q->quiet = true;
    q->fn = fn;
    q->arg = arg;
    if (begin(q))
        return q;
    free_texts(q);
    free(q);
    return NULL;
}

void grpc_question_drop(struct grpc_question *q)
{
    if (!q)
        return;
    if (q->rpc)
        belay_rpc_cancel(q->rpc);
    free_texts(q);
    free(q);
}
