/* SPDX-License-Identifier: MIT */
/* Which peers are the same: whoever is inactive for one is found by whoever asks for the other. */
#include "unit/keep/cache_kit.h"

#include "keep/cache_peer.h"

static struct cache_kit k;
static struct belay_endpoint *endpoint, *same_endpoint, *other_endpoint;

static struct belay_endpoint *parse(const char *url)
{
    struct belay_endpoint *e;

    assert_int_equal(belay_endpoint_parse(k.loop, url, &e, NULL), 0);
    return e;
}

static int set_up(void **state)
{
    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    endpoint = parse("tcp://db.test:5432");
    same_endpoint = parse("tcp://DB.test:5432");
    other_endpoint = parse("tcp://db.test:5433");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    belay_endpoint_unref(endpoint);
    belay_endpoint_unref(same_endpoint);
    belay_endpoint_unref(other_endpoint);
    cache_kit_end(&k);
    return 0;
}

static bool same(struct belay_cache_peer a, struct belay_cache_peer b)
{
    int found;

    assert_int_equal(cache_kit_inactive(&k, 0, &a, 3), BELAY_KEPT);
    found = cache_kit_find(&k, &b, 3, NULL);
    if (found < 0)
        assert_int_equal(belay_cache_forget(k.cache, cache_kit_what(&k, 0)), 0);
    return found == 0;
}

static void all_peers(struct belay_cache_peer out[12])
{
    out[0] = belay_cache_direct("a.test", 80);
    out[1] = belay_cache_direct("a.test", 81);
    out[2] = belay_cache_direct("b.test", 80);
    out[3] = belay_cache_direct_name("a.test", 80);
    out[4] = belay_cache_http_proxy("a.test", 80);
    out[5] = belay_cache_http_proxy_connect("a.test", 80, "b.test", 80);
    out[6] = belay_cache_http_proxy_connect("b.test", 80, "a.test", 80);
    out[7] = belay_cache_http_proxy_connect("a.test", 80, "b.test", 81);
    out[8] = belay_cache_socks5("a.test", 80, "b.test", 80);
    out[9] = belay_cache_socks5("a.test", 80, "c.test", 80);
    out[10] = belay_cache_endpoint(endpoint);
    out[11] = belay_cache_endpoint(other_endpoint);
}

static void every_part_of_a_peer_keeps_apart(void **state)
{
    struct belay_cache_peer peers[12];

    (void)state;
    all_peers(peers);
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < 12; j++)
            if (same(peers[i], peers[j]) != (i == j))
                fail_msg("peers %d and %d", i, j);
}

static void binding_is_part_of_the_match(void **state)
{
    struct belay_cache_peer peer = belay_cache_direct("a.test", 80);

    (void)state;
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 1), BELAY_KEPT);
    assert_int_equal(cache_kit_inactive(&k, 1, &peer, 2), BELAY_KEPT);
    assert_int_equal(cache_kit_find(&k, &peer, 0, NULL), -1);
    assert_int_equal(cache_kit_find(&k, &peer, 1, NULL), 0);
    assert_int_equal(cache_kit_find(&k, &peer, 1, NULL), -1);
    assert_int_equal(cache_kit_find(&k, &peer, 2, NULL), 1);
}

static void spelling_does_not_count(void **state)
{
    (void)state;
    assert_true(same(belay_cache_direct("A.Test", 80), belay_cache_direct("a.tesT", 80)));
    assert_true(
        same(belay_cache_direct("2001:DB8::1", 80), belay_cache_direct("[2001:db8:0:0::0:1]", 80)));
    assert_false(
        same(belay_cache_direct("2001:db8::1", 80), belay_cache_direct("2001:db8::2", 80)));
    assert_true(same(belay_cache_socks5("PROXY", 1080, "Target", 80),
                     belay_cache_socks5("proxy", 1080, "target", 80)));
    assert_true(same(belay_cache_endpoint(endpoint), belay_cache_endpoint(same_endpoint)));
}

static void facts_have_the_peer_back(void **state)
{
    struct belay_cache_peer peer = belay_cache_socks5("Gate", 1080, "db.test", 5432);
    struct belay_cache_facts f = belay_cache_facts_init();

    (void)state;
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 9), BELAY_KEPT);
    belay_cache_get_state(k.cache, cache_kit_what(&k, 0), &f);
    assert_int_equal(f.peer.route, BELAY_CACHE_SOCKS5);
    assert_string_equal(f.peer.host, "gate");
    assert_int_equal(f.peer.port, 1080);
    assert_string_equal(f.peer.target_host, "db.test");
    assert_int_equal(f.peer.target_port, 5432);
    assert_int_equal(f.binding, 9);
    peer = belay_cache_endpoint(endpoint);
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_KEPT);
    belay_cache_get_state(k.cache, cache_kit_what(&k, 0), &f);
    assert_ptr_equal(f.peer.endpoint, endpoint);
}

static void refuse(struct belay_cache_peer peer, const char *text)
{
    struct belay_cached what;
    struct belay_error e;

    assert_int_equal(belay_cache_set_inactive(k.cache, cache_kit_what(&k, 0), &peer, 0, NULL, &e),
                     BELAY_EINVAL);
    if (!strstr(e.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, e.text);
    assert_int_equal(belay_cache_find_inactive(k.cache, &peer, 0, NULL, &what, NULL), BELAY_EINVAL);
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_UNKNOWN);
    assert_int_equal(cache_kit_stats(&k).peers, 0);
}

static void impossible_peers_are_refused_by_name(void **state)
{
    static char endless[400];

    (void)state;
    memset(endless, 'a', sizeof endless - 1);
    refuse(belay_cache_direct("", 80), "direct: host is empty");
    refuse(belay_cache_direct(NULL, 80), "direct: host is empty");
    refuse(belay_cache_direct_name(endless, 80), "direct_name: host is longer than 255 bytes");
    refuse(belay_cache_http_proxy("a b", 80), "http_proxy: host \"a b\" has a blank");
    refuse(belay_cache_http_proxy("a", 0), "port 0 of host \"a\" is out of range (1 to 65535)");
    refuse(belay_cache_socks5("a", 1080, "b", 65536), "socks5: port 65536 of target_host \"b\"");
    refuse(belay_cache_http_proxy_connect("a", 3128, NULL, 80), "target_host is empty");
    refuse(belay_cache_endpoint(NULL), "the peer's endpoint is NULL");
    refuse(belay_cache_via((enum belay_cache_route)99, "a", 1, NULL, 0), "the peer has no route");
}

static void longest_hosts_fit(void **state)
{
    char host[BL_CACHE_HOST_MAX + 1], target[BL_CACHE_HOST_MAX + 1];

    (void)state;
    memset(host, 'h', sizeof host - 1);
    memset(target, 't', sizeof target - 1);
    host[sizeof host - 1] = target[sizeof target - 1] = '\0';
    assert_true(
        same(belay_cache_socks5(host, 1, target, 2), belay_cache_socks5(host, 1, target, 2)));
    assert_false(
        same(belay_cache_socks5(host, 1, target, 2), belay_cache_socks5(target, 1, host, 2)));
}

static void peers_have_names_for_people(void **state)
{
    char out[BL_CACHE_TEXT_MAX];
    struct belay_cache_peer p = belay_cache_socks5("gate", 1080, "::1", 80);

    (void)state;
    assert_string_equal(bl_cache_peer_print(&p, out, sizeof out),
                        "[::1]:80 through the SOCKS5 proxy gate:1080");
    p = belay_cache_http_proxy("proxy", 3128);
    assert_string_equal(bl_cache_peer_print(&p, out, sizeof out), "the HTTP proxy proxy:3128");
    p = belay_cache_endpoint(endpoint);
    assert_string_equal(bl_cache_peer_print(&p, out, sizeof out), "tcp://db.test:5432");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_part_of_a_peer_keeps_apart),
        TEST(binding_is_part_of_the_match),
        TEST(spelling_does_not_count),
        TEST(facts_have_the_peer_back),
        TEST(impossible_peers_are_refused_by_name),
        TEST(longest_hosts_fit),
        TEST(peers_have_names_for_people),
    };
    return cmocka_run_group_tests_name("keep_cache_peer", tests, NULL, NULL);
}
