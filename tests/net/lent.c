/* SPDX-License-Identifier: MIT */
/* Connections that are lent to tests. */
#include "lent.h"

void lent_begin(struct lent *s, const char *const *answers)
{
    memset(s, 0, sizeof *s);
    scripted_start(&s->server, answers);
    kit_open_steady(&s->kit, NULL);
}

void lent_end(struct lent *s)
{
    belay_peer_unref(s->peer);
    belay_endpoint_unref(s->endpoint);
    kit_close(&s->kit);
    scripted_stop(&s->server);
}

void lent_on_lease(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct lent *s = arg;

    s->told = true;
    s->lease = lease;
    s->error = error ? *error : (struct belay_error){0};
}

void lent_acquire(struct lent *s, struct belay_peer *peer)
{
    s->told = false;
    assert_int_equal(belay_peer_acquire(peer, NULL, NULL, lent_on_lease, s), 0);
    scripted_turn_until(&s->server, &s->kit, &s->told);
}

void lent_must_acquire(struct lent *s, struct belay_peer *peer)
{
    lent_acquire(s, peer);
    if (s->error.code)
        fail_msg("%s", s->error.text);
    assert_true(belay_lease_valid(s->lease));
}

void lent_fail_each(size_t (*run)(size_t n), size_t least)
{
    size_t n = 1;

    while (run(n) > 0)
        n++;
    assert_true(n > least);
}
