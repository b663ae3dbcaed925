/* SPDX-License-Identifier: MIT */
/* A program that was built without libprotobuf: no schema, and so no JSON. */
#include "grpc_schema.h"

static bool refuse(struct complaint *why)
{
    return complain(why, "this belay was built without protobuf (--hex and --base64 take the bytes "
                         "of messages; health needs none)");
}

bool grpc_schema_is_there(void)
{
    return false;
}

struct grpc_schema *grpc_schema_new(void)
{
    return NULL;
}

void grpc_schema_free(struct grpc_schema *schema)
{
    (void)schema;
}

bool grpc_schema_add_set(struct grpc_schema *schema, const char *name, const struct bytes *set,
                         struct complaint *why)
{
    (void)schema;
    (void)name;
    (void)set;
    return refuse(why);
}

bool grpc_schema_add_protos(struct grpc_schema *schema, const struct strings *files,
                            const struct strings *dirs, struct complaint *why)
{
    (void)schema;
    (void)files;
    (void)dirs;
    return refuse(why);
}

bool grpc_schema_add_file(struct grpc_schema *schema, const void *data, size_t len,
                          struct complaint *why)
{
    (void)schema;
    (void)data;
    (void)len;
    return refuse(why);
}

const char *grpc_schema_missing(struct grpc_schema *schema)
{
    (void)schema;
    return NULL;
}

bool grpc_schema_build(struct grpc_schema *schema, struct complaint *why)
{
    (void)schema;
    return refuse(why);
}

bool grpc_schema_has(const struct grpc_schema *schema, const char *symbol)
{
    (void)schema;
    (void)symbol;
    return false;
}

bool grpc_schema_has_message(const struct grpc_schema *schema, const char *type)
{
    (void)schema;
    (void)type;
    return false;
}

void grpc_schema_services(const struct grpc_schema *schema, struct strings *ret)
{
    (void)schema;
    (void)ret;
}

void grpc_schema_methods(const struct grpc_schema *schema, const char *service, struct strings *ret)
{
    (void)schema;
    (void)service;
    (void)ret;
}

void grpc_schema_symbols(const struct grpc_schema *schema, struct strings *ret)
{
    (void)schema;
    (void)ret;
}

bool grpc_schema_method(struct grpc_schema *schema, const char *service, const char *method,
                        struct grpc_method *ret)
{
    (void)schema;
    (void)service;
    (void)method;
    (void)ret;
    return false;
}

bool grpc_schema_describe(const struct grpc_schema *schema, const char *symbol, struct bytes *ret)
{
    (void)schema;
    (void)symbol;
    (void)ret;
    return false;
}

void grpc_schema_fields(const struct grpc_schema *schema, const char *type, struct strings *ret)
{
    (void)schema;
    (void)type;
    (void)ret;
}

bool grpc_schema_field_type(const struct grpc_schema *schema, const char *type, const char *path,
                            struct bytes *ret)
{
    (void)schema;
    (void)type;
    (void)path;
    (void)ret;
    return false;
}

bool grpc_schema_read(struct grpc_schema *schema, const char *type, const struct bytes *json,
                      struct bytes *ret, struct complaint *why)
{
    (void)schema;
    (void)type;
    (void)json;
    (void)ret;
    return refuse(why);
}

bool grpc_schema_write(struct grpc_schema *schema, const char *type, const void *data, size_t len,
                       const struct grpc_style *style, struct bytes *ret, const char **ret_unknown,
                       struct complaint *why)
{
    (void)schema;
    (void)type;
    (void)data;
    (void)len;
    (void)style;
    (void)ret;
    *ret_unknown = NULL;
    return refuse(why);
}

void grpc_schema_forgo(struct grpc_schema *schema, const char *type)
{
    (void)schema;
    (void)type;
}
