/* SPDX-License-Identifier: MIT */
/* What the environment says of proxies. Variables that are empty count as not there, as in curl. */
#include <stdlib.h>

#include "base/error.h"
#include "conn/proxy.h"
#include "wire/no_proxy.h"

static const char *from_environment(const char *name, void *arg)
{
    (void)arg;
    return getenv(name);
}

struct environment {
    belay_env_fn *lookup;
    void *arg;
};

/* The first of them that is there. */
static const char *look_up(const struct environment *env, const char *const *names,
                           const char **ret_name)
{
    for (; *names; names++) {
        const char *value = env->lookup(*names, env->arg);

        if (value && *value) {
            *ret_name = *names;
            return value;
        }
    }
    return NULL;
}

/* HTTP_PROXY is what a request's "Proxy:" header becomes under CGI: it is never looked at. */
static const char *const *names_for(const char *scheme)
{
    static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                        NULL};
    static const char *const others[] = {"all_proxy", "ALL_PROXY", NULL};

    if (bl_span_equal_nocase(bl_span_of(scheme), bl_span_of("http")))
        return http;
    return bl_span_equal_nocase(bl_span_of(scheme), bl_span_of("https")) ? https : others;
}

bool belay_no_proxy_names(const char *list, const char *host, int port)
{
    return list && host &&
           bl_no_proxy_names(bl_span_of(list), bl_span_of(host), port > 0 ? (unsigned)port : 0);
}

int belay_proxy_from_env(struct belay_loop *loop, const char *scheme, const char *host, int port,
                         belay_env_fn *lookup, void *arg, struct belay_proxy **ret_proxy,
                         struct belay_error *error)
{
    static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};
    const struct environment env = {lookup ? lookup : from_environment, arg};
    const char *name = NULL, *ignored = NULL, *value = NULL;
    struct belay_proxy *proxy = NULL;
    int rc = 0;

    if (!scheme || !host)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "looking for a proxy: neither scheme nor host may be NULL");
    if (!belay_no_proxy_names(look_up(&env, exceptions, &ignored), host, port))
        value = look_up(&env, names_for(scheme), &name);
    if (value)
        rc = belay_proxy_parse(loop, value, &proxy, error);
    if (rc == 0)
        *ret_proxy = proxy;
    else if (rc == BELAY_EINVAL && error)
        bl_error_prefix(error, "the environment's %s", name);
    return rc;
}
