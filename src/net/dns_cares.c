/* SPDX-License-Identifier: MIT */
/*
 * The dns seam on c-ares, the one file that knows it. c-ares sends and retries; its sockets are
 * watched and its deadlines kept by the loop.
 *
 * c-ares may call back inside the call, so every answer is copied and told by a task. It cannot
 * cancel one query, so a forgotten one stays, detached, until c-ares is done with it. It reads
 * resolv.conf once, and its sockets keep the source address that they were made with; so when that
 * file changes, or the network does, a new channel takes over and the old one ends with its last
 * query.
 */
#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "net/resolver_inside.h"

#define RESOLV_CONF   "/etc/resolv.conf"
#define HOSTS         "/etc/hosts"
#define CLASS_IN      1
#define LOOK_EVERY_MS 1000

struct bl_dns_cares {
    struct belay_loop *loop;
    const char *servers;     /* to be asked; NULL: the system's */
    struct bl_list channels; /* the current one first */
    struct bl_list queries;  /* known to somebody: not forgotten, not told */
    struct bl_hosts hosts;
    uint64_t stamp[3]; /* of resolv.conf */
    uint64_t looked_ns;
    bool renew;            /* the channel is of another network */
    struct bl_task retire; /* ends old channels outside c-ares's calls */
};

struct channel {
    struct bl_list link;
    struct bl_dns_cares *dns;
    ares_channel ares;
    struct bl_timer timer;
    struct bl_list sockets; /* in use */
    struct bl_list spare;   /* kept for the next, as one may be closed in its own event */
    uint32_t queries;
};

struct dns_socket {
    struct bl_list link;
    struct channel *channel;
    struct belay_backend_slot watch;
};

struct query {
    struct bl_list link; /* in dns->queries, unless forgotten */
    struct bl_dns_cares *dns;
    struct channel *channel; /* while c-ares has it */
    struct bl_task task;
    belay_dns_fn *fn; /* NULL: forgotten */
    void *arg;
    enum belay_dns_type type;
    int status;
    struct belay_dns_record *records;
    size_t n;
};

/* ares_library_init counts without a lock; loops of several threads make their channels at once. */
static int use_library(bool use)
{
    static bool lock;
    int rc = ARES_SUCCESS;
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        ;
    if (use)
        rc = ares_library_init(ARES_LIB_INIT_ALL);
    else
        ares_library_cleanup();
    __atomic_clear(&lock, __ATOMIC_RELEASE);
    return rc;
}

static int code_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
        return BELAY_ENONAME;
    case ARES_ETIMEOUT:
        return BELAY_ETIMEDOUT;
    case ARES_ENOMEM:
        return BELAY_ENOMEM;
    default:
        return BELAY_EDNS;
    }
}

/* ---- c-ares's sockets and deadlines ---- */

static void arm(struct channel *c)
{
    struct belay_loop *loop = c->dns->loop;
    struct timeval tv, *next = ares_timeout(c->ares, NULL, &tv);
    if (!next) {
        bl_timer_stop(&c->timer);
        return;
    }
    /* Rounded up: a deadline met a microsecond early would come again at once. */
    int64_t ms = (int64_t)next->tv_sec * 1000 + next->tv_usec / 1000 + 1;
    bl_timer_at(&c->timer, loop, bl_after_ms(bl_now_fresh(loop), ms));
}

static void after_ares(struct channel *c)
{
    arm(c);
    if (!c->queries && c->link.prev != &c->dns->channels)
        bl_task_post(c->dns->loop, &c->dns->retire);
}

static void on_timer(void *arg)
{
    struct channel *c = arg;
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    after_ares(c);
}

static void on_socket(unsigned events, void *arg)
{
    struct dns_socket *s = arg;
    struct channel *c = s->channel;
    ares_socket_t fd = s->watch.fd;
    ares_process_fd(c->ares, events & BELAY_READABLE ? fd : ARES_SOCKET_BAD,
                    events & BELAY_WRITABLE ? fd : ARES_SOCKET_BAD);
    after_ares(c);
}

static struct dns_socket *socket_of(struct channel *c, ares_socket_t fd, bool make)
{
    struct bl_list *node;
    struct dns_socket *s;
    BL_LIST_EACH(at, &c->sockets)
    {
        s = BL_LIST_OF(at, struct dns_socket, link);
        if (s->watch.fd == fd)
            return s;
    }
    if (!make)
        return NULL;
    node = bl_list_pop_front(&c->spare);
    s = node ? BL_LIST_OF(node, struct dns_socket, link) : bl_zalloc(&c->dns->loop->mem, sizeof *s);
    if (!s)
        return NULL; /* unheard, the query ends by its deadline */
    bl_list_init(&s->link);
    s->channel = c;
    bl_watch_init(&s->watch, c->dns->loop, fd, on_socket, s);
    bl_list_push_back(&c->sockets, &s->link);
    return s;
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = arg;
    unsigned mask = (readable ? BELAY_READABLE : 0) | (writable ? BELAY_WRITABLE : 0);
    struct dns_socket *s = socket_of(c, fd, mask != 0);
    if (!s)
        return;
    bl_watch_set(&s->watch, mask);
    if (!mask) {
        bl_list_remove(&s->link);
        bl_list_push_back(&c->spare, &s->link);
    }
}

/* ---- channels ---- */

static void free_sockets(struct belay_loop *loop, struct bl_list *sockets)
{
    struct bl_list *node;
    while ((node = bl_list_pop_front(sockets))) {
        struct dns_socket *s = BL_LIST_OF(node, struct dns_socket, link);
        bl_watch_set(&s->watch, 0);
        bl_free(&loop->mem, s);
    }
}

static void free_channel(struct channel *c)
{
    struct belay_loop *loop = c->dns->loop;
    if (c->ares) {
        ares_destroy(c->ares); /* the queries it still has end here */
        use_library(false);
    }
    free_sockets(loop, &c->sockets);
    free_sockets(loop, &c->spare);
    bl_timer_fini(&c->timer, loop);
    bl_list_remove(&c->link);
    bl_free(&loop->mem, c);
}

static int init_ares(struct channel *c)
{
    const struct belay_loop_options *o = &c->dns->loop->options;
    struct ares_options options;
    char lookups[] = "b"; /* the hosts file is read by belay */
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS;
    int status = use_library(true);
    if (status != ARES_SUCCESS)
        return code_of(status);
    memset(&options, 0, sizeof options);
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = c;
    options.timeout = (int)o->dns_timeout_ms;
    options.tries = o->dns_tries;
    options.lookups = lookups;
    status = ares_init_options(&c->ares, &options, mask);
    if (status != ARES_SUCCESS) {
        c->ares = NULL;
        use_library(false);
        return code_of(status);
    }
    if (c->dns->servers) {
        status = ares_set_servers_ports_csv(c->ares, c->dns->servers);
        if (status != ARES_SUCCESS)
            return status == ARES_ENOMEM ? BELAY_ENOMEM : BELAY_EINVAL;
    }
    return 0;
}

static int new_channel(struct bl_dns_cares *dns)
{
    struct channel *c = bl_zalloc(&dns->loop->mem, sizeof *c);
    if (!c)
        return BELAY_ENOMEM;
    c->dns = dns;
    bl_list_init(&c->link);
    bl_list_init(&c->sockets);
    bl_list_init(&c->spare);
    int rc = bl_timer_init(&c->timer, dns->loop, on_timer, c);
    if (rc == 0)
        rc = init_ares(c);
    if (rc < 0) {
        free_channel(c);
        return rc;
    }
    bl_list_push_front(&dns->channels, &c->link);
    return 0;
}

static void look_at_resolv_conf(uint64_t stamp[3])
{
    struct stat st;
    memset(stamp, 0, 3 * sizeof *stamp);
    if (stat(RESOLV_CONF, &st) < 0)
        return;
    stamp[0] = (uint64_t)st.st_mtim.tv_sec;
    stamp[1] = (uint64_t)st.st_mtim.tv_nsec;
    stamp[2] = (uint64_t)st.st_ino ^ ((uint64_t)st.st_size << 32);
}

/* The channel for a new query; when another cannot be made, the old one serves on. */
static int current_channel(struct bl_dns_cares *dns, struct channel **ret)
{
    uint64_t now = bl_now(dns->loop), stamp[3];
    struct bl_list *first = bl_list_first(&dns->channels);
    bool renew = !first || dns->renew;
    if (renew || (!dns->servers && now - dns->looked_ns >= BL_MS(LOOK_EVERY_MS))) {
        dns->looked_ns = now;
        look_at_resolv_conf(stamp);
        if (renew || memcmp(stamp, dns->stamp, sizeof stamp) != 0) {
            int rc = new_channel(dns);
            if (rc < 0 && !first)
                return rc;
            if (rc == 0) {
                memcpy(dns->stamp, stamp, sizeof stamp);
                dns->renew = false;
            }
            if (rc == 0 && first)
                bl_task_post(dns->loop, &dns->retire);
        }
    }
    *ret = BL_LIST_OF(bl_list_first(&dns->channels), struct channel, link);
    return 0;
}

static void retire(void *arg)
{
    struct bl_dns_cares *dns = arg;
    BL_LIST_EACH(node, &dns->channels)
    {
        struct channel *c = BL_LIST_OF(node, struct channel, link);
        if (node != bl_list_first(&dns->channels) && !c->queries)
            free_channel(c);
    }
}

/* ---- answers ---- */

static void free_query(struct query *q)
{
    struct belay_loop *loop = q->dns->loop;
    bl_task_cancel(&q->task);
    bl_list_remove(&q->link);
    bl_free(&loop->mem, q->records);
    bl_free(&loop->mem, q);
}

static void tell(void *arg)
{
    struct query *q = arg;
    bl_list_remove(&q->link);
    q->fn(q->status, q->records, q->n, q->arg);
    free_query(q);
}

/* c-ares is done with it. */
static void finish(struct query *q, int status)
{
    q->channel->queries--;
    q->channel = NULL;
    q->status = status;
    if (q->fn)
        bl_task_post(q->dns->loop, &q->task);
    else
        free_query(q);
}

static bool reserve(struct query *q, size_t n, size_t text)
{
    q->records = bl_zalloc(&q->dns->loop->mem, n * sizeof *q->records + text);
    return q->records != NULL;
}

static bool to_addr(const struct ares_addrinfo_node *node, struct belay_addr *out)
{
    memset(out, 0, sizeof *out);
    if (node->ai_family == AF_INET) {
        out->family = BELAY_FAMILY_IPV4;
        memcpy(out->u.ip, &((const struct sockaddr_in *)(void *)node->ai_addr)->sin_addr, 4);
        return true;
    }
    if (node->ai_family == AF_INET6) {
        out->family = BELAY_FAMILY_IPV6;
        memcpy(out->u.ip, &((const struct sockaddr_in6 *)(void *)node->ai_addr)->sin6_addr, 16);
        return true;
    }
    return false;
}

static uint32_t ttl_of(const struct ares_addrinfo *info)
{
    int ttl = INT32_MAX;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        ttl = node->ai_ttl < ttl ? node->ai_ttl : ttl;
    for (const struct ares_addrinfo_cname *cname = info->cnames; cname; cname = cname->next)
        ttl = cname->ttl < ttl ? cname->ttl : ttl;
    return ttl > 0 ? (uint32_t)ttl : 0;
}

static int copy_addresses(struct query *q, const struct ares_addrinfo *info)
{
    size_t n = 0;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        n++;
    if (!n)
        return BELAY_ENONAME;
    if (!reserve(q, n, 0))
        return BELAY_ENOMEM;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        struct belay_dns_record *r = &q->records[q->n];
        if (!to_addr(node, &r->addr))
            continue;
        r->ttl_s = ttl_of(info);
        q->n++;
    }
    return q->n ? 0 : BELAY_ENONAME;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct query *q = arg;
    int rc = code_of(status);
    (void)timeouts;
    if (rc == 0 && q->fn)
        rc = copy_addresses(q, info);
    if (info)
        ares_freeaddrinfo(info);
    finish(q, rc);
}

static int copy_services(struct query *q, const uint8_t *message, size_t len)
{
    struct belay_dns_record records[BL_RECORDS_MAX];
    char text[BL_RECORDS_MAX][BL_NAME_MAX + 1];
    int n = bl_srv_decode(message, len, records, BL_RECORDS_MAX, text);
    if (n < 0)
        return n;
    if (!reserve(q, (size_t)n, (size_t)n * sizeof text[0]))
        return BELAY_ENOMEM;
    char *at = (char *)(q->records + n);
    for (int i = 0; i < n; i++, at += sizeof text[0]) {
        q->records[i] = records[i];
        memcpy(at, text[i], strlen(text[i]) + 1);
        q->records[i].target = at;
    }
    q->n = (size_t)n;
    return 0;
}

static void on_services(void *arg, int status, int timeouts, unsigned char *message, int len)
{
    struct query *q = arg;
    int rc = code_of(status);
    (void)timeouts;
    if (rc == 0 && q->fn)
        rc = copy_services(q, message, (size_t)len);
    finish(q, rc);
}

/* ---- the seam ---- */

static enum belay_family family_of(enum belay_dns_type type)
{
    return type == BELAY_DNS_A ? BELAY_FAMILY_IPV4 : BELAY_FAMILY_IPV6;
}

/* Whether the hosts file has the answer: it is then told without c-ares, and not to be cached (TTL
 * 0). */
static int ask_hosts(struct query *q, const char *name)
{
    const char *path = q->dns->loop->options.hosts_file;
    struct belay_addr addrs[BL_RECORDS_MAX];
    int n = bl_hosts_find(&q->dns->hosts, q->dns->loop, path ? path : HOSTS, name,
                          family_of(q->type), addrs, BL_RECORDS_MAX);
    if (n < 0)
        return n;
    if (n > 0 && !reserve(q, (size_t)n, 0))
        return BELAY_ENOMEM;
    for (int i = 0; i < n; i++)
        q->records[i].addr = addrs[i];
    q->n = (size_t)n;
    q->status = n ? 0 : BELAY_ENONAME;
    bl_task_post(q->dns->loop, &q->task);
    return 0;
}

static void ask_ares(struct query *q, struct channel *c, const char *name)
{
    q->channel = c;
    c->queries++;
    if (q->type == BELAY_DNS_SRV) {
        ares_query(c->ares, name, CLASS_IN, BELAY_DNS_SRV, on_services, q);
    } else {
        struct ares_addrinfo_hints hints;
        memset(&hints, 0, sizeof hints);
        hints.ai_flags = ARES_AI_NOSORT;
        hints.ai_family = q->type == BELAY_DNS_A ? AF_INET : AF_INET6;
        hints.ai_socktype = SOCK_STREAM;
        ares_getaddrinfo(c->ares, name, NULL, &hints, on_addresses, q);
    }
    after_ares(c);
}

static int cares_query(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                       belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct bl_dns_cares *dns = arg;
    struct channel *c;
    struct query *q = bl_zalloc(&loop->mem, sizeof *q);
    if (!q)
        return BELAY_ENOMEM;
    q->dns = dns;
    q->fn = fn;
    q->arg = fn_arg;
    q->type = type;
    bl_task_init(&q->task, tell, q);
    bl_list_init(&q->link);
    int rc = type == BELAY_DNS_SRV ? BELAY_ENONAME : ask_hosts(q, name);
    if (rc == BELAY_ENONAME) {
        rc = current_channel(dns, &c);
        if (rc == 0)
            ask_ares(q, c, name);
    }
    if (rc < 0) {
        free_query(q);
        return rc;
    }
    bl_list_push_back(&dns->queries, &q->link);
    *ret_handle = q;
    return 0;
}

static void cares_forget(void *handle, void *arg)
{
    struct query *q = handle;
    (void)arg;
    if (!q->channel) {
        free_query(q);
        return;
    }
    q->fn = NULL;
    bl_list_remove(&q->link);
}

int bl_dns_cares_new(struct belay_loop *loop, const char *servers, struct belay_dns *ret)
{
    struct bl_dns_cares *dns = bl_zalloc(&loop->mem, sizeof *dns);
    if (!dns)
        return BELAY_ENOMEM;
    dns->loop = loop;
    dns->servers = servers ? servers : loop->options.dns_servers;
    bl_list_init(&dns->channels);
    bl_list_init(&dns->queries);
    bl_task_init(&dns->retire, retire, dns);
    ret->size = sizeof *ret;
    ret->query = cares_query;
    ret->forget = cares_forget;
    ret->arg = dns;
    return 0;
}

void bl_dns_cares_renew(struct belay_dns *seam)
{
    struct bl_dns_cares *dns = seam->arg;
    dns->renew = true;
}

void bl_dns_cares_free(struct belay_loop *loop, struct belay_dns *ret)
{
    struct bl_dns_cares *dns = ret->arg;
    struct bl_list *node;
    while ((node = bl_list_first(&dns->queries)))
        cares_forget(BL_LIST_OF(node, struct query, link), NULL);
    while ((node = bl_list_first(&dns->channels)))
        free_channel(BL_LIST_OF(node, struct channel, link));
    bl_task_cancel(&dns->retire);
    bl_hosts_free(&dns->hosts, loop);
    bl_free(&loop->mem, dns);
}
