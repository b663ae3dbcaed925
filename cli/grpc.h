/* SPDX-License-Identifier: MIT */
/* One run of `belay grpc`, as its files share it. */
#ifndef CLI_GRPC_H
#define CLI_GRPC_H

#include "belay/grpc.h"
#include "client.h"
#include "grpc_options.h"
#include "grpc_schema.h"
#include "output.h"
#include "signals.h"

#define GRPC_EXIT 64 /* and the status of a call that is not OK */

struct grpc {
    const struct grpc_options *o;
    struct belay_loop *loop;
    struct belay_tls *tls;
    struct belay_channel *channel; /* NULL: nobody is asked */
    struct grpc_schema *schema;    /* NULL: none is needed */
    struct signals signals;
    int interrupted_by;          /* a signal */
    int64_t begin_ms;            /* for --timeout */
    bool alpha;                  /* the server knows only the old reflection */
    struct belay_header *asking; /* metadata of questions to reflection */
    size_t asking_n;
    struct sink out;
    bool stdout_gone; /* nobody reads it any more, or it failed */
};

/* ---- grpc_world.c: loop and channel; exit statuses ---- */

int grpc_world_open(struct grpc *g);
void grpc_world_close(struct grpc *g);
/* A channel to `target` by the way of the options. */
int grpc_channel_open(const struct client_options *o, struct belay_loop *loop,
                      struct belay_tls *tls, const char *target,
                      struct belay_channel_options *options, struct belay_channel **ret);
/* From now on they end the loop, and are counted in g->interrupted_by. */
bool grpc_watch_signals(struct grpc *g);
/* Turns the loop until *done, which who sets it follows by belay_loop_stop. False: interrupted. */
bool grpc_run(struct grpc *g, const bool *done);
/* The limit of a call that has `own` (OPTION_UNSET: none), of what is left of --timeout. */
int64_t grpc_deadline_ms(const struct grpc *g, int64_t own);

/* ---- grpc_print.c: what is shown ---- */

/* "belay: DOING: TARGET: STATUS: what happened (what to try)", and its details; the exit status. */
int grpc_say_status(struct grpc *g, const char *doing, const struct belay_rpc_result *result,
                    const char *hint);
/* "belay: DOING: TARGET: WHAT" */
void grpc_say(const struct grpc *g, const char *doing, const char *what);
/* Lines of -v: "> name: value". */
void grpc_show_metadata(const struct grpc *g, char mark, const struct belay_header *headers,
                        size_t n);
/* A message as it is shown, with its line end. As grpc_schema_write. */
bool grpc_message_text(struct grpc *g, const char *type, const void *data, size_t len,
                       struct bytes *ret, const char **ret_unknown, struct complaint *why);
/* Standard output could not be written: said, unless nobody reads it. */
void grpc_output_failed(struct grpc *g, int error);
/* The same at once, waiting. */
void grpc_print(struct grpc *g, const struct bytes *text);
/* " (did you mean X?)", or "". */
const char *grpc_nearest(char out[TEXT_SHOWN_MAX], const char *word, const struct strings *names);

/* ---- grpc_reflect.c: what the server tells of itself ---- */

/* What SYMBOL is; *ret_found whether there is such a thing. An exit status, having said why. */
int grpc_reflect_symbol(struct grpc *g, const char *symbol, bool *ret_found);
/* Names of services, to be freed. */
int grpc_reflect_services(struct grpc *g, struct strings *ret);

struct grpc_question;
/* Asks about a type while a call runs, and says nothing; fn runs once, later: what was told, the
 * schema has. NULL: it cannot ask. */
struct grpc_question *grpc_question_start(struct grpc *g, const char *symbol, belay_fn *fn,
                                          void *arg);
void grpc_question_drop(struct grpc_question *question);

/* ---- grpc_find.c: methods, services and symbols by name ---- */

int grpc_find_method(struct grpc *g, struct grpc_method *ret);
int grpc_list(struct grpc *g);
int grpc_describe(struct grpc *g);

/* ---- the commands ---- */

int grpc_call(struct grpc *g, const struct grpc_method *method);
int grpc_load(struct grpc *g, const struct grpc_method *method);
int grpc_health(struct grpc *g);

/* The command; returns the exit status. */
int grpc_main(int argc, char **argv);

#endif
