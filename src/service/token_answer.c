/* SPDX-License-Identifier: MIT */
/* What a token endpoint is asked, and what it answers. */
#include "service/token_answer.h"

#include <jansson.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/credentials.h"

static int append_field(struct bl_buf *out, struct bl_mem *mem, const char *name, const char *value)
{
    int rc = bl_buf_append(out, mem, name, strlen(name));

    return rc < 0 ? rc : bl_escape(out, mem, bl_span_of(value), bl_is_unreserved);
}

int bl_token_form(struct bl_buf *out, struct bl_mem *mem, const char *user, const char *password)
{
    int rc = append_field(out, mem, "grant_type=client_credentials&client_id=", user);

    return rc < 0 ? rc : append_field(out, mem, "&client_secret=", password);
}

void bl_token_wipe(struct bl_mem *mem, char *token)
{
    if (token)
        bl_free_secret(mem, token, strlen(token));
}

static int refuse(struct belay_error *error, int status, const char *why)
{
    bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_PROTOCOL, "the token endpoint's answer: %s", why);
    if (error)
        error->status = status;
    return BELAY_EPROTO;
}

/* 'answered 401 ("invalid_client")': the code is a word of the standard, or is not shown. */
static int refuse_status(struct belay_error *error, int status, const json_t *answer)
{
    const char *code = json_string_value(json_object_get(answer, "error"));
    char shown[64];

    if (code && strspn(code, "abcdefghijklmnopqrstuvwxyz_") == strlen(code) && strlen(code) < 40)
        bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_PROTOCOL,
                     "the token endpoint answered %d (\"%s\")", status,
                     bl_text_show(shown, sizeof shown, code, strlen(code)));
    else
        bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_PROTOCOL, "the token endpoint answered %d",
                     status);
    if (error) {
        error->status = status;
        if (status == 429 || status >= 500)
            error->kind = BELAY_KIND_RETRY;
    }
    return BELAY_EPROTO;
}

/* It goes into a header: visible ASCII, and of some length. */
static bool is_token(const char *text, size_t len)
{
    if (len == 0 || len > BL_TOKEN_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

/* A number, or one written as a string, which some say; of a fraction the whole part. 0: neither. */
static int64_t life_of(const json_t *value)
{
    const char *text = json_string_value(value);
    int64_t life = 0;

    if (!value || json_is_null(value))
        return BL_TOKEN_LIFE_S;
    if (json_is_integer(value))
        return json_integer_value(value) > 0 ? (int64_t)json_integer_value(value) : 0;
    if (json_is_real(value)) {
        double real = json_real_value(value);

        return real >= 1e9 ? INT64_C(1000000000) : real >= 1 ? (int64_t)real : 0;
    }
    if (!text || !*text || json_string_length(value) > 9)
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        life = life * 10 + (*text - '0');
    }
    return life;
}

static int read_answer(struct bl_mem *mem, int status, const json_t *answer,
                       struct bl_token_answer *ret, struct belay_error *error)
{
    const json_t *token = json_object_get(answer, "access_token");
    int64_t life = life_of(json_object_get(answer, "expires_in"));

    if (status != 200)
        return refuse_status(error, status, answer);
    if (!json_is_object(answer))
        return refuse(error, status, "not a JSON object");
    if (!json_is_string(token))
        return refuse(error, status, "no access_token");
    if (!is_token(json_string_value(token), json_string_length(token)))
        return refuse(error, status, "the access_token is empty, too long, or not plain ASCII");
    if (life == 0)
        return refuse(error, status, "expires_in is not a number of seconds above 0");
    ret->token = bl_strdup(mem, json_string_value(token));
    ret->life_s = life;
    return ret->token ? 0
                      : bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_PROTOCOL,
                                     "the token endpoint's answer: out of memory");
}

int bl_token_answer_parse(struct bl_mem *mem, int status, struct bl_span body,
                          struct bl_token_answer *ret, struct belay_error *error)
{
    json_t *answer = body.len > 0 ? json_loadb(body.data, body.len, 0, NULL) : NULL;
    const char *token = json_string_value(json_object_get(answer, "access_token"));
    int rc = read_answer(mem, status, answer, ret, error);

    if (token)
        explicit_bzero((char *)(uintptr_t)token, strlen(token));
    json_decref(answer);
    return rc;
}
