/* SPDX-License-Identifier: MIT */
/* The messages of Chronicle's ConnectionService. */
#include "service/chronicle_messages.h"

#include "wire/protobuf.h"

/* ---- writing ---- */

int bl_chronicle_write_connect(struct bl_buf *out, struct bl_mem *mem,
                               const struct bl_chronicle_connect *m)
{
    struct bl_pb_writer w = bl_pb_write(out, mem);

    bl_pb_put_text(&w, 1, m->connection_id);
    bl_pb_put_text(&w, 2, m->client_version);
    bl_pb_put_number(&w, 3, m->has_debugger);
    bl_pb_put_number(&w, 4, (uint64_t)(int64_t)m->process_id);
    bl_pb_put_text(&w, 5, m->process_path);
    bl_pb_put_text(&w, 6, m->machine_name);
    bl_pb_put_text(&w, 7, m->client_type);
    return bl_pb_finish(&w);
}

int bl_chronicle_write_keep_alive(struct bl_buf *out, struct bl_mem *mem, const char *connection_id)
{
    struct bl_pb_writer w = bl_pb_write(out, mem);

    bl_pb_put_text(&w, 1, connection_id);
    return bl_pb_finish(&w);
}

int bl_chronicle_write_compatibility(struct bl_buf *out, struct bl_mem *mem,
                                     const char *client_type, const char *client_version,
                                     const char *protocol_version, struct bl_span descriptors)
{
    struct bl_pb_writer w = bl_pb_write(out, mem);

    bl_pb_put_text(&w, 1, client_type);
    bl_pb_put_text(&w, 2, client_version);
    bl_pb_put_text(&w, 3, protocol_version);
    bl_pb_put_bytes(&w, 4, descriptors);
    return bl_pb_finish(&w);
}

/* ---- reading ---- */

int bl_chronicle_read_keep_alive(struct bl_span message, struct bl_span *ret_connection_id)
{
    struct bl_pb_field field;
    int rc;

    *ret_connection_id = bl_span("", 0);
    while ((rc = bl_pb_next(&message, &field)) > 0) {
        if (field.tag == BL_PB_TAG(1, BL_PB_LENGTH))
            *ret_connection_id = field.bytes;
    }
    return rc;
}

int bl_chronicle_read_compatibility(struct bl_span message, struct bl_chronicle_compatibility *ret)
{
    struct bl_pb_field field;
    int rc;

    *ret = (struct bl_chronicle_compatibility){.first_reason = bl_span("", 0),
                                               .server_version = bl_span("", 0)};
    while ((rc = bl_pb_next(&message, &field)) > 0) {
        if (field.tag == BL_PB_TAG(1, BL_PB_VARINT))
            ret->compatible = field.value != 0;
        if (field.tag == BL_PB_TAG(2, BL_PB_LENGTH) && ret->reasons++ == 0)
            ret->first_reason = field.bytes;
        if (field.tag == BL_PB_TAG(3, BL_PB_LENGTH))
            ret->server_version = field.bytes;
    }
    return rc;
}
