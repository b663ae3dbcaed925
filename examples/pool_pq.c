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
    struct belay_pool_options options = belay_pool_options_init();
    struct belay_pq_options pq_options = {.size = sizeof pq_options,
                                          .conninfo = argc > 1 ? argv[1] : ""};
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct belay_endpoint *database;
    struct belay_lease lease;
    struct belay_error error;
    struct belay_loop *loop;
    struct belay_pq *pq;

    if (belay_loop_new(NULL, &loop, &error) < 0 || belay_pq_new(&pq_options, &pq, &error) < 0 ||
        belay_pq_endpoint(pq, loop, &database, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    options.connector = belay_pq_connector(pq);
    if (belay_pool_open(loop, &options, &pool, &error) < 0 ||
        belay_pool_peer(pool, database, &peer) < 0)
        return 1;
    for (int i = 0; i < 3; i++) {
        if (belay_peer_acquire_wait(peer, 5000, &lease, &error) < 0)
            return fprintf(stderr, "%s\n", error.text), 1;
        PGresult *result = PQexec(belay_pq_conn(lease), "SELECT pg_backend_pid(), now()");
        printf("backend %s: %s\n", PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
        PQclear(result);
        belay_lease_release(lease, BELAY_REUSE);
    }
    belay_peer_unref(peer);
    belay_endpoint_unref(database);
    belay_loop_free(loop); /* closes the pool as well */
    belay_pq_free(pq);
}
