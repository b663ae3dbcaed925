/* SPDX-License-Identifier: MIT */
/* The keeper that only listens. */
#include "unit/conn/keeper_kit.h"

#include "conn/endpoint.h"

static void on_opened(struct belay_conn *conn, void *arg)
{
    struct keeper *k = arg;

    assert_ptr_equal(conn, k->conn);
    assert_int_equal(bl_conn_get_state(conn), BL_CONN_OPEN);
    k->opened++;
    k->facts = *bl_conn_facts(conn);
    if (k->close_at_once)
        bl_conn_close(conn, BELAY_REASON_EVICTED);
}

static void note_error(struct keeper *k, const struct belay_error *error)
{
    k->code = error->code;
    k->stage = error->stage;
    k->final = error->final;
    memcpy(k->text, error->text, sizeof k->text);
    assert_int_equal(error->kind, belay_error_kind_of(error->code));
    assert_true(k->text[0]);
}

static void on_failed(struct belay_conn *conn, const struct belay_error *error, void *arg)
{
    struct keeper *k = arg;

    assert_ptr_equal(conn, k->conn);
    assert_int_equal(bl_conn_get_state(conn), BL_CONN_CLOSED);
    assert_int_equal(k->opened + k->closed, 0);
    k->failed++;
    note_error(k, error);
    k->conn = NULL;
    bl_conn_free(conn);
}

static void on_changed(struct belay_conn *conn, const struct belay_error *lost, void *arg)
{
    struct keeper *k = arg;

    assert_int_equal(k->opened, 1);
    assert_int_equal(k->closed, 0);
    k->changed++;
    k->facts = *bl_conn_facts(conn);
    assert_int_equal(k->facts.lost, lost != NULL);
    if (lost)
        note_error(k, lost);
}

static void on_checked(struct belay_conn *conn, int result, void *arg)
{
    struct keeper *k = arg;

    assert_ptr_equal(conn, k->conn);
    assert_int_equal(k->opened, 1);
    k->checked++;
    k->check_result = result;
}

static void on_closed(struct belay_conn *conn, void *arg)
{
    struct keeper *k = arg;

    assert_ptr_equal(conn, k->conn);
    assert_int_equal(bl_conn_get_state(conn), BL_CONN_CLOSED);
    assert_int_equal(k->failed, 0);
    k->closed++;
    k->conn = NULL;
    bl_conn_free(conn);
}

static const struct bl_conn_keeper_ops keeper_ops = {
    .opened = on_opened,
    .failed = on_failed,
    .changed = on_changed,
    .checked = on_checked,
    .closed = on_closed,
};

void keeper_init(struct keeper *k)
{
    memset(k, 0, sizeof *k);
    assert_int_equal(bl_dial_options_resolve(&k->dial, NULL, NULL), 0);
}

int keeper_open(struct keeper *k, struct belay_endpoint *endpoint,
                const struct belay_connector *connector)
{
    return bl_conn_open(bl_endpoint_loop(endpoint), endpoint, connector, &k->dial, false,
                        &keeper_ops, k, 64, &k->conn);
}

unsigned keeper_told(const struct keeper *k)
{
    return k->opened + k->failed + k->changed + k->checked + k->closed;
}
