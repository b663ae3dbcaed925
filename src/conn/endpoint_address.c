/* SPDX-License-Identifier: MIT */
/*
 * Endpoints that are an address of the caller's own type: no scheme, host or port, nothing that is
 * dialled by belay's means, and a key that no other endpoint has.
 */
#include "base/options.h"
#include "conn/endpoint_parts.h"
#include "conn/key.h"

static const struct bl_scheme_info no_scheme = {.name = ""};

static int set_address(struct belay_endpoint *e, const void *address)
{
    const void *copy = e->own.copy ? e->own.copy(address, e->own.arg) : address;

    if (!copy)
        return BELAY_ENOMEM;
    e->address = copy;
    return 0;
}

/* What the caller prints need not be terminated, nor fit for a line of a log. */
static int set_name(struct belay_endpoint *e)
{
    char text[BL_ENDPOINT_TEXT_MAX + 1] = "";
    size_t len;

    if (e->own.print)
        e->own.print(e->address, text, sizeof text, e->own.arg);
    text[sizeof text - 1] = 0;
    len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    e->origin = bl_strdup(&e->loop->mem, len ? text : "address");
    e->host = bl_strdup(&e->loop->mem, "");
    return e->origin && e->host ? 0 : BELAY_ENOMEM;
}

static int set_key(struct belay_endpoint *e)
{
    uint64_t number = ++e->loop->next_id;
    struct bl_buf key = {0};
    int rc = bl_key_put(&key, &e->loop->mem, 'u', &number, sizeof number);

    if (rc < 0) {
        bl_buf_free(&key, &e->loop->mem);
        return rc;
    }
    e->key = key.data;
    e->key_len = bl_buf_len(&key);
    return 0;
}

int belay_endpoint_new_address(struct belay_loop *loop, const struct belay_address_ops *ops,
                               const void *address, struct belay_endpoint **ret_endpoint)
{
    struct belay_address_ops own;
    struct belay_endpoint *e;
    int rc;

    if (!loop || !ops || !address)
        return BELAY_EINVAL;
    rc = bl_options_resolve(&own, sizeof own, ops, NULL, 0, NULL);
    if (rc < 0)
        return rc;
    e = bl_zalloc(&loop->mem, sizeof *e);
    if (!e)
        return BELAY_ENOMEM;
    e->loop = loop;
    e->refs = 1;
    e->scheme = &no_scheme;
    e->own = own;
    rc = set_address(e, address);
    if (rc == 0)
        rc = set_name(e);
    if (rc == 0)
        rc = set_key(e);
    if (rc < 0) {
        bl_endpoint_free(e);
        return rc;
    }
    *ret_endpoint = e;
    return 0;
}

const void *belay_endpoint_address(const struct belay_endpoint *e)
{
    return e->own.size ? e->address : NULL;
}

bool bl_endpoint_same_address(const struct belay_endpoint *a, const struct belay_endpoint *b)
{
    if (a->own.equal != b->own.equal || a->own.arg != b->own.arg)
        return false;
    return a->own.equal ? a->own.equal(a->address, b->address, a->own.arg)
                        : a->address == b->address;
}
