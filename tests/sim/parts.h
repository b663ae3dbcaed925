/* SPDX-License-Identifier: MIT */
/* What the parts of the simulator share among themselves. */
#ifndef TEST_SIM_PARTS_H
#define TEST_SIM_PARTS_H

#include "sim/world.h"

uint64_t sim_next_event_ns(const struct sim_world *w);
const char *sim_fault_name(enum sim_fault fault);

/* sim_backend.c */
void sim_backend_init(struct sim_world *w);
bool sim_watched(struct sim_world *w, int fd);

/* sim_transport.c, sim_wire.c */
void sim_net_init(struct sim_world *w);
void sim_net_free(struct sim_world *w);
bool sim_net_is_open(struct sim_world *w, int fd);
unsigned sim_net_ready(struct sim_world *w, int fd);

/* One way of a wire: bytes under way, in order. */
enum sim_segment_kind { SIM_DATA, SIM_END, SIM_RESET, SIM_GONE };

struct segment {
    struct bl_list link;
    uint64_t at_ns;
    enum sim_segment_kind kind;
    size_t len;
    char data[];
};

struct sim_way {
    struct bl_list segments;
    void (*deliver)(struct sim_wire *wire, const struct segment *s);
    struct sim_event event;
    uint64_t last_ns;
    size_t under_way;
};

void sim_way_arm(struct sim_wire *wire, struct sim_way *way);
void sim_way_push(struct sim_wire *wire, struct sim_way *way, enum sim_segment_kind kind,
                  const void *data, size_t len);
void sim_way_clear(struct sim_way *way);
void sim_way_run(struct sim_wire *wire, struct sim_way *way);

struct sim_net {
    struct sim_way up, down; /* to the server; to the client */
    struct sim_event connecting;
    int connect_error; /* 0 once established; EINPROGRESS before */
    struct bl_buf rx;  /* come, and not read by the client */
    bool rx_end, rx_reset;
    struct bl_buf outbox; /* the server's, waiting for room */
    bool outbox_end, server_ended, half_closed, server_reset, server_gone;
    bool client_ended, client_gone;
    struct sim_event silence;
};

struct sim_wire *sim_wire_new(struct sim_world *w, struct sim_host *h, unsigned port);
void sim_wire_free(struct sim_wire *wire);
ptrdiff_t sim_wire_client_write(struct sim_wire *wire, const struct belay_bytes *bytes, size_t n);
ptrdiff_t sim_wire_client_read(struct sim_wire *wire, void *out, size_t size);
void sim_wire_client_end(struct sim_wire *wire);
void sim_wire_client_close(struct sim_wire *wire);
size_t sim_wire_room(struct sim_wire *wire);
void sim_wire_unstall(struct sim_wire *wire);

/* sim_dns.c */
void sim_dns_init(struct sim_world *w);
void sim_dns_free(struct sim_world *w);

/* sim_fake.c */
void sim_fake_free(struct sim_world *w);
void sim_fake_unstall(struct sim_host *h);
void sim_fake_heal(struct sim_host *h);
void sim_fake_close_idle(struct sim_host *h);

#endif
