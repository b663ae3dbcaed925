/* SPDX-License-Identifier: MIT */
/* The transport: descriptors that are no descriptors. The lowest free number is used again at once,
 * as a kernel does. */
#include <errno.h>
#include <stdlib.h>

#include "sim/parts.h"

#define FIRST_FD 3000

struct sim_fd {
    struct sim_world *world;
    int fd;
    enum belay_family family;
    struct sim_wire *wire; /* NULL before connect, or when nobody is there */
    int error;             /* of a connect to nowhere */
    struct sim_event event;
};

static struct sim_fd *find(struct sim_world *w, int fd)
{
    int i = fd - FIRST_FD;

    return i >= 0 && i < w->fds_n ? w->fds[i] : NULL;
}

static struct sim_fd *must_find(struct sim_world *w, int fd, const char *call)
{
    struct sim_fd *f = find(w, fd);

    if (!f)
        sim_fail(w, "%s on descriptor %d, which is not open", call, fd);
    return f;
}

bool sim_net_is_open(struct sim_world *w, int fd)
{
    return find(w, fd) != NULL;
}

unsigned sim_net_ready(struct sim_world *w, int fd)
{
    struct sim_fd *f = must_find(w, fd, "watch");
    struct sim_net *net = f->wire ? f->wire->net : NULL;
    unsigned events = 0;

    if (!net)
        return f->error && f->error != EINPROGRESS ? BELAY_READABLE | BELAY_WRITABLE : 0;
    if (net->connect_error == EINPROGRESS)
        return 0;
    if (net->connect_error || net->rx_reset)
        return BELAY_READABLE | BELAY_WRITABLE;
    if (bl_buf_len(&net->rx) || net->rx_end)
        events |= BELAY_READABLE;
    if (sim_wire_room(f->wire))
        events |= BELAY_WRITABLE;
    return events;
}

static int grow(struct sim_world *w)
{
    int n = w->fds_n ? w->fds_n * 2 : 32;
    struct sim_fd **fds = realloc(w->fds, (size_t)n * sizeof *fds);

    if (!fds)
        abort();
    for (int i = w->fds_n; i < n; i++)
        fds[i] = NULL;
    w->fds = fds;
    w->fds_n = n;
    return 0;
}

static int net_open(enum belay_family family, void *arg)
{
    struct sim_world *w = arg;
    struct sim_fd *f;
    int i = 0;

    if (w->fds_limit && w->fds_open >= w->fds_limit) {
        sim_did(w, SIM_FAULT_EMFILE, NULL);
        return -EMFILE;
    }
    f = calloc(1, sizeof *f);
    if (!f)
        abort();
    while (i < w->fds_n && w->fds[i])
        i++;
    if (i == w->fds_n)
        grow(w);
    w->fds[i] = f;
    w->fds_open++;
    f->world = w;
    f->fd = FIRST_FD + i;
    f->family = family;
    return f->fd;
}

static int net_bind(int fd, const struct belay_addr *source, const char *interface_name, void *arg)
{
    (void)source;
    (void)interface_name;
    must_find(arg, fd, "bind");
    return 0;
}

static void on_nowhere(void *arg)
{
    struct sim_fd *f = arg;

    f->error = EHOSTUNREACH;
}

static struct sim_host *host_at(struct sim_world *w, const struct belay_addr *to)
{
    BL_LIST_EACH(node, &w->hosts)
    {
        struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);

        for (size_t i = 0; i < h->addrs_n; i++)
            if (belay_addr_equal(&h->addrs[i], to))
                return h;
    }
    return NULL;
}

static int net_connect(int fd, const struct belay_addr *to, void *arg)
{
    struct sim_world *w = arg;
    struct sim_fd *f = must_find(w, fd, "connect");
    struct sim_host *h = host_at(w, to);

    if (f->wire || f->event.world)
        sim_fail(w, "descriptor %d is connected twice", fd);
    if (h) {
        f->wire = sim_wire_new(w, h, ++w->next_port);
        f->wire->seen.addr = *to;
        sim_note(w, "wire %llu: dialled %s", (unsigned long long)f->wire->seen.id, h->name);
    } else {
        f->error = EINPROGRESS;
        sim_event_init(&f->event, w, on_nowhere, f);
        sim_event_in(&f->event, SIM_MS(1));
    }
    return -EINPROGRESS;
}

static int net_connect_result(int fd, void *arg)
{
    struct sim_fd *f = must_find(arg, fd, "connect_result");

    return -(f->wire ? f->wire->net->connect_error : f->error);
}

static ptrdiff_t net_read(int fd, void *out, size_t size, void *arg)
{
    struct sim_fd *f = must_find(arg, fd, "read");

    return f->wire ? sim_wire_client_read(f->wire, out, size) : -ENOTCONN;
}

static ptrdiff_t net_write(int fd, const struct belay_bytes *bytes, size_t n, void *arg)
{
    struct sim_fd *f = must_find(arg, fd, "write");

    return f->wire ? sim_wire_client_write(f->wire, bytes, n) : -ENOTCONN;
}

static int net_shutdown(int fd, void *arg)
{
    struct sim_fd *f = must_find(arg, fd, "shutdown");

    if (!f->wire)
        return -ENOTCONN;
    sim_wire_client_end(f->wire);
    return 0;
}

static void net_close(int fd, void *arg)
{
    struct sim_world *w = arg;
    struct sim_fd *f = must_find(w, fd, "close");

    if (sim_watched(w, fd))
        sim_fail(w, "descriptor %d is closed while it is watched", fd);
    if (f->wire) {
        sim_note(w, "wire %llu: closed by the client", (unsigned long long)f->wire->seen.id);
        sim_wire_client_close(f->wire);
    }
    sim_event_fini(&f->event);
    w->fds[fd - FIRST_FD] = NULL;
    w->fds_open--;
    free(f);
}

static int net_set_option(int fd, enum belay_socket_option option, int value, void *arg)
{
    (void)option;
    (void)value;
    must_find(arg, fd, "set_option");
    return 0;
}

static int net_ack_age(int fd, void *arg)
{
    must_find(arg, fd, "ack_age_ms");
    return 0;
}

static int near_end(enum belay_family family, unsigned port, struct belay_addr *ret)
{
    const char *text = family == BELAY_FAMILY_IPV6 ? "fd00::1" : "10.0.0.1";

    return belay_addr_parse_ip(text, strlen(text), (uint16_t)port, ret);
}

static int net_source_for(const struct belay_addr *to, struct belay_addr *ret, void *arg)
{
    (void)arg;
    return near_end(to->family, 0, ret) < 0 ? -EINVAL : 0;
}

static int net_local_addr(int fd, struct belay_addr *ret, void *arg)
{
    struct sim_fd *f = must_find(arg, fd, "local_addr");

    return near_end(f->family, f->wire ? f->wire->port : 0, ret) < 0 ? -EINVAL : 0;
}

struct sim_wire *sim_wire_of_port(struct sim_world *w, unsigned port)
{
    BL_LIST_EACH(node, &w->wires)
    {
        struct sim_wire *wire = BL_LIST_OF(node, struct sim_wire, link);

        if (wire->port == port && !wire->net->client_gone)
            return wire;
    }
    return NULL;
}

struct sim_seen *sim_seen_of_stream(struct sim_world *w, struct belay_stream *stream)
{
    struct belay_addr addr;
    struct sim_wire *wire;

    if (!stream || belay_stream_local_addr(stream, &addr) < 0)
        return NULL;
    wire = sim_wire_of_port(w, addr.port);
    return wire ? &wire->seen : NULL;
}

void sim_net_init(struct sim_world *w)
{
    w->transport = (struct belay_transport){
        .size = sizeof w->transport,
        .open = net_open,
        .bind = net_bind,
        .connect = net_connect,
        .connect_result = net_connect_result,
        .read = net_read,
        .write = net_write,
        .shutdown_write = net_shutdown,
        .close = net_close,
        .set_option = net_set_option,
        .ack_age_ms = net_ack_age,
        .source_for = net_source_for,
        .local_addr = net_local_addr,
        .arg = w,
    };
}

void sim_net_free(struct sim_world *w)
{
    struct bl_list *node;

    for (int i = 0; i < w->fds_n; i++)
        if (w->fds[i]) {
            sim_event_fini(&w->fds[i]->event);
            free(w->fds[i]);
        }
    free(w->fds);
    while ((node = bl_list_first(&w->wires)))
        sim_wire_free(BL_LIST_OF(node, struct sim_wire, link));
}
