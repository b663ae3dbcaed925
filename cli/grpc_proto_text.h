/* SPDX-License-Identifier: MIT */
/* The text of a .proto file, as libprotobuf writes it, for people. Pure. */
#ifndef CLI_GRPC_PROTO_TEXT_H
#define CLI_GRPC_PROTO_TEXT_H

/*
 * Shortens it in place: ".shop.Item" is what can be asked about as shop.Item, and a name in JSON is
 * no news where it is the field's. Words may be of any length.
 */
void grpc_proto_text_simplify(char *text);

#endif
