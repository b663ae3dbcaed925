/* SPDX-License-Identifier: MIT */
/* A call from the caller's options: everything is checked and copied here, so that nothing can be
 * refused later. */
#include "base/error.h"
#include "base/options.h"
#include "base/text.h"
#include "grpc/rpc.h"
#include "wire/grpc_metadata.h"

#define METHOD_MAX         1024u
#define AUTHORITY_MAX      1024u
#define METADATA_MAX       500u
#define METADATA_BYTES_MAX (1u << 19)
#define YEAR_MS            INT64_C(31536000000)

static const struct bl_option fields[] = {
    BL_OPTION(belay_rpc_options, deadline_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
};

static int refuse(struct belay_error *error, const char *text)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", text);
}

/* Letters, digits and "/_.-~+:$@!*"; a bit for each character. */
static bool is_path_character(char c)
{
    static const uint32_t bits[4] = {0, 0x07ffec12, 0x87ffffff, 0x47fffffe};
    unsigned char u = (unsigned char)c;

    return u < 128 && (bits[u / 32] >> u % 32 & 1);
}

static bool is_method(const char *method, size_t len)
{
    const char *second = len > 1 ? strchr(method + 1, '/') : NULL;

    if (len > METHOD_MAX || !second || method[0] != '/' || second == method + 1 || !second[1])
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_path_character(method[i]))
            return false;
    }
    return true;
}

/* Mostly it is the one of the call before. */
static int check_method(struct bl_rpc_home *home, const char *method, struct belay_error *error)
{
    size_t len = method ? strnlen(method, METHOD_MAX + 1) : 0;
    bool short_one = len > 0 && len < sizeof home->known;
    char shown[96];

    if (short_one && memcmp(home->known, method, len + 1) == 0)
        return 0;
    if (is_method(method, len)) {
        if (short_one)
            memcpy(home->known, method, len + 1);
        return 0;
    }
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                        "method: \"%s\" is not of the form \"/package.Service/Method\"",
                        bl_text_show(shown, sizeof shown, method ? method : "", len));
}

static int check_authority(const char *authority, struct belay_error *error)
{
    size_t len = strnlen(authority, AUTHORITY_MAX + 1);

    if (len == 0 || len > AUTHORITY_MAX)
        return refuse(error, "authority: it is empty, or longer than 1,024 bytes");
    for (size_t i = 0; i < len; i++) {
        if (authority[i] <= ' ' || authority[i] > '~' || strchr("/?#@\\", authority[i]))
            return refuse(error, "authority: it is not a host with or without a port");
    }
    return 0;
}

static struct bl_span span_of(const char *text, size_t len)
{
    return bl_span(text, len == 0 && text ? strnlen(text, METADATA_BYTES_MAX + 1) : len);
}

int bl_rpc_add_metadata(struct bl_rpc_fields *f, struct bl_mem *mem,
                        const struct belay_header *headers, size_t n, struct belay_error *error)
{
    size_t bytes = 0;

    if (n > METADATA_MAX)
        return refuse(error, "metadata: there are more than 500 fields");
    if (n > 0 && !headers)
        return refuse(error, "metadata: a number without fields was given");
    for (size_t i = 0; i < n; i++) {
        struct bl_span name = span_of(headers[i].name, headers[i].name_len);
        struct bl_span value = span_of(headers[i].value, headers[i].value_len);
        int rc = bl_grpc_metadata_check(name, value, error);

        if (rc < 0)
            return rc;
        bytes += name.len + value.len;
        if (bytes > METADATA_BYTES_MAX)
            return refuse(error, "metadata: there is more than 512 KiB of it");
    }
    if (n == 0)
        return 0;
    if (bl_rpc_fields_reserve(f, mem, n, bytes) < 0)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "metadata: out of memory");
    for (size_t i = 0; i < n; i++) {
        struct bl_span name = span_of(headers[i].name, headers[i].name_len);
        struct bl_span value = span_of(headers[i].value, headers[i].value_len);

        if (bl_rpc_fields_add(f, mem, name, value) < 0)
            return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "metadata: out of memory");
    }
    if (bl_rpc_fields_finish(f, mem) < 0)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "metadata: out of memory");
    return 0;
}

static int copy_names(struct belay_rpc *rpc, const char *method, const char *authority)
{
    size_t at = strlen(rpc->home->url);

    memcpy(rpc->url, rpc->home->url, at);
    memcpy(rpc->url + at, method, strlen(method) + 1);
    rpc->method = rpc->url + at;
    if (!authority)
        return 0;
    rpc->authority = bl_strdup(&rpc->loop->brief, authority);
    return rpc->authority ? 0 : BELAY_ENOMEM;
}

size_t bl_rpc_size(const struct bl_rpc_home *home, const char *method)
{
    size_t len = method ? strnlen(method, METHOD_MAX + 1) : 0;

    return sizeof(struct belay_rpc) + strlen(home->url) + len + 1;
}

static int take_callbacks(struct belay_rpc *rpc, const struct belay_rpc_callbacks *callbacks,
                          struct belay_error *error)
{
    if (!callbacks || callbacks->size < sizeof rpc->callbacks)
        return refuse(error, "callbacks: there are none, or their size is not set");
    if (!callbacks->on_done)
        return refuse(error, "callbacks: there is no on_done");
    rpc->callbacks = *callbacks;
    return 0;
}

int bl_rpc_make(struct belay_rpc *rpc, const char *method, const struct belay_rpc_options *given,
                const struct belay_rpc_callbacks *callbacks, struct belay_error *error)
{
    const struct belay_channel_options *of_channel = rpc->home->options;
    struct belay_rpc_options o;
    int rc = bl_options_resolve(&o, sizeof o, given, fields, BL_COUNT(fields), error);

    rc = rc < 0 ? rc : take_callbacks(rpc, callbacks, error);
    rc = rc < 0 ? rc : check_method(rpc->home, method, error);
    if (rc == 0 && o.authority)
        rc = check_authority(o.authority, error);
    rc = rc < 0 ? rc
                : bl_rpc_add_metadata(&rpc->metadata, &rpc->loop->brief, o.metadata, o.metadata_n,
                                      error);
    if (rc == 0 && copy_names(rpc, method, o.authority) < 0)
        rc = bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a call: out of memory");
    if (rc < 0)
        return rc;
    rpc->wait_for_ready = o.wait_for_ready;
    rpc->gzip = of_channel->gzip && !o.no_gzip;
    rpc->max_send = of_channel->max_send_bytes;
    rpc->max_receive = of_channel->max_receive_bytes;
    bl_rpc_receive_reset(rpc);
    rpc->deadline_ms = o.deadline_ms;
    rpc->deadline = bl_after_ms(bl_now_fresh(rpc->loop), o.deadline_ms);
    return 0;
}
