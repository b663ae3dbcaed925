/* SPDX-License-Identifier: MIT */
/* The messages of Chronicle's ConnectionService. */
#include "service/chronicle_messages.h"

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 }; /* wire types */

/* ---- writing ---- */

static int put_varint(struct bl_buf *out, struct bl_mem *mem, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;

    do {
        bytes[n++] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    return bl_buf_append(out, mem, bytes, n);
}

/* One that is 0 is left out. */
static int put_number(struct bl_buf *out, struct bl_mem *mem, unsigned field, uint64_t value)
{
    int rc = value ? put_varint(out, mem, field << 3 | VARINT) : 0;

    return rc < 0 || !value ? rc : put_varint(out, mem, value);
}

static int put_bytes(struct bl_buf *out, struct bl_mem *mem, unsigned field, struct bl_span value)
{
    int rc = value.len ? put_varint(out, mem, field << 3 | LENGTH) : 0;

    if (rc < 0 || value.len == 0)
        return rc;
    rc = put_varint(out, mem, value.len);
    return rc < 0 ? rc : bl_buf_append(out, mem, value.data, value.len);
}

static int put_text(struct bl_buf *out, struct bl_mem *mem, unsigned field, const char *value)
{
    return put_bytes(out, mem, field, bl_span_of(value));
}

/* What was begun is taken back, where it could not be ended. */
static int finish(struct bl_buf *out, size_t before, int rc)
{
    if (rc < 0)
        bl_buf_cut(out, before);
    return rc;
}

int bl_chronicle_write_connect(struct bl_buf *out, struct bl_mem *mem,
                               const struct bl_chronicle_connect *m)
{
    size_t before = bl_buf_len(out);
    int rc = put_text(out, mem, 1, m->connection_id);

    if (rc == 0)
        rc = put_text(out, mem, 2, m->client_version);
    if (rc == 0)
        rc = put_number(out, mem, 3, m->has_debugger);
    if (rc == 0)
        rc = put_number(out, mem, 4, (uint64_t)(int64_t)m->process_id);
    if (rc == 0)
        rc = put_text(out, mem, 5, m->process_path);
    if (rc == 0)
        rc = put_text(out, mem, 6, m->machine_name);
    if (rc == 0)
        rc = put_text(out, mem, 7, m->client_type);
    return finish(out, before, rc);
}

int bl_chronicle_write_keep_alive(struct bl_buf *out, struct bl_mem *mem, const char *connection_id)
{
    return finish(out, bl_buf_len(out), put_text(out, mem, 1, connection_id));
}

int bl_chronicle_write_compatibility(struct bl_buf *out, struct bl_mem *mem,
                                     const char *client_type, const char *client_version,
                                     const char *protocol_version, struct bl_span descriptors)
{
    size_t before = bl_buf_len(out);
    int rc = put_text(out, mem, 1, client_type);

    if (rc == 0)
        rc = put_text(out, mem, 2, client_version);
    if (rc == 0)
        rc = put_text(out, mem, 3, protocol_version);
    if (rc == 0)
        rc = put_bytes(out, mem, 4, descriptors);
    return finish(out, before, rc);
}

/* ---- reading ---- */

struct field {
    uint64_t tag; /* number << 3 | wire type */
    uint64_t number;
    struct bl_span bytes;
};

static bool read_varint(struct bl_span *in, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)*in->data;

        in->data++;
        in->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* The next field; false: it is none. */
static bool read_field(struct bl_span *in, struct field *ret)
{
    uint64_t n = 0;

    if (!read_varint(in, &ret->tag) || ret->tag >> 3 == 0)
        return false;
    switch (ret->tag & 7) {
    case VARINT:
        return read_varint(in, &ret->number);
    case LENGTH:
        if (!read_varint(in, &n))
            return false;
        break;
    case FIXED64:
        n = 8;
        break;
    case FIXED32:
        n = 4;
        break;
    default:
        return false;
    }
    if (n > in->len)
        return false;
    ret->bytes = bl_span(in->data, (size_t)n);
    in->data += n;
    in->len -= (size_t)n;
    return true;
}

int bl_chronicle_read_keep_alive(struct bl_span message, struct bl_span *ret_connection_id)
{
    struct field field;

    *ret_connection_id = bl_span("", 0);
    while (message.len > 0) {
        if (!read_field(&message, &field))
            return BELAY_EPROTO;
        if (field.tag == (1 << 3 | LENGTH))
            *ret_connection_id = field.bytes;
    }
    return 0;
}

int bl_chronicle_read_compatibility(struct bl_span message, struct bl_chronicle_compatibility *ret)
{
    struct field field = {0};

    *ret = (struct bl_chronicle_compatibility){.first_reason = bl_span("", 0),
                                               .server_version = bl_span("", 0)};
    while (message.len > 0) {
        if (!read_field(&message, &field))
            return BELAY_EPROTO;
        if (field.tag == (1 << 3 | VARINT))
            ret->compatible = field.number != 0;
        if (field.tag == (2 << 3 | LENGTH) && ret->reasons++ == 0)
            ret->first_reason = field.bytes;
        if (field.tag == (3 << 3 | LENGTH))
            ret->server_version = field.bytes;
    }
    return 0;
}
