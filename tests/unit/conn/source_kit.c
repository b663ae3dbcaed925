/* SPDX-License-Identifier: MIT */
/* Answers of sources. */
#include "unit/conn/source_kit.h"

#include "conn/endpoint.h"

void source_kit_on_answer(struct belay_endpoint *const *endpoints, size_t n,
                          const struct belay_error *error, void *arg)
{
    struct source_answer *a = arg;

    a->told++;
    a->n = n;
    assert_true(n <= SOURCE_ANSWERS_MAX);
    assert_true((error != NULL) == (n == 0));
    for (size_t i = 0; i < n; i++)
        a->endpoints[i] = belay_endpoint_ref(endpoints[i]);
    if (!error)
        return;
    assert_null(endpoints);
    a->code = error->code;
    a->stage = error->stage;
    assert_true(error->code < 0);
    assert_int_equal(error->kind, belay_error_kind_of(error->code));
    memcpy(a->text, error->text, sizeof a->text);
}

void source_ask(struct belay_source *source, struct source_answer *a)
{
    memset(a, 0, sizeof *a);
    assert_int_equal(belay_source_get(source, false, NULL, source_kit_on_answer, a), 0);
    assert_int_equal(a->told, 0);
}

void source_drop(struct source_answer *a)
{
    for (size_t i = 0; i < a->n; i++)
        belay_endpoint_unref(a->endpoints[i]);
    memset(a, 0, sizeof *a);
}

const char *source_dials(const struct source_answer *a, size_t i)
{
    static char text[BELAY_ADDR_TEXT_MAX];
    struct bl_dial_plan plan;

    assert_true(i < a->n);
    bl_endpoint_plan(a->endpoints[i], &plan);
    assert_int_equal(plan.addrs_n, 1);
    return belay_addr_print(&plan.addrs[0], text, sizeof text);
}
