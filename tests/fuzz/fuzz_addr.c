/* SPDX-License-Identifier: MIT */
/* Addresses: what is read and printed is read again as the same. */
#include "base/assert.h"
#include "belay/addr.h"
#include "belay/error.h"
#include "fuzz/fuzz.h"

static void check_ip(struct bl_span text, uint16_t port)
{
    struct belay_addr addr, again;
    char out[BELAY_ADDR_TEXT_MAX];

    if (belay_addr_parse_ip(text.data, text.len, port, &addr) < 0)
        return;
    BL_ASSERT(addr.family == BELAY_FAMILY_IPV4 || addr.family == BELAY_FAMILY_IPV6);
    BL_ASSERT(addr.port == port);
    belay_addr_print(&addr, out, sizeof out);
    fuzz_check_sentence(out, sizeof out);
    addr.port = 0;
    belay_addr_print(&addr, out, sizeof out);
    fuzz_check_sentence(out, sizeof out);
    BL_ASSERT(belay_addr_parse_ip(out, strlen(out), 0, &again) == 0);
    BL_ASSERT(belay_addr_equal(&addr, &again));
}

static void check_path(struct bl_span text)
{
    struct belay_addr addr, again;
    char out[BELAY_ADDR_TEXT_MAX];
    bool plain = true;

    if (belay_addr_from_path(text.data, text.len, &addr) < 0)
        return;
    belay_addr_print(&addr, out, sizeof out);
    fuzz_check_sentence(out, sizeof out);
    for (size_t i = 0; i < text.len; i++)
        plain = plain && (unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f;
    BL_ASSERT(strlen(out) == text.len);
    if (!plain)
        return;
    BL_ASSERT(belay_addr_from_path(out, strlen(out), &again) == 0);
    BL_ASSERT(belay_addr_equal(&addr, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    uint16_t port = (uint16_t)(fuzz_byte(&in) << 8);
    struct belay_addr addr = {0};
    char tiny[8];

    port = (uint16_t)(port | fuzz_byte(&in));
    check_ip(fuzz_rest(&in), port);
    check_path(fuzz_rest(&in));
    if (belay_addr_parse_ip((const char *)in.data, in.len, port, &addr) == 0)
        for (size_t room = 1; room <= sizeof tiny; room++)
            BL_ASSERT(strnlen(belay_addr_print(&addr, tiny, room), room) < room);
    return 0;
}
