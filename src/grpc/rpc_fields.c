/* SPDX-License-Identifier: MIT */
/* Metadata in one piece of memory: collected, then looked at. */
#include "grpc/rpc.h"
#include "wire/field.h"
#include "wire/grpc_metadata.h"

struct place {
    uint32_t name_at, name_len, value_at, value_len;
};

static int add_text(struct bl_rpc_fields *f, struct bl_mem *mem, struct bl_span text)
{
    if (bl_buf_append(&f->text, mem, text.data, text.len) < 0)
        return BELAY_ENOMEM;
    return bl_buf_append(&f->text, mem, "", 1);
}

int bl_rpc_fields_reserve(struct bl_rpc_fields *f, struct bl_mem *mem, size_t n, size_t bytes)
{
    /* In base64 three are four; two NULs each, and what is padded. */
    return bl_buf_reserve(&f->text, mem, bytes + bytes / 3 + 8 * n) ? 0 : BELAY_ENOMEM;
}

/* A name; the value is what is appended to the text until it is closed. */
static int open_place(struct bl_rpc_fields *f, struct bl_mem *mem, struct bl_span name,
                      struct place *ret)
{
    *ret =
        (struct place){.name_at = (uint32_t)bl_buf_len(&f->text), .name_len = (uint32_t)name.len};
    if (add_text(f, mem, name) < 0)
        return BELAY_ENOMEM;
    ret->value_at = (uint32_t)bl_buf_len(&f->text);
    return 0;
}

static int close_place(struct bl_rpc_fields *f, struct bl_mem *mem, struct place *p)
{
    p->value_len = (uint32_t)bl_buf_len(&f->text) - p->value_at;
    if (bl_buf_append(&f->text, mem, "", 1) < 0 || bl_buf_append(&f->places, mem, p, sizeof *p) < 0)
        return BELAY_ENOMEM;
    f->n++;
    return 0;
}

int bl_rpc_fields_add(struct bl_rpc_fields *f, struct bl_mem *mem, struct bl_span name,
                      struct bl_span value)
{
    struct place p;

    if (open_place(f, mem, name, &p) < 0 || bl_grpc_metadata_write(name, value, &f->text, mem) < 0)
        return BELAY_ENOMEM;
    return close_place(f, mem, &p);
}

int bl_rpc_fields_finish(struct bl_rpc_fields *f, struct bl_mem *mem)
{
    const struct place *p = (const void *)bl_buf_head(&f->places);
    const char *text = bl_buf_head(&f->text);
    struct belay_header *out;

    if (f->n == 0)
        return 0;
    out = (void *)bl_buf_reserve(&f->headers, mem, f->n * sizeof *out);
    if (!out)
        return BELAY_ENOMEM;
    for (size_t i = 0; i < f->n; i++, p++)
        out[i] =
            (struct belay_header){text + p->name_at, text + p->value_at, p->name_len, p->value_len};
    bl_buf_commit(&f->headers, f->n * sizeof *out);
    return 0;
}

/* A binary one may be several, joined. */
static int read_binary(struct bl_rpc_fields *f, struct bl_mem *mem, struct bl_span name,
                       struct bl_span rest)
{
    struct bl_span value;
    struct place p;

    while (bl_field_next_part(&rest, &value)) {
        int rc = open_place(f, mem, name, &p);

        rc = rc < 0 ? rc : bl_grpc_metadata_read(value, &f->text, mem);
        rc = rc < 0 ? rc : close_place(f, mem, &p);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_plain(struct bl_rpc_fields *f, struct bl_mem *mem, struct bl_span name,
                      struct bl_span value)
{
    struct place p;

    if (open_place(f, mem, name, &p) < 0 || bl_buf_append(&f->text, mem, value.data, value.len) < 0)
        return BELAY_ENOMEM;
    return close_place(f, mem, &p);
}

int bl_rpc_fields_read(struct bl_rpc_fields *f, struct bl_mem *mem,
                       const struct belay_header *headers, size_t n)
{
    bl_rpc_fields_clear(f);
    for (size_t i = 0; i < n; i++) {
        struct bl_span name = bl_span(headers[i].name, headers[i].name_len);
        struct bl_span value = bl_span(headers[i].value, headers[i].value_len);
        int rc = 0;

        if (bl_grpc_metadata_is_custom(name))
            rc = bl_grpc_metadata_is_binary(name) ? read_binary(f, mem, name, value)
                                                  : read_plain(f, mem, name, value);
        if (rc < 0)
            return rc;
    }
    return bl_rpc_fields_finish(f, mem);
}

const struct belay_header *bl_rpc_fields_headers(const struct bl_rpc_fields *f)
{
    return (const void *)bl_buf_head(&f->headers);
}

void bl_rpc_fields_clear(struct bl_rpc_fields *f)
{
    bl_buf_clear(&f->text);
    bl_buf_clear(&f->places);
    bl_buf_clear(&f->headers);
    f->n = 0;
}

void bl_rpc_fields_wipe(struct bl_rpc_fields *f)
{
    if (f->text.data)
        explicit_bzero(f->text.data, f->text.capacity);
}

void bl_rpc_fields_free(struct bl_rpc_fields *f, struct bl_mem *mem)
{
    if (!f->text.data) /* it is the first to get memory */
        return;
    bl_buf_free(&f->text, mem);
    bl_buf_free(&f->places, mem);
    bl_buf_free(&f->headers, mem);
    f->n = 0;
}
