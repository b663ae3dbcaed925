/* SPDX-License-Identifier: MIT */
/* Connection strings once they are read: how to authenticate, and how they are written again. */
#include "wire/chronicle_string.h"

#include "base/assert.h"
#include "base/error.h"
#include "wire/credentials.h"

#define REDACTED "REDACTED"

static bool is_there(const char *text)
{
    return text && *text;
}

static int refuse(struct belay_error *error, const char *what)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "connection string: %s", what);
}

/* ---- life ---- */

static void free_text(struct bl_chronicle_string *s, char *text)
{
    bl_free_secret(s->mem, text, text ? strlen(text) : 0);
}

void bl_chronicle_string_free(struct bl_chronicle_string *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->hosts_n; i++)
        bl_free(s->mem, s->hosts[i].name);
    for (size_t i = 0; i < s->params_n; i++) {
        free_text(s, s->params[i].key);
        free_text(s, s->params[i].value);
    }
    free_text(s, s->user);
    free_text(s, s->password);
    bl_free(s->mem, s->name_server.name);
    bl_free(s->mem, s->hosts);
    bl_free(s->mem, s->params);
    bl_free(s->mem, s);
}

int bl_chronicle_string_default(struct bl_mem *mem, struct bl_chronicle_string **ret)
{
    return bl_chronicle_string_parse(mem, bl_span_of(BL_CHRONICLE_DEFAULT), ret, NULL);
}

int bl_chronicle_string_development(struct bl_mem *mem, struct bl_chronicle_string **ret)
{
    return bl_chronicle_string_parse(mem, bl_span_of(BL_CHRONICLE_DEVELOPMENT), ret, NULL);
}

/* ---- what is asked of them ---- */

int bl_chronicle_string_auth(const struct bl_chronicle_string *s, enum bl_chronicle_auth *ret,
                             struct belay_error *error)
{
    bool user = is_there(s->user), password = is_there(s->password);

    if (s->no_auth)
        *ret = BL_CHRONICLE_AUTH_NONE;
    else if (user && password && s->api_key)
        return refuse(error, "it has both an apiKey and a user with a password, so it is not clear "
                             "how to authenticate");
    else if (s->api_key)
        *ret = BL_CHRONICLE_AUTH_API_KEY;
    else if (user && password)
        *ret = BL_CHRONICLE_AUTH_CREDENTIALS;
    else if (user)
        return refuse(error, "it has a user, and no password");
    else if (password)
        return refuse(error, "it has a password, and no user");
    else
        *ret = BL_CHRONICLE_AUTH_NONE;
    return 0;
}

int bl_chronicle_string_check_tls(const struct bl_chronicle_string *s, struct belay_error *error)
{
    if (s->disable_tls && s->certificate_path)
        return refuse(error, "disableTls and certificatePath exclude each other: a client "
                             "certificate needs TLS");
    if (s->certificate_password && !s->certificate_path)
        return refuse(error, "certificatePassword is there without a certificatePath");
    return 0;
}

/* ---- writing ---- */

static bool is_plain_in_query(char c)
{
    return bl_is_unreserved(c) || c == ':' || c == '/' || c == ',';
}

static int write_text(const struct bl_chronicle_string *s, struct bl_buf *out, const char *text)
{
    return bl_buf_append(out, s->mem, text, strlen(text));
}

static int write_userinfo(const struct bl_chronicle_string *s, bool redacted, struct bl_buf *out)
{
    int rc = 0;

    if (!s->user && !s->password)
        return 0;
    if (s->user)
        rc = bl_escape(out, s->mem, bl_span_of(s->user), bl_is_unreserved);
    if (rc == 0 && s->password)
        rc = write_text(s, out, ":");
    if (rc == 0 && s->password && redacted)
        rc = write_text(s, out, REDACTED);
    else if (rc == 0 && s->password)
        rc = bl_escape(out, s->mem, bl_span_of(s->password), bl_is_unreserved);
    return rc < 0 ? rc : write_text(s, out, "@");
}

static int write_hosts(const struct bl_chronicle_string *s, struct bl_buf *out)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->hosts_n; i++) {
        const struct bl_chronicle_host *host = &s->hosts[i];
        bool brackets = host->ip.family == BELAY_FAMILY_IPV6;

        rc = bl_buf_printf(out, s->mem, brackets ? "%s[%s]" : "%s%s", i > 0 ? "," : "", host->name);
        if (rc == 0 && (host->port_given || !s->srv))
            rc = bl_buf_printf(out, s->mem, ":%u", (unsigned)host->port);
    }
    return rc;
}

static bool contains(const char *key, const char *word)
{
    size_t len = strlen(word), n = strlen(key);

    for (size_t i = 0; i + len <= n; i++) {
        if (bl_span_equal_nocase(bl_span(key + i, len), bl_span(word, len)))
            return true;
    }
    return false;
}

static bool is_secret(const char *key)
{
    static const char *const words[] = {"pass", "pwd", "secret", "token", "key", "credential"};

    for (size_t i = 0; i < BL_COUNT(words); i++) {
        if (contains(key, words[i]))
            return true;
    }
    return false;
}

static int write_params(const struct bl_chronicle_string *s, bool redacted, struct bl_buf *out)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->params_n; i++) {
        const struct bl_chronicle_param *param = &s->params[i];

        rc = write_text(s, out, i > 0 ? "&" : "?");
        if (rc == 0)
            rc = bl_escape(out, s->mem, bl_span_of(param->key), is_plain_in_query);
        if (rc == 0)
            rc = write_text(s, out, "=");
        if (rc == 0 && redacted && is_secret(param->key))
            rc = write_text(s, out, REDACTED);
        else if (rc == 0)
            rc = bl_escape(out, s->mem, bl_span_of(param->value), is_plain_in_query);
    }
    return rc;
}

/* Bytes that it has at most. */
static size_t room_for(const struct bl_chronicle_string *s)
{
    size_t room = 64 + s->hosts_n * 320;

    room += 3 * ((s->user ? strlen(s->user) : 0) + (s->password ? strlen(s->password) : 0));
    for (size_t i = 0; i < s->params_n; i++)
        room += 2 + sizeof REDACTED + 3 * (strlen(s->params[i].key) + strlen(s->params[i].value));
    return room;
}

/* There is room for all of it at once: what grows leaves secrets behind that nobody wipes. */
static int write_all(const struct bl_chronicle_string *s, bool redacted, struct bl_buf *out)
{
    size_t before = bl_buf_len(out);
    int rc = bl_buf_reserve(out, s->mem, room_for(s)) ? 0 : BELAY_ENOMEM;

    if (rc == 0)
        rc = write_text(s, out, s->srv ? "chronicle+srv://" : "chronicle://");
    if (rc == 0)
        rc = write_userinfo(s, redacted, out);
    if (rc == 0)
        rc = write_hosts(s, out);
    if (rc == 0)
        rc = write_params(s, redacted, out);
    if (rc < 0)
        bl_buf_cut(out, before);
    return rc;
}

int bl_chronicle_string_write(const struct bl_chronicle_string *s, struct bl_buf *out)
{
    return write_all(s, false, out);
}

int bl_chronicle_string_write_redacted(const struct bl_chronicle_string *s, struct bl_buf *out)
{
    return write_all(s, true, out);
}

/* ---- changed ones ---- */

/* Written and read again. */
static int reread(const struct bl_chronicle_string *s, struct bl_chronicle_string **ret,
                  struct belay_error *error)
{
    struct bl_buf text = {0};
    int rc = bl_chronicle_string_write(s, &text);

    if (rc < 0)
        bl_error_set(error, rc, BELAY_STAGE_NONE, "no memory for a connection string");
    else
        rc = bl_chronicle_string_parse(s->mem, bl_span(bl_buf_head(&text), bl_buf_len(&text)), ret,
                                       error);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    bl_buf_free(&text, s->mem);
    return rc;
}

/* With other ways to authenticate left out. `params` has room for one more than there are. */
static struct bl_chronicle_string without_auth(const struct bl_chronicle_string *s,
                                               struct bl_chronicle_param *params)
{
    struct bl_chronicle_string other = *s;

    other.user = other.password = NULL;
    other.params = params;
    other.params_n = 0;
    for (size_t i = 0; i < s->params_n; i++) {
        if (strcmp(s->params[i].key, "apiKey") != 0 && strcmp(s->params[i].key, "auth") != 0)
            params[other.params_n++] = s->params[i];
    }
    return other;
}

int bl_chronicle_string_with_credentials(const struct bl_chronicle_string *s, const char *user,
                                         const char *password, struct bl_chronicle_string **ret,
                                         struct belay_error *error)
{
    struct bl_chronicle_param params[BL_CHRONICLE_PARAMS_MAX + 1];
    struct bl_chronicle_string other = without_auth(s, params);

    if (!is_there(user) || !is_there(password))
        return refuse(error, "credentials are a user and a password, and neither is empty");
    other.user = (char *)(uintptr_t)user;
    other.password = (char *)(uintptr_t)password;
    return reread(&other, ret, error);
}

int bl_chronicle_string_with_api_key(const struct bl_chronicle_string *s, const char *api_key,
                                     struct bl_chronicle_string **ret, struct belay_error *error)
{
    static char key[] = "apiKey";
    struct bl_chronicle_param params[BL_CHRONICLE_PARAMS_MAX + 1];
    struct bl_chronicle_string other = without_auth(s, params);

    if (!is_there(api_key))
        return refuse(error, "an apiKey is not empty");
    params[other.params_n++] = (struct bl_chronicle_param){key, (char *)(uintptr_t)api_key};
    return reread(&other, ret, error);
}
