/* SPDX-License-Identifier: MIT */
/* Credentials that age: a call that is refused for them is sent once more, with others. */
#include "grpc_kit.h"

#include <stdio.h>

#include "grpc/rpc.h"

static struct grpc_kit k;

struct book { /* of marks that the hook was asked with */
    int n;
    uint64_t refused[8];
    bool unmarked;
    int marked; /* only so many, if not 0 */
};

static void give(struct belay_rpc *rpc, const char *method, void *arg)
{
    struct book *book = arg;
    char text[32];
    struct belay_header token = {.name = "authorization", .value = text};

    (void)method;
    assert_true(book->n < 8);
    book->refused[book->n++] = bl_rpc_refused(rpc);
    snprintf(text, sizeof text, "Bearer %d", book->n);
    if (!book->unmarked && (book->marked == 0 || book->n <= book->marked))
        bl_rpc_mark_credentials(rpc, (uint64_t)(100 + book->n));
    belay_rpc_credentials_done(rpc, &token, 1, NULL);
}

static struct belay_channel_options giving(struct book *book)
{
    struct belay_channel_options o = grpc_options();

    *book = (struct book){0};
    o.credentials = give;
    o.credentials_arg = book;
    return o;
}

/* Refuses what does not say "Bearer 2", as `extra` does. */
static void want_the_second(struct grpc_kit *kit, uint32_t id)
{
    if (strstr(kit->fields, "authorization: Bearer 2\n"))
        grpc_answer(kit, id, "good");
    else
        grpc_say_head(kit, id, H2_END_STREAM, kit->extra);
}

static void refuse_all(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, H2_END_STREAM, kit->extra);
}

#define REFUSED GRPC_HEAD "grpc-status: 16\ngrpc-message: expired\n"

static void open_with(const struct belay_channel_options *o, char *refusal,
                      void (*on_request)(struct grpc_kit *kit, uint32_t id))
{
    memset(&k, 0, sizeof k);
    grpc_open(&k, o);
    k.on_request = on_request;
    k.extra = refusal;
}

/* One call, which ends so; the server saw, and the hook was asked, so often. */
static void one_call(char *refusal, void (*on_request)(struct grpc_kit *kit, uint32_t id),
                     int status, const char *message, int times)
{
    struct book book;
    struct belay_channel_options o = giving(&book);
    struct rpc_call c = {0};

    open_with(&o, refusal, on_request);
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, status, message);
    assert_int_equal(book.n, times);
    assert_int_equal(k.h2.server.requests, times);
    grpc_close(&k);
}

static void a_refused_call_is_sent_once_more_with_new_credentials(void **state)
{
    static char refusal[] = REFUSED;
    struct book book;
    struct belay_channel_options o = giving(&book);
    struct belay_channel_stats s = belay_channel_stats_init();
    struct rpc_call c = {0};

    (void)state;
    open_with(&o, refusal, want_the_second);
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    belay_channel_get_stats(k.channel, &s);
    assert_int_equal(s.retries, 1);
    assert_int_equal(book.n, 2);
    assert_int_equal(book.refused[0], 0);
    assert_int_equal(book.refused[1], 101);
    assert_int_equal(c.attempts, 2);
    assert_int_equal(k.h2.server.requests, 2);
    grpc_close(&k);
}

static void a_stream_is_sent_once_more_with_all_that_was_said(void **state)
{
    static char refusal[] = REFUSED;
    struct book book;
    struct belay_channel_options o = giving(&book);
    struct rpc_call c = {0};

    (void)state;
    open_with(&o, refusal, want_the_second);
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_write(c.rpc, "one", 3), 0);
    assert_int_equal(belay_rpc_write(c.rpc, "two", 3), 0);
    belay_rpc_end(c.rpc);
    k.data_len = 0;
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(c.attempts, 2);
    assert_true(k.data_len >= 16);
    assert_memory_equal(k.data + k.data_len - 16, "\0\0\0\0\3one\0\0\0\0\3two", 16);
    grpc_close(&k);
}

static void what_is_refused_again_has_failed(void **state)
{
    static char refusal[] = REFUSED;

    (void)state;
    one_call(refusal, refuse_all, BELAY_GRPC_UNAUTHENTICATED, "expired", 2);
}

static void credentials_without_a_mark_are_not_renewed(void **state)
{
    static char refusal[] = REFUSED;
    struct book book;
    struct belay_channel_options o = giving(&book);
    struct rpc_call c = {0};

    (void)state;
    book.unmarked = true;
    open_with(&o, refusal, want_the_second);
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_UNAUTHENTICATED, "expired");
    assert_int_equal(book.n, 1);
    grpc_close(&k);
}

static void other_refusals_are_no_matter_of_credentials(void **state)
{
    static char refusal[] = GRPC_HEAD "grpc-status: 7\ngrpc-message: not yours\n";

    (void)state;
    one_call(refusal, want_the_second, BELAY_GRPC_PERMISSION_DENIED, "not yours", 1);
}

/* A gateway before the server speaks HTTP alone. */
static void a_401_is_a_refusal_too(void **state)
{
    static char refusal[] = ":status: 401\n";

    (void)state;
    one_call(refusal, want_the_second, BELAY_GRPC_OK, "", 2);
}

static void begin_to_answer(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_head(kit, id, H2_END_STREAM, "grpc-status: 16\ngrpc-message: expired\n");
}

static void a_call_whose_answer_has_begun_is_not_sent_again(void **state)
{
    (void)state;
    one_call(NULL, begin_to_answer, BELAY_GRPC_UNAUTHENTICATED, "expired", 1);
}

static void a_server_may_forbid_it(void **state)
{
    static char refusal[] = GRPC_HEAD "grpc-status: 16\ngrpc-retry-pushback-ms: -1\n";

    (void)state;
    one_call(refusal, want_the_second, BELAY_GRPC_UNAUTHENTICATED, "", 1);
}

static void fail_then_want_the_third(struct grpc_kit *kit, uint32_t id)
{
    if (strstr(kit->fields, "authorization: Bearer 3\n"))
        grpc_answer(kit, id, "good");
    else if (strstr(kit->fields, "authorization: Bearer 2\n"))
        grpc_say_head(kit, id, H2_END_STREAM,
                      GRPC_HEAD "grpc-status: 14\ngrpc-retry-pushback-ms: 1\n");
    else
        grpc_say_head(kit, id, H2_END_STREAM, REFUSED);
}

/* It counts as an attempt, and what was refused stays so. */
static void a_retry_policy_goes_on_beside_it(void **state)
{
    struct belay_retry_policy policy = belay_retry_policy_init();
    struct book book;
    struct belay_channel_options o = giving(&book);
    struct rpc_call c = {0};

    (void)state;
    policy.attempts_max = 4;
    o.retry = &policy;
    open_with(&o, NULL, fail_then_want_the_third);
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(book.n, 3);
    assert_int_equal(book.refused[1], 101);
    assert_int_equal(book.refused[2], 101);
    assert_int_equal(c.attempts, 3);
    grpc_close(&k);
}

static void fail_then_refuse(struct grpc_kit *kit, uint32_t id)
{
    if (strstr(kit->fields, "authorization: Bearer 1\n"))
        grpc_say_head(kit, id, H2_END_STREAM,
                      GRPC_HEAD "grpc-status: 14\ngrpc-retry-pushback-ms: 1\n");
    else
        grpc_say_head(kit, id, H2_END_STREAM, REFUSED);
}

static void a_mark_is_of_one_attempt(void **state)
{
    struct belay_retry_policy policy = belay_retry_policy_init();
    struct book book;
    struct belay_channel_options o = giving(&book);
    struct rpc_call c = {0};

    (void)state;
    policy.attempts_max = 4;
    o.retry = &policy;
    book.marked = 1;
    open_with(&o, NULL, fail_then_refuse);
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_UNAUTHENTICATED, "expired");
    assert_int_equal(book.n, 2);
    grpc_close(&k);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_call_is_sent_once_more_with_new_credentials),
        cmocka_unit_test(a_stream_is_sent_once_more_with_all_that_was_said),
        cmocka_unit_test(what_is_refused_again_has_failed),
        cmocka_unit_test(credentials_without_a_mark_are_not_renewed),
        cmocka_unit_test(other_refusals_are_no_matter_of_credentials),
        cmocka_unit_test(a_401_is_a_refusal_too),
        cmocka_unit_test(a_call_whose_answer_has_begun_is_not_sent_again),
        cmocka_unit_test(a_server_may_forbid_it),
        cmocka_unit_test(a_retry_policy_goes_on_beside_it),
        cmocka_unit_test(a_mark_is_of_one_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
