/* SPDX-License-Identifier: MIT */
/* What `belay get` was told on its command line. */
#ifndef CLI_GET_OPTIONS_H
#define CLI_GET_OPTIONS_H

#include "belay/tls.h"
#include "options.h"
#include "retry.h"
#include "route.h"
#include "values.h"

#define GET_UNSET (-1) /* of numbers: not given */

struct get_data {
    bool binary; /* --data-binary: as it is */
    const char *text;
};

struct get_options {
    struct strings urls; /* as given; -i adds to them */
    struct strings url_files;
    struct strings owned; /* URLs that were made longer: to be freed */

    /* the request */
    const char *method; /* "GET" in the end */
    bool head;
    struct header_value *headers;
    size_t headers_n;
    struct get_data *data;
    size_t data_n;
    const char *upload;
    const char *user;
    bool location;
    int64_t max_redirects;

    /* output */
    const char *output, *output_dir, *dump_header;
    bool fail, discard, json, write_out, quiet;
    int verbose;

    /* how many, how fast */
    int64_t requests, concurrency, for_ms, warm_up_ms;
    double rate;
    int64_t max_connections, max_total, idle_timeout_ms;

    struct retry_policy retry;

    /* connections */
    struct belay_tls_options tls;
    const char **pins;
    struct route_rules routes;
    const char *server_name, *unix_path, *interface;
    bool ipv4, ipv6;
    int64_t connect_timeout_ms, timeout_ms;
};

extern const struct option_table get_table;

/* BAD with what is wrong in `why`; what goes together was looked at too. -i is not read yet. */
enum options_verdict get_options_read(struct get_options *o, int argc, char **argv,
                                      struct complaint *why);

/* One request, and its body is the result: neither summary nor progress of requests. */
bool get_is_single(const struct get_options *o);
/* The same, and the body goes to standard output. */
bool get_shows_body(const struct get_options *o);

/* What only shows once -i has been read: how many URLs there are. */
bool get_options_check_urls(const struct get_options *o, struct complaint *why);

void get_options_free(struct get_options *o);

#endif
