/* SPDX-License-Identifier: MIT */
/*
 * What the options and the connection string come to. All that can be wrong with them is found here,
 * before anything is dialled.
 */
#include <stdio.h>

#include "base/text.h"
#include "belay/world.h"
#include "grpc/channel.h"
#include "service/chronicle.h"

#define YEAR_MS INT64_C(31536000000)
#define DAY_MS  INT64_C(86400000)
#define RETRIES 1000000

#define OPTION(field, ...) BL_OPTION(belay_chronicle_options, field, __VA_ARGS__)

const struct bl_option bl_chronicle_options[] = {
    OPTION(retry_attempts, 5, 0, INT32_MAX, 1, RETRIES),
    OPTION(reconnect_base_delay_ms, 1000, 0, BL_NOT_ALLOWED, 1, DAY_MS),
    OPTION(reconnect_max_delay_ms, 10000, BL_NOT_ALLOWED, DAY_MS, 1, DAY_MS),
    OPTION(reconnect_spread_percent, 0, 0, BL_NOT_ALLOWED, 1, 100),
    OPTION(balancer, BELAY_CHRONICLE_BALANCER_DEFAULT, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
           BELAY_CHRONICLE_LEAST_CONNECTIONS, BELAY_CHRONICLE_RANDOM),
    OPTION(skip_tls_validation, BELAY_CHOICE_DEFAULT, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
           BELAY_CHOICE_YES, BELAY_CHOICE_NO),
    OPTION(skip_compatibility_check, BELAY_CHOICE_DEFAULT, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
           BELAY_CHOICE_YES, BELAY_CHOICE_NO),
    OPTION(attempt_timeout_ms, 30000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(session_timeout_ms, 5000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(stale_ms, 5000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(max_waiters, 10000, BL_NOT_ALLOWED, INT32_MAX, 1, INT32_MAX),
};
const size_t bl_chronicle_options_n = BL_COUNT(bl_chronicle_options);

static uint64_t ns_of(int64_t ms)
{
    return ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

static int refuse(struct belay_error *error, const char *field, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s", field, why);
}

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                        "starting a connection to Chronicle: out of memory");
}

/* ---- checks ---- */

/* The kernel is told so. */
static int check_told(const char *text, const char *field, struct belay_error *error)
{
    if (text && !text[0])
        return refuse(error, field, "is empty");
    if (text && !bl_text_is_utf8(text))
        return refuse(error, field, "is not UTF-8");
    return 0;
}

static int check_texts(const struct belay_chronicle_options *o, struct belay_error *error)
{
    if ((o->connection_string != NULL) + (o->string != NULL) + (o->server_address != NULL) > 1)
        return refuse(error, "connection_string",
                      "more than one of connection_string, string and server_address is given");
    if (check_told(o->client_type, "client_type", error) < 0)
        return BELAY_EINVAL;
    return check_told(o->client_version, "client_version", error);
}

static int resolve(struct belay_chronicle_options *ret, const struct belay_chronicle_options *given,
                   struct belay_error *error)
{
    int rc = bl_options_resolve(ret, sizeof *ret, given, bl_chronicle_options,
                                bl_chronicle_options_n, error);

    return rc < 0 ? rc : check_texts(ret, error);
}

/* The caller's options of a channel, as they were given and as they would hold. */
static int check_channel(const struct belay_channel_options *given,
                         struct belay_channel_options *ret_raw, struct belay_error *error)
{
    struct belay_channel_options checked;
    struct bl_retry_limits retry;
    struct bl_cp_limits limits;
    int rc = bl_options_resolve(ret_raw, sizeof *ret_raw, given, NULL, 0, error);

    if (rc == 0)
        rc = bl_channel_options_resolve(&checked, &limits, &retry, given, error);
    if (rc < 0)
        bl_error_prefix(error, "channel");
    return rc;
}

/* ---- the string ---- */

static int parse_address(struct bl_mem *mem, const char *address, struct bl_chronicle_string **ret,
                         struct belay_error *error)
{
    static const char scheme[] = "chronicle://";
    size_t len = strlen(address);
    char *text = bl_alloc(mem, sizeof scheme + len);
    int rc;

    if (!text)
        return BELAY_ENOMEM;
    memcpy(text, scheme, sizeof scheme - 1);
    memcpy(text + sizeof scheme - 1, address, len + 1);
    rc = bl_chronicle_string_parse(mem, bl_span_of(text), ret, error);
    explicit_bzero(text, sizeof scheme + len); /* one may have written a password there */
    bl_free(mem, text);
    if (rc == BELAY_EINVAL)
        bl_error_prefix(error, "server_address");
    return rc;
}

static int read_string(struct bl_mem *mem, const struct belay_chronicle_options *o,
                       struct bl_chronicle_string **ret, struct belay_error *error)
{
    int rc;

    if (o->connection_string)
        rc = bl_chronicle_string_parse(mem, bl_span_of(o->connection_string), ret, error);
    else if (o->string)
        rc = bl_chronicle_string_copy(o->string, mem, ret);
    else if (o->server_address)
        rc = parse_address(mem, o->server_address, ret, error);
    else
        rc = bl_chronicle_string_default(mem, ret);
    return rc == BELAY_ENOMEM ? out_of_memory(error) : rc;
}

static int check_access(const struct bl_chronicle_string *s,
                        const struct belay_chronicle_options *o,
                        const struct belay_channel_options *channel, struct belay_error *error)
{
    const struct bl_chronicle_access_options a = {.string = s,
                                                  .skip_tls_validation = o->skip_tls_validation,
                                                  .channel = o->channel ? channel : NULL};

    return bl_chronicle_access_check(&a, error);
}

static void make_label(struct belay_chronicle *c)
{
    const struct bl_chronicle_string *s = c->string;
    char place[BL_CHRONICLE_PLACE_SIZE];
    size_t at = 0;

    for (size_t i = 0; i < s->hosts_n && at < sizeof c->label - 1; i++)
        at += (size_t)snprintf(c->label + at, sizeof c->label - at, "%s%s", i ? "," : "",
                               s->srv ? s->hosts[i].name
                                      : bl_chronicle_place_text(&s->hosts[i], place));
}

/* ---- what follows from them ---- */

static enum belay_chronicle_balancer balancer_of(const struct belay_chronicle *c)
{
    static const enum belay_chronicle_balancer names[] = {
        [BL_CHRONICLE_LEAST_CONNECTIONS] = BELAY_CHRONICLE_LEAST_CONNECTIONS,
        [BL_CHRONICLE_ROUND_ROBIN] = BELAY_CHRONICLE_ROUND_ROBIN,
        [BL_CHRONICLE_RANDOM] = BELAY_CHRONICLE_RANDOM,
    };

    return c->options.balancer ? c->options.balancer : names[c->string->balancer];
}

static int make_policy(struct belay_chronicle *c, struct belay_error *error)
{
    const struct belay_chronicle_options *o = &c->options;
    struct belay_backoff_options b = belay_backoff_options_init();
    struct bl_chp_limits limits = {.retries_max = o->retry_attempts,
                                   .no_session = o->no_session,
                                   .attempt_ns = ns_of(o->attempt_timeout_ms),
                                   .session_ns = ns_of(o->session_timeout_ms),
                                   .stale_ns = ns_of(o->stale_ms)};

    b.delay_ms = o->reconnect_base_delay_ms ? o->reconnect_base_delay_ms : BELAY_NONE;
    b.delay_max_ms = o->reconnect_max_delay_ms;
    b.spread_percent = o->reconnect_spread_percent ? o->reconnect_spread_percent : BELAY_NONE;
    if (belay_backoff_init(&limits.backoff, &b) < 0)
        return refuse(error, "reconnect_base_delay_ms", "is out of range");
    bl_chp_init(&c->policy, &limits, o->no_auto_connect, bl_rand_next(&c->loop->rand),
                bl_now_fresh(c->loop));
    bl_balancer_init(&c->balancer, balancer_of(c), bl_rand_next(&c->loop->rand));
    return 0;
}

static int copy_texts(struct belay_chronicle *c)
{
    struct belay_chronicle_options *o = &c->options;
    struct bl_mem *mem = &c->loop->mem;

    if (bl_copy_text(mem, o->client_type ? o->client_type : "belay", &c->client_type) < 0 ||
        bl_copy_text(mem, o->client_version ? o->client_version : belay_version(),
                     &c->client_version) < 0 ||
        bl_copy_text(mem, o->name, &c->name) < 0)
        return BELAY_ENOMEM;
    o->connection_string = o->server_address = NULL;
    o->string = NULL;
    o->client_type = c->client_type;
    o->client_version = c->client_version;
    o->name = c->name;
    o->channel = NULL;
    o->functions = NULL;
    return 0;
}

/* It is kept for what follows; it does not go to sleep for want of calls, and the attempt's limit is
 * its own. */
static int copy_channel(struct belay_chronicle *c, struct belay_error *error)
{
    struct belay_channel_options *o = &c->channel_options.o;
    int rc = bl_channel_options_copy(&c->channel_options, &c->loop->mem, c->options.channel, error);

    if (o->idle_timeout_ms == 0)
        o->idle_timeout_ms = BELAY_FOREVER;
    if (o->connect_timeout_ms == 0)
        o->connect_timeout_ms = BELAY_FOREVER;
    return rc == BELAY_ENOMEM ? out_of_memory(error) : rc;
}

static int make_access(struct belay_chronicle *c, const struct belay_channel_options *channel,
                       struct belay_error *error)
{
    struct bl_chronicle_access_options a = {.string = c->string,
                                            .skip_tls_validation = c->options.skip_tls_validation,
                                            .channel = channel};
    int rc = bl_chronicle_access_new(c->loop, &a, &c->access, error);

    if (rc == 0)
        bl_chronicle_access_apply(c->access, &c->channel_options.o);
    return rc;
}

/* A name server of the string's is asked by c-ares; a world without it has no way there. */
static int check_name_server(const struct belay_chronicle *c, struct belay_error *error)
{
    if (!c->string->srv || !c->string->name_server.name || c->functions.resolve || !c->loop->dns)
        return 0;
    return bl_error_set(error, BELAY_ENOTSUP, BELAY_STAGE_NONE,
                        "srvNameServer: the loop's world looks names up by itself");
}

int bl_chronicle_options_apply(struct belay_chronicle *c,
                               const struct belay_chronicle_options *given,
                               struct belay_error *error)
{
    struct belay_channel_options raw;
    int rc = resolve(&c->options, given, error);

    if (rc == 0)
        rc = bl_options_resolve(&c->functions, sizeof c->functions, c->options.functions, NULL, 0,
                                error);
    if (rc == 0)
        rc = check_channel(c->options.channel, &raw, error);
    if (rc == 0)
        rc = read_string(&c->loop->mem, &c->options, &c->string, error);
    if (rc == 0)
        rc = check_access(c->string, &c->options, &raw, error);
    if (rc == 0)
        rc = check_name_server(c, error);
    if (rc < 0)
        return rc;
    make_label(c);
    c->skip_check = c->options.skip_compatibility_check
                        ? c->options.skip_compatibility_check == BELAY_CHOICE_YES
                        : c->string->skip_compatibility_check;
    rc = copy_channel(c, error);
    if (rc == 0)
        rc = make_access(c, c->options.channel ? &raw : NULL, error);
    if (rc == 0)
        rc = make_policy(c, error);
    if (rc == 0 && copy_texts(c) < 0)
        rc = out_of_memory(error);
    return rc;
}

void bl_chronicle_options_free(struct belay_chronicle *c)
{
    struct bl_mem *mem = &c->loop->mem;

    bl_channel_options_copy_free(&c->channel_options, mem);
    bl_chronicle_string_free(c->string);
    bl_free(mem, c->client_type);
    bl_free(mem, c->client_version);
    bl_free(mem, c->name);
}

int bl_chronicle_options_check(const struct belay_chronicle_options *given,
                               struct belay_error *error)
{
    struct belay_chronicle_functions functions;
    struct bl_chronicle_string *string;
    struct belay_channel_options raw;
    struct belay_chronicle_options o;
    struct bl_mem mem;
    int rc = resolve(&o, given, error);

    if (rc == 0)
        rc = bl_options_resolve(&functions, sizeof functions, o.functions, NULL, 0, error);
    if (rc == 0)
        rc = check_channel(o.channel, &raw, error);
    if (rc < 0)
        return rc;
    bl_mem_init(&mem, NULL);
    rc = read_string(&mem, &o, &string, error);
    if (rc < 0)
        return rc;
    rc = check_access(string, &o, &raw, error);
    bl_chronicle_string_free(string);
    return rc;
}
