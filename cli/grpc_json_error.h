/* SPDX-License-Identifier: MIT */
/* What is wrong with a message's JSON, in words that name the field. */
#ifndef CLI_GRPC_JSON_ERROR_H
#define CLI_GRPC_JSON_ERROR_H

#include "grpc_schema.h"

/* From what grpc_schema_read said of a message of that type. */
void grpc_json_error(const struct grpc_schema *schema, const char *type, const char *said,
                     struct complaint *why);

#endif
