/* SPDX-License-Identifier: MIT */
/*
 * The messages of Chronicle's ConnectionService, in the encoding of Protocol Buffers. Pure. Fields
 * that nobody knows are passed over; fields that are absent or of another type are empty.
 */
#ifndef BL_SERVICE_CHRONICLE_MESSAGES_H
#define BL_SERVICE_CHRONICLE_MESSAGES_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

#define BL_CHRONICLE_SERVICE       "/Cratis.Chronicle.Contracts.Clients.ConnectionService/"
#define BL_CHRONICLE_CONNECT       BL_CHRONICLE_SERVICE "Connect"
#define BL_CHRONICLE_KEEP_ALIVE    BL_CHRONICLE_SERVICE "ConnectionKeepAlive"
#define BL_CHRONICLE_COMPATIBILITY BL_CHRONICLE_SERVICE "CheckCompatibility"

struct bl_chronicle_connect { /* ConnectRequest; texts may be NULL */
    const char *connection_id, *client_version;
    bool has_debugger;
    int32_t process_id;
    const char *process_path, *machine_name, *client_type;
};

/* All append to `out`, which is as it was on BELAY_ENOMEM. */
int bl_chronicle_write_connect(struct bl_buf *out, struct bl_mem *mem,
                               const struct bl_chronicle_connect *message);
int bl_chronicle_write_keep_alive(struct bl_buf *out, struct bl_mem *mem,
                                  const char *connection_id);
int bl_chronicle_write_compatibility(struct bl_buf *out, struct bl_mem *mem,
                                     const char *client_type, const char *client_version,
                                     const char *protocol_version, struct bl_span descriptors);

/* Spans point into `message`. BELAY_EPROTO: it is not a message. */
int bl_chronicle_read_keep_alive(struct bl_span message, struct bl_span *ret_connection_id);

struct bl_chronicle_compatibility { /* CompatibilityResponse */
    bool compatible;
    struct bl_span first_reason; /* of its incompatibilities */
    size_t reasons;
    struct bl_span server_version;
};
int bl_chronicle_read_compatibility(struct bl_span message, struct bl_chronicle_compatibility *ret);

#endif
