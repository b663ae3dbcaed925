/* SPDX-License-Identifier: MIT */
/*
 * A whole Chronicle connection against two kernels in plain text and one over TLS, which
 * chronicle_kernel.py plays on gRPC's own library. They are told what to do, and say what they have
 * seen, over HTTP.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "belay/chronicle.h"

static const char *ports[3], *certificates;

/* ---- the kernels ---- */

/* Their loop: the connection's stands still meanwhile. */
static struct belay_loop *aside;
static struct belay_http *http;

static void ask(int kernel, const char *what, char *answer, size_t room)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_http_result result = {0};
    struct belay_error error;
    char url[256];

    snprintf(url, sizeof url, "http://127.0.0.1:%s%s", ports[kernel], what);
    o.url = url;
    if (belay_http_fetch_wait(http, &o, 65536, 10000, &result, &error) < 0)
        fail_msg("%s: %s", url, error.text);
    assert_int_equal(result.status, 200);
    snprintf(answer, room, "%s", result.body);
    belay_http_result_free(&result);
}

static void tell(int kernel, const char *what)
{
    char answer[16];

    ask(kernel, what, answer, sizeof answer);
}

static const char *seen(int kernel, const char *name)
{
    static char answer[4][4096];
    static unsigned next;
    char *text = answer[next++ % 4], what[64];

    snprintf(what, sizeof what, "/get?%s", name);
    ask(kernel, what, text, sizeof answer[0]);
    return text;
}

static int number(int kernel, const char *name)
{
    return atoi(seen(kernel, name));
}

static void forget(void)
{
    for (int kernel = 0; kernel < 2; kernel++)
        tell(kernel,
             "/set?first=now&interval=0.1&stale=5&silent=0&check=real&answers=well&count=-1&"
             "auth=none&token_status=200&token_life=3600");
}

/* ---- the connection ---- */

static struct belay_loop *loop;
static struct belay_chronicle *chronicle;
static struct belay_chronicle_options options;
static char string[512], said[4096];
static char phases[512];
static char ids[8][64]; /* of CONNECTED */
static unsigned ids_n;
static bool exited, closed;
static struct belay_exit exit_;
static char exit_text[BELAY_ERROR_TEXT_MAX];

static void on_phase(struct belay_chronicle *c, enum belay_chronicle_phase phase, const char *id,
                     void *arg)
{
    size_t at = strlen(phases);

    (void)c, (void)arg;
    snprintf(phases + at, sizeof phases - at, "%s ", belay_chronicle_phase_name(phase));
    if (phase == BELAY_CHRONICLE_CONNECTED) {
        assert_true(ids_n < 8);
        snprintf(ids[ids_n++], sizeof ids[0], "%s", id);
    }
}

static void on_exit_(struct belay_chronicle *c, struct belay_exit why, void *arg)
{
    (void)c, (void)arg;
    exited = true;
    exit_ = why;
    snprintf(exit_text, sizeof exit_text, "%s", why.error ? why.error->text : "");
}

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    size_t at = strlen(said);

    (void)level, (void)tag, (void)arg;
    snprintf(said + at, sizeof said - at, "%s\n", line);
}

static void make_loop(void)
{
    struct belay_loop_options o = belay_loop_options_init();

    said[0] = '\0';
    o.on_log = on_log;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
}

/* With the string that was written. */
static void start_it(void)
{
    struct belay_chronicle_subscription *subscription;
    struct belay_error error;

    options.connection_string = string;
    phases[0] = '\0';
    ids_n = 0;
    exited = closed = false;
    make_loop();
    if (belay_chronicle_start(loop, &options, &chronicle, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(belay_chronicle_subscribe(chronicle, on_phase, NULL, &subscription), 0);
}

static void start(const char *more)
{
    snprintf(string, sizeof string, "chronicle://127.0.0.1:%s?disableTls=true%s", ports[0], more);
    start_it();
}

static int prepare(void **state)
{
    (void)state;
    options = belay_chronicle_options_init();
    options.reconnect_base_delay_ms = 20;
    options.on_exit = on_exit_;
    forget();
    return 0;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

#define UNTIL(what)                                                                                \
    for (int64_t end_ = belay_loop_now_ms(loop) + 20000; !(what);) {                               \
        if (belay_loop_now_ms(loop) > end_)                                                        \
            fail_msg("never: %s (%s)", #what, phases);                                             \
        assert_int_equal(belay_loop_turn(loop, 50), 0);                                            \
    }

static void connected(void)
{
    struct belay_error error;

    if (belay_chronicle_connect_wait(chronicle, 20000, &error) < 0)
        fail_msg("%s", error.text);
}

static void end(void)
{
    belay_chronicle_disconnect(chronicle, on_closed, NULL);
    UNTIL(closed);
    assert_true(exited);
    belay_loop_free(loop);
}

/* A unary call over its channel: the status. */
static int call(char *message, size_t room)
{
    struct belay_unary_result result = {.size = sizeof result};
    struct belay_error error;
    int rc = belay_channel_unary_wait(belay_chronicle_channel(chronicle),
                                      "/Cratis.Chronicle.Contracts.Clients.ConnectionService/"
                                      "ConnectionKeepAlive",
                                      "\x0a\x01x", 3, NULL, &result, &error);

    if (rc < 0)
        fail_msg("%s", error.text);
    snprintf(message, room, "%s", result.message);
    free(result.response);
    return result.status;
}

/* ---- the session ---- */

static void it_is_connected_when_the_kernel_s_first_keep_alive_has_come(void **state)
{
    char machine[256], pid[16];
    int answers = number(0, "answers"), checks = number(0, "checks");

    (void)state;
    options.client_type = "tester";
    options.client_version = "9.8";
    start("");
    connected();
    assert_string_equal(seen(0, "id"), belay_chronicle_connection_id(chronicle));
    assert_string_equal(seen(0, "type"), "tester");
    assert_string_equal(seen(0, "version"), "9.8");
    assert_string_equal(seen(0, "check_type"), "tester");
    assert_string_equal(seen(0, "protocol"), "");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_string_equal(seen(0, "process"), pid);
    assert_int_equal(gethostname(machine, sizeof machine), 0);
    assert_string_equal(seen(0, "machine"), machine);
    assert_non_null(strstr(seen(0, "path"), "peers_chronicle"));
    assert_int_equal(number(0, "checks"), checks + 1);
    assert_int_equal(number(0, "clients"), 1);
    UNTIL(number(0, "answers") >= answers + 3);
    assert_string_equal(phases, "disconnected connected ");
    end();
    assert_string_equal(phases, "disconnected connected disconnected ");
}

static void a_kernel_that_never_keeps_it_alive_does_not_connect_it(void **state)
{
    struct belay_error error;

    (void)state;
    tell(0, "/set?first=never");
    options.session_timeout_ms = 200;
    options.retry_attempts = 1;
    start("");
    assert_int_equal(belay_chronicle_connect_wait(chronicle, 20000, &error), BELAY_ETIMEDOUT);
    UNTIL(exited);
    assert_int_equal(exit_.kind, BELAY_EXIT_ERROR);
    assert_string_equal(phases, "disconnected ");
    end();
}

static void a_dropped_connection_is_followed_by_one_with_a_new_id(void **state)
{
    (void)state;
    start("");
    connected();
    tell(0, "/do?drop");
    UNTIL(ids_n == 2);
    assert_string_not_equal(ids[0], ids[1]);
    assert_string_equal(seen(0, "id"), ids[1]);
    assert_string_equal(phases, "disconnected connected disconnected connected ");
    end();
}

static void a_stream_that_ends_is_followed_by_another(void **state)
{
    (void)state;
    start("");
    connected();
    tell(0, "/do?end");
    UNTIL(ids_n == 2);
    assert_string_not_equal(ids[0], ids[1]);
    end();
}

static void a_silent_stream_is_found_by_the_watchdog(void **state)
{
    int connects;

    (void)state;
    options.stale_ms = 1000;
    start("");
    connected();
    connects = number(0, "connects");
    tell(0, "/set?silent=1");
    UNTIL(strcmp(phases, "disconnected connected disconnected ") == 0 || ids_n > 1);
    tell(0, "/set?silent=0");
    UNTIL(ids_n >= 2);
    assert_true(number(0, "connects") > connects);
    end();
}

static void a_stream_that_is_kept_alive_stays(void **state)
{
    int64_t over;

    (void)state;
    options.stale_ms = 2000;
    start("");
    connected();
    over = belay_loop_now_ms(loop) + 4000;
    UNTIL(belay_loop_now_ms(loop) > over);
    assert_string_equal(phases, "disconnected connected ");
    assert_int_equal(number(0, "clients"), 1);
    end();
}

static void a_failed_answer_is_a_loss(void **state)
{
    (void)state;
    start("");
    connected();
    tell(0, "/set?answers=fail");
    UNTIL(strncmp(phases, "disconnected connected disconnected ", 36) == 0);
    tell(0, "/set?answers=well");
    UNTIL(ids_n >= 2);
    end();
}

static void it_survives_the_kernel_s_restart(void **state)
{
    (void)state;
    options.retry_attempts = BELAY_FOREVER;
    start("");
    connected();
    tell(0, "/do?restart");
    UNTIL(ids_n == 2);
    assert_string_equal(seen(0, "id"), ids[1]);
    assert_int_equal(number(0, "clients"), 1);
    end();
}

/* ---- the check ---- */

static void an_incompatible_kernel_is_the_end(void **state)
{
    struct belay_error error;
    int connects = number(0, "connects");

    (void)state;
    tell(0, "/set?check=no");
    start("");
    assert_true(belay_chronicle_connect_wait(chronicle, 20000, &error) < 0);
    assert_non_null(strstr(error.text, "the test says so"));
    assert_non_null(strstr(error.text, "skip_compatibility_check"));
    UNTIL(exited);
    assert_int_equal(number(0, "connects"), connects);
    end();
    /* ... unless it is not asked, or cannot say. */
    start("&skipCompatibilityCheck=true");
    connected();
    end();
    tell(0, "/set?check=unimplemented");
    start("");
    connected();
    end();
}

/* ---- several kernels ---- */

static void start_with_two(const char *more)
{
    snprintf(string, sizeof string, "chronicle://127.0.0.1:%s,127.0.0.1:%s?disableTls=true%s",
             ports[0], ports[1], more);
    start_it();
}

static void of_two_kernels_the_one_with_fewer_connections_is_taken(void **state)
{
    int first = number(0, "connects"), second = number(1, "connects");

    (void)state;
    tell(0, "/set?count=5");
    tell(1, "/set?count=2");
    start_with_two("");
    connected();
    assert_int_equal(number(0, "connects"), first);
    assert_int_equal(number(1, "connects"), second + 1);
    assert_true(number(1, "counts") > 0);
    /* ... and the other, when that one goes away. */
    tell(1, "/do?refuse");
    UNTIL(ids_n == 2);
    assert_int_equal(number(0, "connects"), first + 1);
    end();
}

static void a_fleet_in_turn(void **state)
{
    int first, second;

    (void)state;
    first = number(0, "connects");
    second = number(1, "connects");
    start_with_two("&loadBalancer=round-robin");
    connected();
    belay_chronicle_reconnect(chronicle);
    UNTIL(ids_n == 2);
    assert_int_equal(number(0, "connects"), first + 1);
    assert_int_equal(number(1, "connects"), second + 1);
    end();
}

/* ---- who it is ---- */

static void a_token_is_fetched_and_renewed_when_it_is_refused(void **state)
{
    int tokens = number(0, "tokens"), refused;
    char message[256], bearer[64];

    (void)state;
    tell(0, "/set?auth=token");
    snprintf(string, sizeof string, "chronicle://us%%20er:s%%26cret@127.0.0.1:%s?disableTls=true",
             ports[0]);
    start_it();
    connected();
    assert_int_equal(number(0, "tokens"), tokens + 1);
    refused = number(0, "refused");
    tell(0, "/do?revoke");
    usleep(50000);
    assert_int_equal(call(message, sizeof message), BELAY_GRPC_OK);
    assert_true(number(0, "refused") > refused);
    snprintf(bearer, sizeof bearer, "Bearer token-%d", tokens + 2);
    assert_string_equal(seen(0, "authorization"), bearer);
    end();
}

static void a_key_goes_with_each_call(void **state)
{
    char message[256];

    (void)state;
    tell(0, "/set?auth=key");
    start("&apiKey=the-key");
    connected();
    assert_int_equal(call(message, sizeof message), BELAY_GRPC_OK);
    assert_string_equal(seen(0, "key"), "the-key");
    end();
}

static void without_a_token_the_kernel_decides(void **state)
{
    struct belay_error error;

    (void)state;
    tell(0, "/set?auth=key");
    options.retry_attempts = BELAY_NONE;
    start("&apiKey=hush-hush");
    assert_true(belay_chronicle_connect_wait(chronicle, 20000, &error) < 0);
    assert_non_null(strstr(error.text, "UNAUTHENTICATED"));
    assert_null(strstr(error.text, "hush"));
    end();
    assert_null(strstr(exit_text, "hush"));
}

/* ---- over TLS, for clients with a certificate alone ---- */

static int connect_over_tls(const char *more, struct belay_error *error)
{
    int rc;

    snprintf(string, sizeof string, "chronicle://us%%20er:s%%26cret@localhost:%s?%s", ports[2],
             more);
    options.connection_string = string;
    options.retry_attempts = BELAY_NONE;
    exited = closed = false;
    make_loop();
    rc = belay_chronicle_start(loop, &options, &chronicle, error);
    if (rc < 0) {
        belay_loop_free(loop);
        return rc;
    }
    rc = belay_chronicle_connect_wait(chronicle, 20000, error);
    end();
    return rc;
}

static void with_certificate(const char *name, const char *more, char *out, size_t room)
{
    snprintf(out, room, "certificatePath=%s/%s%s", certificates, name, more);
}

static void a_client_certificate_opens_the_door(void **state)
{
    struct belay_error error = {.text = ""};
    char more[300];

    (void)state;
    with_certificate("both.pem", "", more, sizeof more);
    if (connect_over_tls(more, &error) < 0)
        fail_msg("%s", error.text);
    assert_string_equal(said, ""); /* its token came, over TLS as well */
    with_certificate("client.pfx", "&certificatePassword=pfx%20word", more, sizeof more);
    if (connect_over_tls(more, &error) < 0)
        fail_msg("%s", error.text);
}

static void without_a_certificate_it_stays_closed(void **state)
{
    struct belay_error error;
    char more[300];

    (void)state;
    assert_true(connect_over_tls("", &error) < 0);
    assert_true(connect_over_tls("skipTlsValidation=true", &error) < 0);
    with_certificate("client.pfx", "&certificatePassword=wrong", more, sizeof more);
    assert_int_equal(connect_over_tls(more, &error), BELAY_EFILE);
}

static void a_kernel_that_is_not_trusted_is_refused(void **state)
{
    char *trusted = getenv("SSL_CERT_FILE"), more[300];
    struct belay_error error;

    (void)state;
    with_certificate("both.pem", "", more, sizeof more);
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    assert_true(connect_over_tls(more, &error) < 0);
    assert_non_null(strstr(error.text, "certificate"));
    with_certificate("both.pem", "&skipTlsValidation=true", more, sizeof more);
    if (connect_over_tls(more, &error) < 0)
        fail_msg("%s", error.text);
    setenv("SSL_CERT_FILE", trusted, 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_connected_when_the_kernel_s_first_keep_alive_has_come,
                               prepare),
        cmocka_unit_test_setup(a_kernel_that_never_keeps_it_alive_does_not_connect_it, prepare),
        cmocka_unit_test_setup(a_dropped_connection_is_followed_by_one_with_a_new_id, prepare),
        cmocka_unit_test_setup(a_stream_that_ends_is_followed_by_another, prepare),
        cmocka_unit_test_setup(a_silent_stream_is_found_by_the_watchdog, prepare),
        cmocka_unit_test_setup(a_stream_that_is_kept_alive_stays, prepare),
        cmocka_unit_test_setup(a_failed_answer_is_a_loss, prepare),
        cmocka_unit_test_setup(it_survives_the_kernel_s_restart, prepare),
        cmocka_unit_test_setup(an_incompatible_kernel_is_the_end, prepare),
        cmocka_unit_test_setup(a_fleet_in_turn, prepare),
        cmocka_unit_test_setup(a_token_is_fetched_and_renewed_when_it_is_refused, prepare),
        cmocka_unit_test_setup(a_key_goes_with_each_call, prepare),
        cmocka_unit_test_setup(without_a_token_the_kernel_decides, prepare),
        cmocka_unit_test_setup(a_client_certificate_opens_the_door, prepare),
        cmocka_unit_test_setup(without_a_certificate_it_stays_closed, prepare),
        cmocka_unit_test_setup(a_kernel_that_is_not_trusted_is_refused, prepare),
        /* Last: the second kernel is closed by it. */
        cmocka_unit_test_setup(of_two_kernels_the_one_with_fewer_connections_is_taken, prepare),
    };
    int failed;

    if (argc != 5)
        return 2;
    ports[0] = argv[1];
    ports[1] = argv[2];
    ports[2] = argv[3];
    certificates = argv[4];
    if (belay_loop_new(NULL, &aside, NULL) < 0 || belay_http_open(aside, NULL, &http, NULL) < 0)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    belay_loop_free(aside);
    return failed;
}
