/* SPDX-License-Identifier: MIT */
/* Metadata of gRPC. */
#include "wire/grpc_metadata.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/base64.h"

static bool is_one_of(struct bl_span key, const struct bl_span *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bl_span_equal(key, keys[i]))
            return true;
    }
    return false;
}

static bool starts_with_grpc(struct bl_span key)
{
    return key.len >= 5 && memcmp(key.data, "grpc-", 5) == 0;
}

/* ---- what may be sent ---- */

/* Of HTTP/2, of a connection (RFC 9113, 8.2.2), or set from the options of a call. */
static const struct bl_span taken[] = {
    BL_SPAN_TEXT("connection"), BL_SPAN_TEXT("content-length"),    BL_SPAN_TEXT("content-type"),
    BL_SPAN_TEXT("host"),       BL_SPAN_TEXT("keep-alive"),        BL_SPAN_TEXT("proxy-connection"),
    BL_SPAN_TEXT("te"),         BL_SPAN_TEXT("trailer"),           BL_SPAN_TEXT("upgrade"),
    BL_SPAN_TEXT("user-agent"), BL_SPAN_TEXT("transfer-encoding"), BL_SPAN_TEXT("http2-settings"),
};

/* Contexts of tracing, which applications send although their names are reserved. */
static const struct bl_span allowed[] = {
    BL_SPAN_TEXT("grpc-trace-bin"),
    BL_SPAN_TEXT("grpc-tags-bin"),
};

static int refuse(struct bl_span key, struct belay_error *error, const char *what)
{
    char shown[64];

    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "metadata \"%s\": %s",
                        bl_text_show(shown, sizeof shown, key.data, key.len), what);
}

static int check_key(struct bl_span key, struct belay_error *error)
{
    if (key.len == 0)
        return refuse(key, error, "the key is empty");
    if (key.data[0] == ':')
        return refuse(key, error, "keys that start with \":\" belong to HTTP/2");
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];

        if (c >= 'A' && c <= 'Z')
            return refuse(key, error, "a key has no upper-case letters");
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && (c == '\0' || !strchr("_-.", c)))
            return refuse(key, error, "a key is made of letters, digits, \"_\", \"-\" and \".\"");
    }
    if (is_one_of(key, taken, BL_COUNT(taken)))
        return refuse(key, error, "belay sets this field by itself");
    if (starts_with_grpc(key) && !is_one_of(key, allowed, BL_COUNT(allowed)))
        return refuse(key, error, "keys that start with \"grpc-\" are reserved");
    return 0;
}

int bl_grpc_metadata_check(struct bl_span key, struct bl_span value, struct belay_error *error)
{
    int rc = check_key(key, error);

    if (rc < 0 || bl_grpc_metadata_is_binary(key) || value.len == 0)
        return rc;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] >= 0x7f)
            return refuse(key, error,
                          "the value is not printable ASCII (bytes go under a key that "
                          "ends in \"-bin\")");
    }
    if (value.data[0] == ' ' || value.data[value.len - 1] == ' ')
        return refuse(key, error, "the value has a blank at an end, which may get lost");
    return 0;
}

int bl_grpc_metadata_write(struct bl_span key, struct bl_span value, struct bl_buf *out,
                           struct bl_mem *mem)
{
    size_t len = BL_BASE64_UNPADDED(value.len);
    char *room;

    if (!bl_grpc_metadata_is_binary(key))
        return bl_buf_append(out, mem, value.data, value.len);
    if (len == 0)
        return 0;
    room = bl_buf_reserve(out, mem, len);
    if (!room)
        return BELAY_ENOMEM;
    bl_buf_commit(out, bl_base64_write(value.data, value.len, false, room));
    return 0;
}

/* ---- what comes ---- */

bool bl_grpc_metadata_is_custom(struct bl_span key)
{
    static const struct bl_span own[] = {
        BL_SPAN_TEXT("content-type"),  BL_SPAN_TEXT("te"),
        BL_SPAN_TEXT("grpc-encoding"), BL_SPAN_TEXT("grpc-accept-encoding"),
        BL_SPAN_TEXT("grpc-message"),  BL_SPAN_TEXT("grpc-status"),
        BL_SPAN_TEXT("grpc-timeout"),  BL_SPAN_TEXT("grpc-message-type"),
    };

    return key.len > 0 && key.data[0] != ':' && !is_one_of(key, own, BL_COUNT(own));
}

int bl_grpc_metadata_read(struct bl_span value, struct bl_buf *out, struct bl_mem *mem)
{
    size_t len = 0;
    char *room;

    if (value.len == 0)
        return 0;
    room = bl_buf_reserve(out, mem, BL_BASE64_BYTES_MAX(value.len));
    if (!room)
        return BELAY_ENOMEM;
    if (!bl_base64_read(value, room, &len))
        return BELAY_EPROTO;
    bl_buf_commit(out, len);
    return 0;
}
