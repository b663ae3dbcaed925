/* SPDX-License-Identifier: MIT */
/*
 * A pool of PGconns, blocking: each query takes a connection, asks and gives it back.
 *
 *     pool_pq "host=127.0.0.1 user=app dbname=shop"
 */
#include <belay-pq.h>
#include <belay/belay.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct belay_pq_options options = belay_pq_options_init();
    struct belay_error error = {0};
    struct belay_lease lease;
    struct belay_loop *loop;
    struct belay_peer *peer;

    options.conninfo = argc > 1 ? argv[1] : "";
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_pq_open(loop, &options, NULL, &peer, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    for (int i = 0; i < 3 && belay_peer_acquire_wait(peer, 5000, &lease, &error) == 0; i++) {
        PGresult *result = PQexec(belay_pq_conn(lease), "SELECT pg_backend_pid(), now()");
        printf("backend %s: %s\n", PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
        PQclear(result);
        belay_lease_release(lease, BELAY_REUSE);
    }
    if (error.code != 0)
        fprintf(stderr, "%s\n", error.text);
    belay_peer_unref(peer);
    belay_loop_free(loop); /* closes the pool as well */
    return error.code != 0;
}
