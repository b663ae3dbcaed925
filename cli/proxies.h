/* SPDX-License-Identifier: MIT */
/* -x, --proxy-user, --noproxy and the environment: through which proxies a URL is asked for. */
#ifndef CLI_PROXIES_H
#define CLI_PROXIES_H

#include "belay/proxy.h"
#include "memory.h"
#include "text.h"

/* Of the environment, by its text, so that each is made once. */
struct proxies_made {
    char *text;
    struct belay_proxy *proxy;
};

struct proxies {
    struct strings given; /* -x, the nearest first */
    bool off;             /* -x '': not the environment's either */
    const char *user;     /* "NAME:PASSWORD" escaped, of the one that speaks to the target */
    const char *noproxy;  /* in place of the environment's no_proxy; NULL: that */

    struct belay_loop *loop;
    struct belay_tls *tls;     /* of https:// ones; NULL: the defaults */
    struct belay_proxy *chain; /* all that were given, behind each other */
    struct proxies_made *made;
    size_t made_n;
    const char *seen;     /* what the environment said last */
    struct complaint why; /* why proxies_choose failed */
};

/* An empty one takes back those before it, and the environment's. */
void proxies_add(struct proxies *p, const char *url);

/* Of `tls` the authorities and the least version count. Returns an exit status, having said what is
 * wrong. */
int proxies_open(struct proxies *p, struct belay_loop *loop, const struct belay_tls_options *tls);
void proxies_close(struct proxies *p); /* before the loop is freed */
void proxies_free(struct proxies *p);

/* For an origin; *ret is lent, NULL is none. 0, or an error of the library's. */
int proxies_choose(struct proxies *p, const char *scheme, const char *host, int port,
                   struct belay_proxy **ret);

/* Whether a name behind it may be looked up here: on one of its ways, or because it is NULL. */
bool proxies_look_up_here(const struct belay_proxy *proxy);

#endif
