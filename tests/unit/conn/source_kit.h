/* SPDX-License-Identifier: MIT */
/* What sources answer, written down. */
#ifndef TEST_CONN_SOURCE_KIT_H
#define TEST_CONN_SOURCE_KIT_H

#include "belay/source.h"
#include "unit/conn/conn_world.h"

#define SOURCE_ANSWERS_MAX 16

struct source_answer {
    unsigned told;
    size_t n;
    struct belay_endpoint *endpoints[SOURCE_ANSWERS_MAX];
    int code;
    enum belay_stage stage;
    char text[BELAY_ERROR_TEXT_MAX];
};

/* A belay_source_fn; `arg` is the answer. */
void source_kit_on_answer(struct belay_endpoint *const *endpoints, size_t n,
                          const struct belay_error *error, void *arg);
/* Asks, and sees that it is not answered inside. */
void source_ask(struct belay_source *source, struct source_answer *a);
/* Gives back what was answered, and clears it. */
void source_drop(struct source_answer *a);
/* The address that the i-th endpoint dials, printed. */
const char *source_dials(const struct source_answer *a, size_t i);

#endif
