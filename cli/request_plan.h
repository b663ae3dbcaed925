/* SPDX-License-Identifier: MIT */
/* What the command line, and the files of it, come to: the same for every request. */
#ifndef CLI_REQUEST_PLAN_H
#define CLI_REQUEST_PLAN_H

#include "body.h"
#include "client_options.h"
#include "form.h"

struct request_plan {
    struct bytes url_text; /* the files of -i */
    struct bytes data;     /* -d */
    struct body body;      /* -T and -F */
    struct form_part *parts;
    size_t parts_n;
    char boundary[FORM_BOUNDARY_MAX];
    struct belay_header *headers;
    size_t headers_n;
    char *authorization, *content_type;
    const char *user_agent;                    /* NULL: the library's */
    struct belay_http_request_options request; /* without target, callbacks and `body` */
};

/* The URLs of -i, then all else. After either, free. */
bool request_plan_urls(struct request_plan *plan, struct client_options *o, struct complaint *why);
bool request_plan_make(struct request_plan *plan, struct client_options *o, struct complaint *why);
void request_plan_free(struct request_plan *plan);

/* Its body can be had only once: it comes from a stream. */
bool request_plan_is_once(const struct request_plan *plan);

#endif
