/* SPDX-License-Identifier: MIT */
/*
 * What a lost race is called. A limit of this process (descriptors, memory) outranks what peers
 * did, as they are not to blame; a peer's own refusal outranks a network that is not there, such as
 * IPv6 on most machines.
 */
#include "net/dial_error.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"

static int rank(int os_error)
{
    switch (os_error) {
    case 0:
        return 0;
    case EAFNOSUPPORT:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
        return 1;
    case EHOSTUNREACH:
        return 2;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        return 4;
    default:
        return 3;
    }
}

/* The last of those that say most. */
static int telling_error(const struct belay_tried *tried, size_t n)
{
    int best = 0;
    for (size_t i = 0; i < n; i++) {
        if (rank(tried[i].os_error) >= rank(best))
            best = tried[i].os_error;
    }
    return best;
}

/* "192.0.2.1:80: connection refused after 3 ms, [::1]:80: ..." */
static void list_tried(const struct belay_tried *tried, size_t n, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        char item[256], addr[BELAY_ADDR_TEXT_MAX];
        const char *what = tried[i].os_error ? bl_errno_text(tried[i].os_error) : "no answer";
        int len = snprintf(item, sizeof item, "%s%s: %s after %lld ms", i ? ", " : "",
                           belay_addr_print(&tried[i].addr, addr, sizeof addr), what,
                           (long long)tried[i].took_ms);
        if (at + (size_t)len + sizeof ", and 99 more" > size) {
            snprintf(out + at, size - at, "%s%zu more", i ? ", and " : "", n - i);
            return;
        }
        memcpy(out + at, item, (size_t)len + 1);
        at += (size_t)len;
    }
}

void bl_dial_describe_lost(const struct bl_race *race, uint64_t now_ns, const char *target,
                           struct belay_error *error)
{
    struct belay_tried tried[BL_RACE_MAX];
    size_t n = bl_race_tried(race, now_ns, tried);
    int os_error = telling_error(tried, n);
    int code = os_error == ETIMEDOUT ? BELAY_ETIMEDOUT : bl_code_of_errno(os_error, BELAY_ECONNECT);
    char list[BELAY_ERROR_TEXT_MAX * 3 / 4];
    list_tried(tried, n, list, sizeof list);
    bl_error_set(error, code, BELAY_STAGE_CONNECT, "connecting to %s: %s (tried %s)", target,
                 os_error ? bl_errno_text(os_error) : "no address", n ? list : "nothing");
    error->os_error = os_error;
}

void bl_dial_describe_timeout(const struct bl_race *race, uint64_t now_ns, const char *target,
                              int64_t limit_ms, struct belay_error *error)
{
    struct belay_tried tried[BL_RACE_MAX];
    size_t n = bl_race_tried(race, now_ns, tried);
    char list[BELAY_ERROR_TEXT_MAX * 3 / 4];
    list_tried(tried, n, list, sizeof list);
    bl_error_set(error, BELAY_ETIMEDOUT, BELAY_STAGE_CONNECT,
                 "connecting to %s: not connected within %lld ms (tried %s)", target,
                 (long long)limit_ms, n ? list : "nothing");
}
