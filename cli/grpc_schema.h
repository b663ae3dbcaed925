/* SPDX-License-Identifier: MIT */
/*
 * What services and messages look like: from descriptor sets, .proto files and what servers tell of
 * themselves; and JSON for people and programs from it. grpc_schema.cc has it by libprotobuf;
 * grpc_schema_none.c, where the program is built without that, knows nothing and says so.
 */
#ifndef CLI_GRPC_SCHEMA_H
#define CLI_GRPC_SCHEMA_H

#include "memory.h"
#include "text.h"

#ifdef __cplusplus
extern "C" {
#endif

struct grpc_schema;

/* A method, and what it is called with: lives as long as the schema. */
struct grpc_method {
    const char *path; /* "/package.Service/Method" */
    const char *input, *output;
    bool client_streams, server_streams;
};

/* Whether there is any: if not, all that could fail does, with that reason. */
bool grpc_schema_is_there(void);

struct grpc_schema *grpc_schema_new(void);
void grpc_schema_free(struct grpc_schema *schema);

/* ---- where it comes from ---- */

/* The text of a descriptor set; `name` is for the sentence. */
bool grpc_schema_add_set(struct grpc_schema *schema, const char *name, const struct bytes *set,
                         struct complaint *why);
/* .proto files, and where they and what they import are looked for: "." if nowhere. */
bool grpc_schema_add_protos(struct grpc_schema *schema, const struct strings *files,
                            const struct strings *dirs, struct complaint *why);
/* A file's descriptor, of a server. */
bool grpc_schema_add_file(struct grpc_schema *schema, const void *data, size_t len,
                          struct complaint *why);
/* A file that another imports and nobody has given; NULL: all are there. */
const char *grpc_schema_missing(struct grpc_schema *schema);
/* What was added can be used from now on; nothing must be missing. */
bool grpc_schema_build(struct grpc_schema *schema, struct complaint *why);

/* ---- what there is ---- */

bool grpc_schema_has(const struct grpc_schema *schema, const char *symbol);
bool grpc_schema_has_message(const struct grpc_schema *schema, const char *type);
/* Names, in order, which are to be freed: of services, of a service's methods, of all there is. */
void grpc_schema_services(const struct grpc_schema *schema, struct strings *ret);
void grpc_schema_methods(const struct grpc_schema *schema, const char *service,
                         struct strings *ret);
void grpc_schema_symbols(const struct grpc_schema *schema, struct strings *ret);
bool grpc_schema_method(struct grpc_schema *schema, const char *service, const char *method,
                        struct grpc_method *ret);
/* As it would stand in a .proto file; a method with its messages. False: there is none. */
bool grpc_schema_describe(const struct grpc_schema *schema, const char *symbol, struct bytes *ret);

/* ---- messages ---- */

/* Names of its fields, and of those of messages in it, to be freed. */
void grpc_schema_fields(const struct grpc_schema *schema, const char *type, struct strings *ret);
/* Adds what a field is to `ret`: "int32", "shop.Colour (RED, BLUE)"; `path` is "size.width". */
bool grpc_schema_field_type(const struct grpc_schema *schema, const char *type, const char *path,
                            struct bytes *ret);

/* Adds its bytes to `ret`; `why` is in libprotobuf's words (grpc_json_error). */
bool grpc_schema_read(struct grpc_schema *schema, const char *type, const struct bytes *json,
                      struct bytes *ret, struct complaint *why);

struct grpc_style {
    bool pretty;   /* over lines */
    bool defaults; /* also fields that have their default value */
};

/*
 * Adds its JSON to `ret`. On failure *ret_unknown is the name of a type that an Any in it has, and
 * the schema has not, until the next call; NULL: `why` says what is wrong.
 */
bool grpc_schema_write(struct grpc_schema *schema, const char *type, const void *data, size_t len,
                       const struct grpc_style *style, struct bytes *ret, const char **ret_unknown,
                       struct complaint *why);
/* Nobody knows that type, or, with NULL, any that is not known yet: an Any of it is shown without its
 * fields. */
void grpc_schema_forgo(struct grpc_schema *schema, const char *type);

#ifdef __cplusplus
}
#endif

#endif
