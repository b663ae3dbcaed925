/* SPDX-License-Identifier: MIT */
/* Who may be sent again: the whole table of what is known against what is decided. */
#include "support/test.h"

#include "base/error.h"
#include "http/replay.h"

static struct belay_error loss(enum belay_sent sent)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_USE, "lost");
    error.sent = sent;
    return error;
}

struct row {
    enum belay_sent sent;
    bool idempotent, unsafe, body_again;
    bool allowed;
};

static const struct row rows[] = {
    {BELAY_NOT_SENT, true, false, true, true},     {BELAY_NOT_SENT, false, false, true, true},
    {BELAY_NOT_SENT, true, true, true, true},      {BELAY_NOT_SENT, true, false, false, false},
    {BELAY_NOT_SENT, false, true, false, false},   {BELAY_MAYBE_SENT, true, false, true, true},
    {BELAY_MAYBE_SENT, false, false, true, false}, {BELAY_MAYBE_SENT, false, true, true, true},
    {BELAY_MAYBE_SENT, true, true, true, true},    {BELAY_MAYBE_SENT, true, false, false, false},
    {BELAY_MAYBE_SENT, false, true, false, false}, {BELAY_ANSWERED, true, false, true, false},
    {BELAY_ANSWERED, true, true, true, false},     {BELAY_ANSWERED, false, true, true, false},
};

static void what_was_sent_and_what_is_idempotent_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct belay_error error = loss(row->sent);
        const struct bl_replay_facts facts = {
            .error = &error,
            .idempotent = row->idempotent,
            .unsafe = row->unsafe,
            .body_again = row->body_again,
            .max = 3,
        };

        if (bl_replay_allowed(&facts) != row->allowed)
            fail_msg("row %zu", i);
    }
}

static bool allowed_for(int code, enum belay_stage stage, bool final)
{
    struct belay_error error;
    const struct bl_replay_facts facts = {
        .error = &error, .idempotent = true, .body_again = true, .max = 3};

    bl_error_set(&error, code, stage, "x");
    error.final = final;
    error.sent = BELAY_NOT_SENT;
    return bl_replay_allowed(&facts);
}

static void only_the_loss_of_a_connection_in_use_is_a_reason(void **state)
{
#define X(name, number, kind, text) BELAY_##name,
    static const int codes[] = {BELAY_ERRORS(X)};
#undef X

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        bool wanted =
            codes[i] == BELAY_EEOF || codes[i] == BELAY_ERESET || codes[i] == BELAY_EUNHEALTHY;

        assert_int_equal(allowed_for(codes[i], BELAY_STAGE_USE, false), wanted);
        assert_false(allowed_for(codes[i], BELAY_STAGE_USE, true));
        for (int stage = 0; stage < BELAY_STAGES_N; stage++) {
            if (stage != BELAY_STAGE_USE)
                assert_false(allowed_for(codes[i], (enum belay_stage)stage, false));
        }
    }
}

static void the_budget_is_kept(void **state)
{
    struct belay_error error = loss(BELAY_NOT_SENT);
    struct bl_replay_facts facts = {
        .error = &error, .idempotent = true, .body_again = true, .max = 2};

    (void)state;
    assert_true(bl_replay_allowed(&facts));
    facts.replays = 1;
    assert_true(bl_replay_allowed(&facts));
    facts.replays = 2;
    assert_false(bl_replay_allowed(&facts));
    facts.max = facts.replays = 0;
    assert_false(bl_replay_allowed(&facts));
}

static void idempotent_methods_are_those_of_the_rfc(void **state)
{
    static const char *const yes[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    static const char *const no[] = {"POST", "PATCH", "get", "GETS", "", "MKCOL"};

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(bl_method_is_idempotent(bl_span_of(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(bl_method_is_idempotent(bl_span_of(no[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_and_what_is_idempotent_decide),
        cmocka_unit_test(only_the_loss_of_a_connection_in_use_is_a_reason),
        cmocka_unit_test(the_budget_is_kept),
        cmocka_unit_test(idempotent_methods_are_those_of_the_rfc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
