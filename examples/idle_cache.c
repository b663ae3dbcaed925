/* SPDX-License-Identifier: MIT */
/*
 * A connection cache of one's own under HTTP: it starts from the aggressive one, which keeps
 * everything, and replaces one function, so that what is idle for 300 ms is closed, and of what is
 * idle at most 2 are kept. (max_idle_time_ms and max_inactive of struct belay_cache_options do the
 * same without a function.)
 *
 *     idle_cache http://127.0.0.1:8080/
 */
#include <belay/cache.h>
#include <belay/http.h>
#include <inttypes.h>
#include <stdio.h>

#define REQUESTS 6

struct keeping {
    int64_t idle_ms; /* then it is closed */
    int idle_max;
};

struct program {
    struct belay_cache *cache;
    struct belay_http *http;
    struct belay_timer *timer;
    int done, failed, closed;
};

/* ---- the policy ---- */

/* Whom to close: the one idle for longest, if that is too long, or if there are too many. */
static const struct belay_cache_entry *evict(const struct belay_cache *cache,
                                             enum belay_reason *ret_reason, int64_t *ret_again_ms,
                                             void *arg)
{
    const struct belay_cache_entry *oldest = belay_cache_next(cache, NULL), *entry = oldest;
    struct belay_cache_facts facts = belay_cache_facts_init();
    const struct keeping *keeping = arg;
    int idle = 0;

    for (; entry; entry = belay_cache_next(cache, entry))
        idle++;
    if (idle == 0 || idle > keeping->idle_max)
        return oldest;
    belay_cache_entry_facts(oldest, &facts);
    if (facts.idle_ms >= keeping->idle_ms) {
        *ret_reason = BELAY_REASON_IDLE;
        return oldest;
    }
    *ret_again_ms = keeping->idle_ms - facts.idle_ms;
    return NULL;
}

/* ---- what is seen ---- */

static void on_closed(void *owner, const struct belay_cache_entry *entry, enum belay_reason reason,
                      void *arg)
{
    struct belay_cache_facts facts = belay_cache_facts_init();
    struct program *program = arg;

    (void)owner;
    belay_cache_entry_facts(entry, &facts);
    printf("closing a connection to %s: %s\n", belay_endpoint_name(facts.peer.endpoint),
           belay_reason_name(reason));
    program->closed++;
}

/* By now nothing should be idle any more. */
static void on_time(void *arg)
{
    struct belay_pool_stats stats = belay_pool_stats_init();
    struct program *program = arg;

    belay_pool_get_stats(belay_http_pool(program->http), &stats);
    printf("%d requests, %d failed, %" PRIu64 " connections, %d closed by the cache, %" PRIu32
           " left\n",
           program->done, program->failed, stats.opened, program->closed, stats.idle);
    program->failed += (int)stats.idle;
    belay_http_close(program->http, NULL, NULL);
    belay_cache_close(program->cache, NULL, NULL);
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct program *program = arg;

    (void)request;
    program->done++;
    if (error) {
        program->failed++;
        fprintf(stderr, "idle_cache: %s\n", error->text);
    }
    if (program->done == REQUESTS)
        belay_timer_start(program->timer, 600);
}

static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks, .on_done = on_done};

static int open_all(struct belay_loop *loop, struct keeping *keeping, struct program *program,
                    struct belay_error *error)
{
    struct belay_cache_policy policy = belay_cache_aggressive();
    struct belay_cache_options cache = belay_cache_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options http = belay_http_options_init();
    int rc;

    policy.evict = evict;
    policy.arg = keeping;
    cache.policy = &policy;
    cache.on_closed = on_closed;
    cache.on_closed_arg = program;
    rc = belay_cache_open(loop, &cache, &program->cache, error);
    if (rc == 0)
        rc = belay_timer_new(loop, on_time, program, &program->timer);
    if (rc < 0)
        return rc;
    pool.cache = program->cache;
    http.pool = &pool;
    return belay_http_open(loop, &http, &program->http, error);
}

int main(int argc, char **argv)
{
    struct belay_http_request_options request = belay_http_request_options_init();
    struct keeping keeping = {.idle_ms = 300, .idle_max = 2};
    struct program program = {0};
    struct belay_error error;
    struct belay_loop *loop;

    if (argc != 2) {
        fprintf(stderr, "usage: idle_cache URL\n");
        return 2;
    }
    if (belay_loop_new(NULL, &loop, &error) < 0 || open_all(loop, &keeping, &program, &error) < 0) {
        fprintf(stderr, "idle_cache: %s\n", error.text);
        return 1;
    }
    request.url = argv[1];
    request.callbacks = &callbacks;
    for (int i = 0; i < REQUESTS; i++) {
        if (belay_http_request(program.http, &request, &program, NULL, &error) < 0) {
            fprintf(stderr, "idle_cache: %s\n", error.text);
            return 1;
        }
    }
    belay_loop_run(loop); /* returns when client and cache are closed */
    belay_loop_free(loop);
    return program.failed ? 1 : 0;
}
