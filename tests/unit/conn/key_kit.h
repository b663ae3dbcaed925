/* SPDX-License-Identifier: MIT */
/* What the tests of keys share: making endpoints, holding a table of options against its struct, and
 * comparing keys. */
#ifndef TEST_CONN_KEY_KIT_H
#define TEST_CONN_KEY_KIT_H

#include "belay/proxy.h"
#include "conn/endpoint.h"
#include "unit/net/test_tls_kit.h"

#define BASE                         .url = "tls://a.test:1"
#define PARTS(scheme_, host_, port_) .scheme = scheme_, .host = host_, .port = port_
#define V1                           .proxy_protocol = BELAY_PROXY_PROTOCOL_V1
#define V2                           .proxy_protocol = BELAY_PROXY_PROTOCOL_V2

/* Which field a row is about. */
struct field {
    const char *name;
    size_t offset, size;
};
#define FIELD(structure, field)                                                                    \
    {                                                                                              \
#field, offsetof(struct structure, field), sizeof(((struct structure *)0)->field)          \
    }

/* The fields, in their order, lie one behind the other, but for what alignment needs. */
void assert_gapless(const struct field *fields, size_t n, size_t whole);
/* Every field that the header names has a row; `size` needs none. */
void assert_named(const char *header, const char *structure, const struct field *fields, size_t n);

struct belay_endpoint *make(struct kit *kit, struct belay_endpoint_options o);
struct belay_addr addr_of(const char *ip, uint16_t port);
struct belay_addr path_of(const char *path, size_t len);

/* All different from each other, and each the same as itself made again. */
void assert_all_apart(struct kit *kit, const struct belay_endpoint_options *list, size_t n);
void assert_same(struct kit *kit, const struct belay_endpoint_options pair[2], size_t number);

/* kit_set_up in an environment without proxies. */
int key_set_up(void **state);
int key_tear_down(void **state);

#endif
