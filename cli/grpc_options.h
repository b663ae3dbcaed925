/* SPDX-License-Identifier: MIT */
/* What `belay grpc` was told on its command line. */
#ifndef CLI_GRPC_OPTIONS_H
#define CLI_GRPC_OPTIONS_H

#include "belay/header.h"
#include "client_options.h"
#include "grpc_split.h"

enum grpc_verb { GRPC_CALL, GRPC_LIST, GRPC_DESCRIBE, GRPC_HEALTH };

/* Metadata as it is sent: values of "-bin" names are bytes. */
struct grpc_metadata {
    struct belay_header *items;
    size_t n;
};

struct grpc_options {
    struct client_options client; /* first: the table of its options fills it */

    const char *target;     /* NULL: files tell all that is asked for */
    const char *symbol;     /* what follows it, or the verb; NULL: nothing */
    char *service, *method; /* of CALL */
    enum grpc_verb verb;
    bool plain; /* --plaintext */

    /* the request */
    const char *data;
    bool hex, base64;
    enum grpc_format format;
    struct grpc_metadata metadata, reflect_metadata;
    int64_t deadline_ms, max_message;
    const char *authority;
    bool gzip;

    /* the schema */
    struct strings protosets, protos, import_paths;

    /* the answer */
    bool defaults, watch;

    /* load */
    int64_t requests, for_ms, warm_up_ms;
    double rate;
};

extern const struct option_table grpc_table;

/* BAD with what is wrong in `why`; what goes together was looked at too. */
enum options_verdict grpc_options_read(struct grpc_options *o, int argc, char **argv,
                                       struct complaint *why);
void grpc_options_free(struct grpc_options *o);

/* Many calls, and a summary of them. */
bool grpc_is_load(const struct grpc_options *o);
/* Whether the schema is in files, and no server is asked for it. */
bool grpc_has_files(const struct grpc_options *o);

/* "name: value"; values of "-bin" names are base64. */
bool grpc_metadata_add(struct grpc_metadata *metadata, const char *text, struct complaint *why);

#endif
