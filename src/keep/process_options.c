/* SPDX-License-Identifier: MIT */
/* Options of processes: their ranges, and what is no behaviour. */
#include "keep/process.h"

#define YEAR_MS INT64_C(31536000000)

const struct bl_option bl_process_options[] = {
    BL_OPTION(belay_process_options, stack_size, 0, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 65536, 1 << 30),
    BL_OPTION(belay_process_options, start_timeout_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1,
              YEAR_MS),
    BL_OPTION(belay_process_options, mailbox_max, 1024, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1,
              10000000),
    BL_OPTION(belay_process_options, mailbox_full, BELAY_MAILBOX_REFUSE, BL_NOT_ALLOWED,
              BL_NOT_ALLOWED, BELAY_MAILBOX_DROP_OLDEST, BELAY_MAILBOX_DROP_OLDEST),
};
const size_t bl_process_options_n = BL_COUNT(bl_process_options);

int bl_process_options_resolve(struct belay_process_options *ret,
                               const struct belay_process_options *given,
                               struct belay_backoff *ret_backoff, struct belay_error *error)
{
    int rc = bl_options_resolve(ret, sizeof *ret, given, bl_process_options, bl_process_options_n,
                                error);

    if (rc < 0)
        return rc;
    if (belay_backoff_init(ret_backoff, ret->backoff) < 0)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "backoff: out of range");
    return 0;
}

int bl_behaviour_check(const struct belay_behaviour *behaviour, struct belay_error *error)
{
    struct belay_behaviour b;

    if (!behaviour)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "behaviour is NULL");
    return bl_options_resolve(&b, sizeof b, behaviour, NULL, 0, error);
}
