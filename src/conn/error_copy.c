/* SPDX-License-Identifier: MIT */
#include "conn/error_copy.h"

void bl_error_copy_set(struct bl_error_copy *copy, struct bl_mem *mem,
                       const struct belay_error *error)
{
    struct belay_error *whole;

    bl_error_copy_clear(copy, mem);
    copy->code = error ? error->code : BELAY_EEOF;
    copy->stage = (uint8_t)(error ? error->stage : BELAY_STAGE_USE);
    copy->final = error && error->final;
    if (!error)
        return;
    whole = bl_alloc(mem, sizeof *whole + error->tried_n * sizeof *error->tried);
    if (!whole)
        return;
    *whole = *error;
    if (whole->kind == BELAY_KIND_NONE)
        whole->kind = belay_error_kind_of(whole->code);
    whole->tried = NULL;
    if (error->tried_n) {
        memcpy(whole + 1, error->tried, error->tried_n * sizeof *error->tried);
        whole->tried = (const struct belay_tried *)(const void *)(whole + 1);
    }
    copy->whole = whole;
}

void bl_error_copy_clear(struct bl_error_copy *copy, struct bl_mem *mem)
{
    bl_free(mem, copy->whole);
    *copy = (struct bl_error_copy){0};
}

const struct belay_error *bl_error_copy_get(const struct bl_error_copy *copy,
                                            struct belay_error *scratch,
                                            const struct belay_endpoint *endpoint)
{
    if (copy->whole)
        return copy->whole;
    bl_error_set(scratch, copy->code, (enum belay_stage)copy->stage, "%s%s%s",
                 endpoint ? belay_endpoint_name(endpoint) : "", endpoint ? ": " : "",
                 belay_strerror(copy->code));
    scratch->final = copy->final;
    return scratch;
}

bool bl_error_copy_tell(const struct bl_error_copy *copy, const struct belay_endpoint *endpoint,
                        struct belay_error *ret)
{
    struct belay_error scratch;

    if (copy->code == 0)
        return false;
    if (ret) {
        bl_error_keep(ret, bl_error_copy_get(copy, &scratch, endpoint));
    }
    return true;
}
