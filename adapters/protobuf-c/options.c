/* SPDX-License-Identifier: MIT */
/* Options of a service, kept; and those of one call on top of them. */
#include "parts.h"

static int take(struct belay_rpc_options *ret, const struct belay_rpc_options *given,
                struct belay_error *error)
{
    *ret = belay_rpc_options_init();
    if (!given)
        return 0;
    if (given->size <= offsetof(struct belay_rpc_options, deadline_ms))
        return bl_pbc_error(error, BELAY_EINVAL,
                            "size: %zu is too small; prepare the options with their init function",
                            given->size);
    memcpy(ret, given, given->size < sizeof *ret ? given->size : sizeof *ret);
    ret->size = sizeof *ret;
    if (ret->metadata_n > 0 && !ret->metadata)
        return bl_pbc_error(error, BELAY_EINVAL, "metadata: a number without fields was given");
    return 0;
}

static size_t length(const char *text, size_t len)
{
    return len == 0 && text ? strlen(text) : len;
}

/* A NUL behind each: an empty value has a length of 0, and is a text all the same. */
static const char *put(char **at, const char *text, size_t len)
{
    char *out = *at;

    if (len > 0)
        memcpy(out, text, len);
    out[len] = '\0';
    *at += len + 1;
    return out;
}

int bl_pbc_options_keep(struct bl_pbc_service *s, const struct belay_rpc_options *given,
                        struct belay_error *error)
{
    struct belay_rpc_options *o = &s->options;
    struct belay_header *headers;
    size_t bytes = 0;
    char *at;
    int rc = take(o, given, error);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < o->metadata_n; i++)
        bytes += length(o->metadata[i].name, o->metadata[i].name_len) +
                 length(o->metadata[i].value, o->metadata[i].value_len) + 2;
    bytes += o->metadata_n * sizeof *headers + (o->authority ? strlen(o->authority) + 1 : 0);
    if (bytes == 0)
        return 0;
    s->options_text = bl_pbc_alloc(s, bytes);
    if (!s->options_text)
        return bl_pbc_error(error, BELAY_ENOMEM, "making a service: out of memory");
    headers = (struct belay_header *)(void *)s->options_text;
    at = s->options_text + o->metadata_n * sizeof *headers;
    for (size_t i = 0; i < o->metadata_n; i++) {
        struct belay_header h = o->metadata[i];

        h.name_len = length(h.name, h.name_len);
        h.value_len = length(h.value, h.value_len);
        h.name = put(&at, h.name, h.name_len);
        h.value = put(&at, h.value, h.value_len);
        headers[i] = h;
    }
    o->metadata = headers;
    if (o->authority)
        o->authority = put(&at, o->authority, strlen(o->authority));
    return 0;
}

int bl_pbc_options_join(const struct bl_pbc_service *s, const struct belay_rpc_options *given,
                        struct belay_rpc_options *ret, struct belay_header **ret_metadata,
                        struct belay_error *error)
{
    const struct belay_rpc_options *o = &s->options;
    size_t n;
    int rc = take(ret, given, error);

    *ret_metadata = NULL;
    if (rc < 0)
        return rc;
    if (ret->deadline_ms == 0)
        ret->deadline_ms = o->deadline_ms;
    ret->wait_for_ready |= o->wait_for_ready;
    ret->no_gzip |= o->no_gzip;
    if (!ret->authority)
        ret->authority = o->authority;
    n = o->metadata_n + ret->metadata_n;
    if (o->metadata_n > 0 && ret->metadata_n > 0) {
        *ret_metadata = bl_pbc_alloc(s, n * sizeof **ret_metadata);
        if (!*ret_metadata)
            return bl_pbc_error(error, BELAY_ENOMEM, "the metadata of a call: out of memory");
        memcpy(*ret_metadata, o->metadata, o->metadata_n * sizeof **ret_metadata);
        memcpy(*ret_metadata + o->metadata_n, ret->metadata,
               ret->metadata_n * sizeof **ret_metadata);
    }
    if (*ret_metadata)
        ret->metadata = *ret_metadata;
    else if (o->metadata_n > 0)
        ret->metadata = o->metadata;
    ret->metadata_n = n;
    return 0;
}
