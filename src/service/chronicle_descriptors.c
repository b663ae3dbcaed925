/* SPDX-License-Identifier: MIT */
/* The descriptors of Chronicle's session messages. */
#include "service/chronicle_descriptors.h"

#include "base/assert.h"
#include "wire/protobuf.h"

#define PACKAGE "Cratis.Chronicle.Contracts.Clients"

/* FieldDescriptorProto.Type and .Label. */
enum { INT32 = 5, BOOL = 8, STRING = 9, BYTES = 12 };
enum { OPTIONAL = 1, REPEATED = 3 };

struct field {
    const char *name;
    uint8_t number, type, label;
};

static const struct message {
    const char *name;
    struct field fields[8]; /* up to one without a name */
} messages[] = {
    {"ConnectRequest",
     {{"ConnectionId", 1, STRING, OPTIONAL},
      {"ClientVersion", 2, STRING, OPTIONAL},
      {"IsRunningWithDebugger", 3, BOOL, OPTIONAL},
      {"ProcessId", 4, INT32, OPTIONAL},
      {"ProcessPath", 5, STRING, OPTIONAL},
      {"MachineName", 6, STRING, OPTIONAL},
      {"ClientType", 7, STRING, OPTIONAL}}},
    {"ConnectionKeepAlive", {{"ConnectionId", 1, STRING, OPTIONAL}}},
    {"CompatibilityRequest",
     {{"ClientType", 1, STRING, OPTIONAL},
      {"ClientVersion", 2, STRING, OPTIONAL},
      {"ProtocolVersion", 3, STRING, OPTIONAL},
      {"DescriptorSet", 4, BYTES, OPTIONAL}}},
    {"CompatibilityResponse",
     {{"IsCompatible", 1, BOOL, OPTIONAL},
      {"Incompatibilities", 2, STRING, REPEATED},
      {"ServerVersion", 3, STRING, OPTIONAL},
      {"ServerProtocolVersion", 4, STRING, OPTIONAL},
      {"Capabilities", 5, STRING, REPEATED}}},
};

/* A message within one: its length stands before it, so it is written apart. */
static void put_message(struct bl_pb_writer *w, uint32_t number, struct bl_pb_writer *inner)
{
    if (w->rc == 0)
        w->rc = bl_pb_finish(inner);
    bl_pb_put_bytes(w, number, bl_span(bl_buf_head(inner->out), bl_buf_len(inner->out)));
    bl_buf_free(inner->out, inner->mem);
}

static void put_field(struct bl_pb_writer *w, const struct field *f)
{
    struct bl_buf room = {0};
    struct bl_pb_writer inner = bl_pb_write(&room, w->mem);

    bl_pb_put_text(&inner, 1, f->name);
    bl_pb_put_number(&inner, 3, f->number);
    bl_pb_put_number(&inner, 4, f->label);
    bl_pb_put_number(&inner, 5, f->type);
    put_message(w, 2, &inner);
}

static void put_type(struct bl_pb_writer *w, const struct message *m)
{
    struct bl_buf room = {0};
    struct bl_pb_writer inner = bl_pb_write(&room, w->mem);

    bl_pb_put_text(&inner, 1, m->name);
    for (size_t i = 0; i < BL_COUNT(m->fields) && m->fields[i].name; i++)
        put_field(&inner, &m->fields[i]);
    put_message(w, 4, &inner);
}

int bl_chronicle_write_descriptors(struct bl_buf *out, struct bl_mem *mem)
{
    struct bl_buf room = {0};
    struct bl_pb_writer w = bl_pb_write(out, mem), file = bl_pb_write(&room, mem);

    bl_pb_put_text(&file, 1, "clients.proto");
    bl_pb_put_text(&file, 2, PACKAGE);
    for (size_t i = 0; i < BL_COUNT(messages); i++)
        put_type(&file, &messages[i]);
    bl_pb_put_text(&file, 12, "proto3");
    put_message(&w, 1, &file);
    return bl_pb_finish(&w);
}
