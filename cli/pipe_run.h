/* SPDX-License-Identifier: MIT */
/* One run of `belay pipe`, as its files share it. */
#ifndef CLI_PIPE_RUN_H
#define CLI_PIPE_RUN_H

#include "client.h"
#include "pipe_buffer.h"
#include "pipe_exec.h"
#include "pipe_io.h"
#include "pipe_options.h"
#include "signals.h"

#define PIPE_PIECES 8 /* handed to the stream and not sent */

/* A run of the buffer's bytes that the stream sends from where they are. */
struct pipe_sending {
    struct pipe_run *run;
    size_t len;
    uint64_t connection;
    bool busy;
};

/* What the end of a connection did to what was sent on it. */
struct pipe_loss {
    uint64_t sent;     /* on that connection, --hello not counted */
    uint64_t doubtful; /* of these, may not have arrived */
    bool reset;        /* it did not end in order: what arrived may not have been read */
    bool ended;        /* all had been sent, and that been said */
    size_t cut;        /* bytes of a line that is sent again */
    size_t unsent;     /* bytes that wait for the next one */
};

struct pipe_run {
    const struct pipe_options *o;
    struct belay_loop *loop;
    struct belay_tls *tls;
    struct belay_link *link; /* a reference */
    struct belay_connector connector;
    struct signals signals;
    struct belay_timer *idle, *deadline;

    /* here */
    struct pipe_in in;
    struct pipe_out out;
    struct pipe_exec exec;
    struct pipe_buffer buffer;

    /* there */
    struct belay_stream *stream; /* of the connection there is; NULL: none */
    uint64_t connection;         /* its number */
    uint64_t sent_here;          /* of the input, on it */
    bool up;                     /* the link says so */
    bool ended;                  /* nothing more is sent on it */
    bool lost;                   /* the stream has died */
    bool paused;                 /* what was received waits for the output */
    struct belay_conn *rest;     /* a dead one, whose last bytes are being read */
    struct pipe_sending sendings[PIPE_PIECES];
    struct pipe_loss loss; /* of the last one */

    uint64_t connections, sent, received, doubtful;
    int64_t begin_ms, moved_ms;
    bool unsure;   /* whether all that was sent has been read */
    bool troubled; /* it was said that there is no connection */
    bool ending;   /* when the output is written */
    bool finished;
    int status;      /* EXIT_FINE, EXIT_PROBLEM */
    const char *why; /* it ended; NULL: the status says it */
    char *error;     /* --json: what was said first; NULL: nothing */
    int interrupted_by;
};

/* pipe_link.c: the connection, and what is sent on it. */
int pipe_link_open(struct pipe_run *run);
/* Sends what may be sent, reads on where there is room, and ends where all is done. */
void pipe_go_on(struct pipe_run *run);
void pipe_resume(struct pipe_run *run); /* the output has room again */

/* pipe.c: when it ends. */
void pipe_end(struct pipe_run *run, int status); /* after what was received is written */
void pipe_finish_if_written(struct pipe_run *run);
void pipe_finish(struct pipe_run *run); /* now */

/* pipe_say.c: what is told on standard error. */
void pipe_say_event(struct pipe_run *run, const struct belay_link_event *event);
void pipe_say_end(struct pipe_run *run, int status);
void pipe_say_json(struct pipe_run *run); /* all that is said from now on is objects */

/* The command; returns the exit status. */
int pipe_main(int argc, char **argv);

#endif
