/* SPDX-License-Identifier: MIT */
/* How to connect: conninfo, read once, and the endpoint that it names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

#define DEFAULT_DIR  "/var/run/postgresql"
#define DEFAULT_PORT "5432"

static const char *value_of(const PQconninfoOption *info, const char *keyword)
{
    for (; info && info->keyword; info++)
        if (strcmp(info->keyword, keyword) == 0)
            return info->val && info->val[0] ? info->val : NULL;
    return NULL;
}

/* Of conninfo, else of the environment, else `otherwise`; cut at the first comma of a list. */
static const char *pick(const struct belay_pq *pq, const PQconninfoOption *defaults,
                        const char *keyword, const char *otherwise)
{
    const char *value = value_of(pq->info, keyword);

    if (!value)
        value = value_of(defaults, keyword);
    return value ? value : otherwise;
}

static char *format_url(const char *host, const char *port)
{
    int host_len = (int)strcspn(host, ","), port_len = (int)strcspn(port, ",");
    size_t size = (size_t)(host_len + port_len) + 32;
    char *url = malloc(size);
    bool is_v6 = memchr(host, ':', (size_t)host_len) != NULL;

    if (url && (host[0] == '/' || host[0] == '@'))
        snprintf(url, size, "unix:%.*s/.s.PGSQL.%.*s", host_len, host, port_len, port);
    else if (url)
        snprintf(url, size, "tcp://%s%.*s%s:%.*s", is_v6 ? "[" : "", host_len, host,
                 is_v6 ? "]" : "", port_len, port);
    return url;
}

static bool is_numeric(const char *host)
{
    struct belay_addr addr;

    return belay_addr_parse_ip(host, strlen(host), 1, &addr) == 0;
}

/* The names that decide which connections are the same; secrets are not among them. */
static int name_it(struct belay_pq *pq, const PQconninfoOption *defaults)
{
    const char *host = pick(pq, defaults, "host", NULL);
    const char *hostaddr = pick(pq, defaults, "hostaddr", NULL);
    const char *port = pick(pq, defaults, "port", DEFAULT_PORT);
    const char *user = pick(pq, defaults, "user", "");
    const char *dbname = pick(pq, defaults, "dbname", user);
    size_t tag_size = strlen(user) + strlen(dbname) + 2;

    if (!host)
        host = hostaddr ? hostaddr : DEFAULT_DIR;
    pq->looks_up =
        !hostaddr && host[0] != '/' && host[0] != '@' && !strchr(host, ',') && !is_numeric(host);
    pq->host = strdup(host);
    pq->port = strdup(port);
    pq->url = format_url(host, port);
    pq->tag = malloc(tag_size);
    if (!pq->host || !pq->port || !pq->url || !pq->tag)
        return BELAY_ENOMEM;
    snprintf(pq->tag, tag_size, "%s@%s", user, dbname);
    return 0;
}

static int read_conninfo(struct belay_pq *pq, const char *conninfo, struct belay_error *error)
{
    PQconninfoOption *defaults;
    char *message = NULL;
    int rc;

    pq->info = PQconninfoParse(conninfo, &message);
    PQfreemem(message); /* it may repeat a part of the password */
    if (!pq->info)
        return bl_pq_error(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                           "conninfo is neither a URI nor a list of keyword=value that libpq knows "
                           "(a value with spaces is put in single quotes)");
    if (value_of(pq->info, "service"))
        return bl_pq_error(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                           "conninfo has `service`: give what it stands for, or set PGSERVICE");
    defaults = PQconndefaults();
    rc = defaults ? name_it(pq, defaults) : BELAY_ENOMEM;
    PQconninfoFree(defaults);
    return rc;
}

int belay_pq_new(const struct belay_pq_options *options, struct belay_pq **ret_pq,
                 struct belay_error *error)
{
    struct belay_pq_options o = belay_pq_options_init();
    struct belay_pq *pq;
    int rc;

    if (!ret_pq)
        return bl_pq_error(error, BELAY_EINVAL, BELAY_STAGE_NONE, "ret_pq is NULL");
    if (options && options->size <= offsetof(struct belay_pq_options, conninfo))
        return bl_pq_error(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                           "size: %zu is too small; prepare the options with their init function",
                           options->size);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.reset < BELAY_PQ_CLOSE || o.reset > BELAY_PQ_DISCARD)
        return bl_pq_error(error, BELAY_EINVAL, BELAY_STAGE_NONE, "reset: there is no %d",
                           (int)o.reset);
    pq = calloc(1, sizeof *pq);
    if (!pq)
        return bl_pq_error(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    pq->reset = o.reset;
    pq->on_notice = o.on_notice;
    pq->notice_arg = o.notice_arg;
    rc = read_conninfo(pq, o.conninfo ? o.conninfo : "", error);
    if (rc < 0) {
        belay_pq_free(pq);
        return rc == BELAY_ENOMEM ? bl_pq_error(error, rc, BELAY_STAGE_NONE, "out of memory") : rc;
    }
    *ret_pq = pq;
    return 0;
}

void belay_pq_free(struct belay_pq *pq)
{
    if (!pq)
        return;
    PQconninfoFree(pq->info);
    free(pq->host);
    free(pq->port);
    free(pq->url);
    free(pq->tag);
    free(pq);
}

struct belay_connector belay_pq_connector(struct belay_pq *pq)
{
    return (struct belay_connector){.ops = &bl_pq_ops, .arg = pq};
}

int belay_pq_endpoint(const struct belay_pq *pq, struct belay_loop *loop,
                      struct belay_endpoint **ret_endpoint, struct belay_error *error)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();

    o.url = pq->url;
    o.tag = strlen(pq->tag) <= 255 ? pq->tag : NULL;
    return belay_endpoint_new(loop, &o, ret_endpoint, error);
}
