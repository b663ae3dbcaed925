/* SPDX-License-Identifier: MIT */
/* Connection strings as programs have them: each with a memory of its own, from malloc. */
#include <stdlib.h>

#include "base/error.h"
#include "service/chronicle.h"

struct belay_chronicle_string {
    struct bl_mem mem;
    struct bl_chronicle_string *parsed;
};

static struct belay_chronicle_string *string_new(void)
{
    struct belay_chronicle_string *s = calloc(1, sizeof *s);

    if (s)
        bl_mem_init(&s->mem, NULL);
    return s;
}

void belay_chronicle_string_free(struct belay_chronicle_string *s)
{
    if (!s)
        return;
    bl_chronicle_string_free(s->parsed);
    free(s);
}

static int no_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "connection string: out of memory");
}

static int parse(struct bl_span text, struct belay_chronicle_string **ret,
                 struct belay_error *error)
{
    struct belay_chronicle_string *s = string_new();
    int rc;

    if (!s)
        return no_memory(error);
    rc = bl_chronicle_string_parse(&s->mem, text, &s->parsed, error);
    if (rc < 0)
        belay_chronicle_string_free(s);
    else
        *ret = s;
    return rc;
}

int belay_chronicle_string_parse(const char *text, struct belay_chronicle_string **ret,
                                 struct belay_error *error)
{
    if (!text)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "connection string: none");
    return parse(bl_span_of(text), ret, error);
}

int belay_chronicle_string_default(struct belay_chronicle_string **ret)
{
    return parse(bl_span_of(BL_CHRONICLE_DEFAULT), ret, NULL);
}

int belay_chronicle_string_development(struct belay_chronicle_string **ret)
{
    return parse(bl_span_of(BL_CHRONICLE_DEVELOPMENT), ret, NULL);
}

/*
 * The string to read from, with `mem` for what is made of it: its own is only touched when it is
 * freed, so that several threads may read it.
 */
static struct bl_chronicle_string seen_with(const struct belay_chronicle_string *s,
                                            struct bl_mem *mem)
{
    struct bl_chronicle_string seen = *s->parsed;

    seen.mem = mem;
    return seen;
}

int belay_chronicle_string_with_credentials(const struct belay_chronicle_string *from,
                                            const char *user, const char *password,
                                            struct belay_chronicle_string **ret,
                                            struct belay_error *error)
{
    struct belay_chronicle_string *s = string_new();
    struct bl_chronicle_string seen;
    int rc;

    if (!s)
        return no_memory(error);
    seen = seen_with(from, &s->mem);
    rc = bl_chronicle_string_with_credentials(&seen, user, password, &s->parsed, error);
    if (rc < 0)
        belay_chronicle_string_free(s);
    else
        *ret = s;
    return rc;
}

int belay_chronicle_string_with_api_key(const struct belay_chronicle_string *from,
                                        const char *api_key, struct belay_chronicle_string **ret,
                                        struct belay_error *error)
{
    struct belay_chronicle_string *s = string_new();
    struct bl_chronicle_string seen;
    int rc;

    if (!s)
        return no_memory(error);
    seen = seen_with(from, &s->mem);
    rc = bl_chronicle_string_with_api_key(&seen, api_key, &s->parsed, error);
    if (rc < 0)
        belay_chronicle_string_free(s);
    else
        *ret = s;
    return rc;
}

int belay_chronicle_string_auth(const struct belay_chronicle_string *s,
                                enum belay_chronicle_auth *ret, struct belay_error *error)
{
    static const enum belay_chronicle_auth names[] = {
        [BL_CHRONICLE_AUTH_NONE] = BELAY_CHRONICLE_AUTH_NONE,
        [BL_CHRONICLE_AUTH_API_KEY] = BELAY_CHRONICLE_AUTH_API_KEY,
        [BL_CHRONICLE_AUTH_CREDENTIALS] = BELAY_CHRONICLE_AUTH_CREDENTIALS,
    };
    enum bl_chronicle_auth auth;
    int rc = bl_chronicle_string_auth(s->parsed, &auth, error);

    if (rc == 0)
        *ret = names[auth];
    return rc;
}

static int write_text(const struct belay_chronicle_string *s,
                      int (*writer)(const struct bl_chronicle_string *s, struct bl_buf *out),
                      char **ret)
{
    struct bl_chronicle_string seen;
    struct bl_buf out = {0};
    struct bl_mem mem;
    char *text = NULL;
    int rc;

    bl_mem_init(&mem, NULL);
    seen = seen_with(s, &mem);
    rc = writer(&seen, &out);
    if (rc == 0) {
        text = strndup(bl_buf_head(&out), bl_buf_len(&out));
        rc = text ? 0 : BELAY_ENOMEM;
    }
    if (out.data)
        explicit_bzero(out.data, out.capacity);
    bl_buf_free(&out, &mem);
    if (rc == 0)
        *ret = text;
    return rc;
}

int belay_chronicle_string_format(const struct belay_chronicle_string *s, char **ret)
{
    return write_text(s, bl_chronicle_string_write, ret);
}

int belay_chronicle_string_redacted(const struct belay_chronicle_string *s, char **ret)
{
    return write_text(s, bl_chronicle_string_write_redacted, ret);
}

int bl_chronicle_string_copy(const struct belay_chronicle_string *string, struct bl_mem *mem,
                             struct bl_chronicle_string **ret)
{
    struct bl_chronicle_string seen = seen_with(string, mem);
    struct bl_buf text = {0};
    int rc = bl_chronicle_string_write(&seen, &text);

    if (rc == 0)
        rc = bl_chronicle_string_parse(mem, bl_span(bl_buf_head(&text), bl_buf_len(&text)), ret,
                                       NULL);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    bl_buf_free(&text, mem);
    return rc;
}
