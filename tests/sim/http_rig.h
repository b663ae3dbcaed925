/* SPDX-License-Identifier: MIT */
/*
 * Requests in a rig: each has a number that its server reports when it carries the request out, so that the oracle knows who was
 * asked how often, whatever came back. Laws, checked at every end of a request:
 *
 *     it ends once, never inside a call, never after its cancelling or the client's end;
 *     a success has status 200 and the whole body, as the server made it for this request, and the server was asked;
 *     what is not idempotent is carried out once at most;
 *     "not sent" is true: nobody carried it out;
 *     what may be repeated is, until the replays are spent: no safe request is lost to a broken connection before.
 */
#ifndef TEST_SIM_HTTP_RIG_H
#define TEST_SIM_HTTP_RIG_H

#include "sim/rig.h"

struct sim_get {
    struct bl_list link; /* of the rig's gets */
    struct sim_rig *rig;
    size_t number, size, got;
    uint64_t asked_ns, ended_ns;
    uint64_t id; /* in the trace; 0: not heard of */
    bool lent;   /* ... and there it runs on a connection */
    struct sim_host *host;
    bool post, expects, done, cancelled, wrong, paused;
    int executed; /* times, as the servers say */
    int status;
    bool failed;
    struct belay_error error;
    struct belay_http_facts facts;
    struct belay_http_request *request;
    size_t upload, body_left; /* of its own body */
};

/* Opens a client in place of a pool; its pool is watched by the oracle. */
int sim_http_open(struct sim_rig *rig, const struct belay_http_options *options);
#define SIM_UPLOAD     100
#define SIM_UPLOAD_MAX 300000

/* Asks for so many bytes; NULL when refused. POST has a body of rig->upload bytes, digits in their order. */
struct sim_get *sim_get(struct sim_rig *rig, struct sim_host *host, const char *method, size_t size,
                        int *ret_code);
void sim_get_cancel(struct sim_get *get);
void sim_get_resume(
    struct sim_get *get); /* where it is paused: rig->pauses per cent of what comes are */
/* Says of requests whether they run, where somebody asks. */
void sim_get_trace(struct sim_rig *rig, const struct belay_trace *trace);
struct sim_get *sim_get_numbered(struct sim_rig *rig, size_t number); /* NULL: none */
unsigned sim_gets_under_way(struct sim_rig *rig);
void sim_http_close(struct sim_rig *rig, bool drain);

#endif
