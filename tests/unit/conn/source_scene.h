/* SPDX-License-Identifier: MIT */
/* What the tests of sources begin and end with: a world with a fake name server. */
#ifndef TEST_CONN_SOURCE_SCENE_H
#define TEST_CONN_SOURCE_SCENE_H

#include "unit/conn/source_kit.h"

static struct conn_world world;

static inline int set_up(void **state)
{
    (void)state;
    conn_world_set_up(&world);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    conn_world_tear_down(&world);
    return 0;
}

static inline void settle(void)
{
    conn_world_settle(&world);
}

static inline struct belay_endpoint *endpoint_of(const char *url)
{
    return conn_world_endpoint(&world, url);
}

/* The addresses of a name. */
static inline struct belay_source *name_source(const char *url)
{
    struct belay_endpoint *like = endpoint_of(url);
    struct belay_source *source;

    assert_int_equal(belay_source_dns(like, &source), 0);
    belay_endpoint_unref(like);
    return source;
}

/* The SRV records of _db._tcp.test. */
static inline struct belay_source *srv_source(const char *url)
{
    struct belay_endpoint *like = endpoint_of(url);
    struct belay_source *source;

    assert_int_equal(belay_source_srv(like, NULL, &source), BELAY_EINVAL);
    assert_int_equal(belay_source_srv(like, "", &source), BELAY_EINVAL);
    assert_int_equal(belay_source_srv(like, "_db._tcp.test", &source), 0);
    belay_endpoint_unref(like);
    return source;
}

#endif
