/* SPDX-License-Identifier: MIT */
/* Tickets: who gets one, how often, and for how long. */
#include "net/tls.h"
#include "test_tls_kit.h"

struct ends {
    struct kit *kit;
    SSL_CTX *ctx;
    struct belay_tls *tls;
};

static struct ends ends_make(struct kit *kit, int version,
                             void (*more)(struct belay_tls_options *o))
{
    return (struct ends){kit, kit_server(&(struct kit_server_plan){.max_version = version}),
                         kit_identity(kit, more)};
}

static void ends_free(struct ends *e)
{
    belay_tls_unref(e->tls);
    SSL_CTX_free(e->ctx);
}

static bool is_resumed(struct kit_pair *pair)
{
    struct belay_tls_facts facts = belay_tls_facts_init();

    assert_int_equal(pair->client->ops->tls_facts(pair->client, &facts), 0);
    return facts.resumed;
}

static void dial_key(struct kit_pair *pair, struct ends *e, const char *name, const char *key)
{
    struct bl_tls_want want = {.tls = e->tls,
                               .server_name = name,
                               .session_key = key,
                               .session_key_len = key ? strlen(key) : 0};

    kit_pair_init(pair, e->kit, e->ctx);
    assert_int_equal(kit_dial_want(pair, &want), 0);
    assert_int_equal(kit_shake(pair), 0);
}

/* One connection that says something, so that tickets arrive. Returns whether it was resumed. */
static bool once(struct ends *e, const char *name, const char *key)
{
    struct kit_pair pair;
    bool resumed;

    dial_key(&pair, e, name, key);
    kit_exchange(&pair);
    resumed = is_resumed(&pair);
    assert_true(SSL_session_reused(pair.server) == resumed);
    kit_pair_close(&pair);
    return resumed;
}

static void the_second_connection_is_resumed(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, 0};

    for (size_t i = 0; i < 2; i++) {
        struct ends e = ends_make(*state, versions[i], NULL);

        assert_false(once(&e, "a.test", "k"));
        for (int n = 0; n < 10; n++)
            assert_true(once(&e, "a.test", "k"));
        ends_free(&e);
    }
}

static void facts_of_a_resumed_connection_are_complete(void **state)
{
    struct ends e = ends_make(*state, 0, NULL);
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct kit_pair pair;

    once(&e, "a.test", "k");
    dial_key(&pair, &e, "a.test", "k");
    assert_int_equal(pair.client->ops->tls_facts(pair.client, &facts), 0);
    assert_true(facts.resumed && facts.verified);
    assert_true(facts.peer_certificate_len > 100);
    assert_int_equal(strlen(facts.peer_pin), 52);
    kit_pair_close(&pair);
    ends_free(&e);
}

static void a_ticket_serves_its_own_key_and_name_only(void **state)
{
    struct ends e = ends_make(*state, 0, NULL);

    assert_false(once(&e, "a.test", "k"));
    assert_false(once(&e, "a.test", "other"));
    assert_false(once(&e, "b.w.test", "k"));
    assert_false(once(&e, "a.test", NULL));
    assert_true(once(&e, "a.test", "k"));
    ends_free(&e);
}

/* Without a read after the handshake TLS 1.3 brings no new tickets: those at hand are used up. */
static int tickets_at_hand(struct ends *e)
{
    struct kit_pair pairs[8];
    int resumed = 0;

    for (int i = 0; i < 8; i++) {
        dial_key(&pairs[i], e, "a.test", "k");
        resumed += is_resumed(&pairs[i]);
    }
    for (int i = 0; i < 8; i++)
        kit_pair_close(&pairs[i]);
    return resumed;
}

static void each_ticket_is_used_once(void **state)
{
    struct ends e = ends_make(*state, 0, NULL);

    SSL_CTX_set_num_tickets(e.ctx, 1);
    assert_false(once(&e, "a.test", "k"));
    assert_int_equal(tickets_at_hand(&e), 1);
    assert_int_equal(tickets_at_hand(&e), 0);
    ends_free(&e);
}

static void four_tickets_are_kept(void **state)
{
    struct ends e = ends_make(*state, 0, NULL);

    SSL_CTX_set_num_tickets(e.ctx, 7);
    assert_false(once(&e, "a.test", "k"));
    assert_int_equal(tickets_at_hand(&e), 4);
    ends_free(&e);
}

static void a_session_of_tls_1_2_goes_back_after_use(void **state)
{
    struct ends e = ends_make(*state, TLS1_2_VERSION, NULL);

    assert_false(once(&e, "a.test", "k"));
    assert_int_equal(tickets_at_hand(&e), 8);
    ends_free(&e);
}

static void sessions_outlive_a_close_without_close_notify(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, 0};

    for (size_t i = 0; i < 2; i++) {
        struct ends e = ends_make(*state, versions[i], NULL);
        struct kit_pair pair;
        char got[8];

        dial_key(&pair, &e, "a.test", "k");
        kit_exchange(&pair);
        pair.wire.eof = true;
        assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), BELAY_EEOF);
        kit_pair_close(&pair);
        assert_true(once(&e, "a.test", "k"));
        ends_free(&e);
    }
}

static void expired_tickets_are_dropped(void **state)
{
    struct kit *kit = *state;
    struct ends e = ends_make(kit, 0, NULL);

    SSL_CTX_set_timeout(e.ctx, 600);
    assert_false(once(&e, "a.test", "k"));
    kit->wall_ms += 599000;
    assert_true(once(&e, "a.test", "k"));
    kit->wall_ms += 601000;
    assert_false(once(&e, "a.test", "k"));
    ends_free(&e);
}

static void a_ticket_ends_with_the_certificate_it_stands_for(void **state)
{
    struct kit *kit = *state;
    struct kit_cert brief = kit_cert_make(&(struct kit_cert_plan){
        .cn = "a.test", .san = "DNS:a.test", .issuer = kit_ca(), .from_days = -1, .to_days = 1});
    struct ends e = {kit, kit_server(&(struct kit_server_plan){.cert = &brief}),
                     kit_identity(kit, NULL)};
    struct kit_pair pair;

    SSL_CTX_set_timeout(e.ctx, 7 * 86400);
    assert_false(once(&e, "a.test", "k"));
    assert_true(once(&e, "a.test", "k"));
    kit->wall_ms += (int64_t)2 * 86400 * 1000;
    kit_pair_init(&pair, kit, e.ctx);
    assert_int_equal(kit_dial(&pair, e.tls, NULL), 0);
    assert_int_equal(kit_shake(&pair), BELAY_ECERT);
    kit_pair_close(&pair);
    ends_free(&e);
    kit_cert_free(&brief);
}

/* ---- options ---- */

static void no_resumption(struct belay_tls_options *o)
{
    o->no_resumption = true;
}

static void two_names(struct belay_tls_options *o)
{
    o->sessions_max = 2;
}

static void no_resumption_means_full_handshakes(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, 0};

    for (size_t i = 0; i < 2; i++) {
        struct ends e = ends_make(*state, versions[i], no_resumption);

        assert_false(once(&e, "a.test", "k"));
        assert_false(once(&e, "a.test", "k"));
        ends_free(&e);
    }
}

static void the_least_recently_dialled_name_is_forgotten(void **state)
{
    struct ends e = ends_make(*state, 0, two_names);

    once(&e, "a.test", "1");
    once(&e, "a.test", "2");
    assert_true(once(&e, "a.test", "1"));
    once(&e, "a.test", "3");
    assert_false(once(&e, "a.test", "2"));
    assert_true(once(&e, "a.test", "3"));
    assert_false(once(&e, "a.test", "1"));
    ends_free(&e);
}

static void a_name_is_forgotten_under_an_open_connection(void **state)
{
    struct ends e = ends_make(*state, 0, two_names);
    struct kit_pair pair;

    dial_key(&pair, &e, "a.test", "1");
    once(&e, "a.test", "2");
    once(&e, "a.test", "3");
    kit_exchange(&pair); /* its tickets come too late */
    kit_pair_close(&pair);
    assert_false(once(&e, "a.test", "1"));
    ends_free(&e);
}

/* ---- pins ---- */

static const char *the_pin;

static void pinned(struct belay_tls_options *o)
{
    o->pins = &the_pin;
    o->pins_n = 1;
}

static void pins_are_checked_on_resumption(void **state)
{
    struct ends e = ends_make(*state, 0, NULL), pinning;
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct kit_pair pair;

    dial_key(&pair, &e, "a.test", "k");
    pair.client->ops->tls_facts(pair.client, &facts);
    the_pin = facts.peer_pin;
    pinning = ends_make(*state, 0, pinned);
    assert_false(once(&pinning, "a.test", "k"));
    assert_true(once(&pinning, "a.test", "k"));
    pinning.tls->pins[0][0] ^= 1; /* as if the session came from elsewhere */
    kit_pair_close(&pair);
    kit_pair_init(&pair, *state, pinning.ctx);
    assert_int_equal(kit_dial(&pair, pinning.tls, NULL), 0);
    assert_int_equal(kit_shake(&pair), BELAY_EPIN);
    kit_pair_close(&pair);
    ends_free(&pinning);
    ends_free(&e);
}

/* ---- the caller's SSL_CTX ---- */

static SSL_CTX *own_ctx;

static void with_own(struct belay_tls_options *o)
{
    o->ca_pem = NULL;
    o->ssl_ctx = own_ctx;
}

static void a_callers_ssl_ctx_is_used_as_it_is(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, 0};
    struct kit_pair pair;
    long mode;

    for (size_t i = 0; i < 2; i++) {
        struct ends e;

        own_ctx = SSL_CTX_new(TLS_client_method());
        X509_STORE_add_cert(SSL_CTX_get_cert_store(own_ctx), kit_ca()->cert);
        SSL_CTX_set_verify(own_ctx, SSL_VERIFY_PEER, NULL);
        mode = SSL_CTX_get_mode(own_ctx);
        e = ends_make(*state, versions[i], with_own);
        assert_false(once(&e, "a.test", "k"));
        assert_true(once(&e, "a.test", "k"));
        assert_true(once(&e, "a.test", "k"));
        kit_pair_init(&pair, *state, e.ctx);
        assert_int_equal(kit_dial(&pair, e.tls, "b.test"), 0);
        assert_int_equal(kit_shake(&pair), BELAY_ECERT);
        assert_says(&pair.error, BELAY_ECERT, "not for b.test");
        kit_pair_close(&pair);
        ends_free(&e);
        assert_true(SSL_CTX_get_verify_callback(own_ctx) == NULL);
        assert_true(SSL_CTX_sess_get_new_cb(own_ctx) == NULL);
        assert_int_equal(SSL_CTX_get_mode(own_ctx), mode);
        SSL_CTX_free(own_ctx);
    }
}

/* ---- memory ---- */

/* Every allocation of belay's own fails once: the dial does, or nothing does. */
static void a_dial_survives_every_failing_allocation(void **state)
{
    struct kit *kit = *state;
    static const uint8_t alpn[] = "\x08http/1.1";
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.alpn = "http/1.1"});
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct bl_tls_want want = {.tls = tls,
                               .server_name = "a.test",
                               .alpn = alpn,
                               .alpn_len = sizeof alpn - 1,
                               .session_key = "k",
                               .session_key_len = 1};
    int failed = 0;

    for (size_t n = 1;; n++) {
        struct belay_tls_facts facts = belay_tls_facts_init();
        size_t live = failing_alloc_live(&kit->alloc),
               failures = failing_alloc_failures(&kit->alloc);
        struct kit_pair pair;
        int code;

        kit_pair_init(&pair, kit, ctx);
        failing_alloc_once(&kit->alloc, n);
        code = kit_dial_want(&pair, &want);
        code = code == 0 ? kit_shake(&pair) : code;
        code = code == 0 ? pair.client->ops->tls_facts(pair.client, &facts) : code;
        failing_alloc_once(&kit->alloc, 0);
        failures = failing_alloc_failures(&kit->alloc) - failures;
        assert_int_equal(code, failures ? BELAY_ENOMEM : 0);
        failed += (int)failures;
        kit_pair_close(&pair);
        assert_true(failing_alloc_live(&kit->alloc) <= live + (code == 0 ? 4 : 0));
        if (failures == 0)
            break;
    }
    assert_true(failed >= 5);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_second_connection_is_resumed),
        TEST(facts_of_a_resumed_connection_are_complete),
        TEST(a_ticket_serves_its_own_key_and_name_only),
        TEST(each_ticket_is_used_once),
        TEST(four_tickets_are_kept),
        TEST(a_session_of_tls_1_2_goes_back_after_use),
        TEST(sessions_outlive_a_close_without_close_notify),
        TEST(expired_tickets_are_dropped),
        TEST(a_ticket_ends_with_the_certificate_it_stands_for),
        TEST(no_resumption_means_full_handshakes),
        TEST(the_least_recently_dialled_name_is_forgotten),
        TEST(a_name_is_forgotten_under_an_open_connection),
        TEST(pins_are_checked_on_resumption),
        TEST(a_callers_ssl_ctx_is_used_as_it_is),
        TEST(a_dial_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
