/* SPDX-License-Identifier: MIT */
/*
 * Targets of gRPC: what is accepted has its parts in the text, a host or addresses that can be
 * dialled, and written down again it is the same; what is refused is refused with a sentence.
 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "wire/grpc_target.h"

static void check_name(const struct bl_grpc_target *t)
{
    static const char *const schemes[] = {"dns:", "grpc://", "grpcs://"};
    bool v6 = t->host.ip.family == BELAY_FAMILY_IPV6;
    char host[BL_HOST_MAX + 2], text[BL_HOST_MAX + 64];
    struct bl_grpc_target again;

    BL_ASSERT(t->host.host.len > 0 && t->host.port > 0 && !t->host.userinfo.data);
    BL_ASSERT(t->host.port_given || t->host.port == 443 || t->host.port == 80);
    bl_url_host(&t->host, host);
    snprintf(text, sizeof text, v6 ? "%s[%s]:%u" : "%s%s:%u", schemes[t->security], host,
             (unsigned)t->host.port);
    BL_ASSERT(bl_grpc_target_parse(bl_span_of(text), &again, NULL) == 0);
    BL_ASSERT(again.kind == t->kind && again.security == t->security);
    BL_ASSERT(again.host.port == t->host.port);
    BL_ASSERT(belay_addr_equal(&again.host.ip, &t->host.ip));
    if (t->server.host.data)
        BL_ASSERT(t->server.ip.family != BELAY_FAMILY_NONE && t->server.ip.port > 0);
}

static void check_addresses(const struct bl_grpc_target *t)
{
    struct bl_span rest = t->addresses;
    struct belay_addr addr;
    uint8_t family = 0;
    size_t n = 0;

    for (; bl_grpc_target_next(&rest, &addr); n++) {
        BL_ASSERT(addr.family == BELAY_FAMILY_IPV4 || addr.family == BELAY_FAMILY_IPV6);
        BL_ASSERT(n == 0 || addr.family == family);
        BL_ASSERT(addr.port > 0);
        family = addr.family;
    }
    BL_ASSERT(n > 0 && n == t->addresses_n && n <= BL_GRPC_ADDRESSES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bl_span text = bl_span((const char *)data, size);
    struct bl_grpc_target target;
    struct belay_error error = {0};

    if (bl_grpc_target_parse(text, &target, &error) < 0) {
        BL_ASSERT(error.code == BELAY_EINVAL);
        fuzz_check_sentence(error.text, sizeof error.text);
        return 0;
    }
    if (target.kind == BL_GRPC_TARGET_NAME)
        check_name(&target);
    else if (target.kind == BL_GRPC_TARGET_ADDRESSES)
        check_addresses(&target);
    else
        BL_ASSERT(target.socket.family == BELAY_FAMILY_UNIX && target.socket.path_len > 0);
    return 0;
}
