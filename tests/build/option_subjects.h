/* SPDX-License-Identifier: MIT */
/* The structs of options that test_options.c tries: what takes each, and tells what became of it. */
#ifndef TEST_BUILD_OPTION_SUBJECTS_H
#define TEST_BUILD_OPTION_SUBJECTS_H

#include "base/options.h"
#include "belay/belay.h"
#ifdef TEST_HTTP
#include "http/http_check.h"
#endif

#define YEAR INT64_C(31536000000)
#define DAY  INT64_C(86400000)
#define HOUR INT64_C(3600000)
#define NO   BL_NOT_ALLOWED
#define I32  INT32_MAX
#define I64  INT64_MAX

union given {
    size_t size;
    struct belay_pool_options pool;
#ifdef TEST_HTTP
    struct belay_http_check check;
#endif
    char bytes[1024];
};

/* What a struct of options is for: takes them, gives the effective ones when it can, and undoes. */
struct subject {
    const char *name, *file;
    size_t size;
    int (*take)(const void *given, void *effective, struct belay_error *error);
    bool unnamed; /* there is no error that could name the field */
    bool hidden;  /* the effective value cannot be seen */
};

enum {
    BACKOFF,
    DIAL,
    POOL,
    ACQUIRE,
    CACHE,
    LINK,
    PROCESS,
    SUPERVISOR,
    CHILD,
    LOOP,
    TLS,
    HTTP,
    REQUEST,
    CHECK,
    CHANNEL,
    RETRY,
    RPC,
    CHRONICLE,
    SUBJECTS
};

extern const struct subject subjects[SUBJECTS];

/* The loop that they are tried on. */
void subjects_open(void);
void subjects_close(void);

#endif
