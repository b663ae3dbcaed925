/* SPDX-License-Identifier: MIT */
/*
 * The seed's TCPConnection, on real sockets, with the behaviour of examples/tcp_connection.c as it
 * stands there: connect, recv, send, close; the peer sees the close; it reconnects; send again.
 */
int example_main(int argc, char **argv);
#define main example_main
#include "../../../examples/tcp_connection.c"
#undef main

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/failing_alloc.h"
#include "support/test.h"

static struct failing_alloc alloc;
static struct belay_loop *loop;
static struct belay_process *process;
static struct tcp tcp;
static int listener, peer; /* the server's: never asked to wait but for what must come */
static int holder;         /* of the port */
static struct sockaddr_in address;
static char url[64];

/* ---- the server ---- */

/* Without listening: the port stays ours while nobody does. */
static int bind_to(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    return fd;
}

static void listen_there(void)
{
    listener = bind_to(&address);
    assert_int_equal(listen(listener, 4), 0);
}

static void listen_somewhere(void)
{
    socklen_t len = sizeof address;

    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    holder = bind_to(&address);
    assert_int_equal(getsockname(holder, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    listen_there();
}

static void accept_peer(void)
{
    assert_int_equal(belay_process_wait_until_wait(process, BELAY_PROCESS_CONNECTED, 10000), 0);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
}

static void peer_gets(const char *text)
{
    char data[64];
    size_t len = strlen(text);

    assert_int_equal(recv(peer, data, len, MSG_WAITALL), len);
    assert_memory_equal(data, text, len);
}

static void peer_sees_the_close(void)
{
    char data[8];

    assert_int_equal(recv(peer, data, sizeof data, 0), 0);
    close(peer);
}

/* ---- the connection ---- */

static int up(void **state)
{
    static struct belay_world world;
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_process_options po = belay_process_options_init();

    (void)state;
    failing_alloc_init(&alloc);
    world = (struct belay_world){BELAY_SIZED(belay_world), .allocator = &alloc.allocator};
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    listen_somewhere();
    memset(&tcp, 0, sizeof tcp);
    assert_int_equal(belay_endpoint_parse(loop, url, &tcp.endpoint, NULL), 0);
    po.own_thread = true;
    assert_int_equal(belay_process_start_wait(loop, &tcp_connection, &tcp, &po, &process, NULL), 0);
    return 0;
}

static int down(void **state)
{
    (void)state;
    assert_int_equal(belay_process_stop_wait(process, BELAY_EXIT_SHUTDOWN, BELAY_FOREVER), 0);
    belay_process_unref(process);
    belay_endpoint_unref(tcp.endpoint);
    belay_loop_free(loop);
    close(listener);
    close(holder);
    assert_int_equal(failing_alloc_live(&alloc), 0);
    return 0;
}

static int send_text(const char *text)
{
    struct bytes b = {(char *)(uintptr_t)text, strlen(text), 3000};

    return ask(process, SEND, &b);
}

static int recv_text(char *text, size_t size, int64_t timeout_ms)
{
    struct bytes b = {text, size - 1, timeout_ms};
    int rc = ask(process, RECV, &b);

    text[rc == 0 ? b.len : 0] = '\0';
    return rc;
}

static void it_connects_receives_sends_closes_and_reconnects(void **state)
{
    char text[32];

    (void)state;
    accept_peer();
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    assert_int_equal(recv_text(text, sizeof text, 3000), 0);
    assert_string_equal(text, "hello");
    assert_int_equal(send_text("hi"), 0);
    peer_gets("hi");

    assert_int_equal(ask(process, CLOSE, NULL), 0); /* told when the socket is closed */
    peer_sees_the_close();

    accept_peer();
    assert_int_equal(send_text("back"), 0);
    peer_gets("back");
    close(peer);
}

static void a_recv_that_takes_too_long_is_no_disconnect(void **state)
{
    char text[32];

    (void)state;
    accept_peer();
    assert_int_equal(recv_text(text, sizeof text, 1), BELAY_ETIMEDOUT);
    assert_int_equal(belay_process_get_connection_state(process), BELAY_PROCESS_CONNECTED);
    assert_int_equal(send(peer, "late", 4, 0), 4);
    assert_int_equal(recv_text(text, sizeof text, 3000), 0);
    assert_string_equal(text, "late");
    close(peer);
}

static void what_is_lost_is_told_and_comes_back(void **state)
{
    char text[32];

    (void)state;
    accept_peer();
    close(peer);
    assert_int_equal(recv_text(text, sizeof text, 3000), BELAY_EEOF);
    accept_peer();
    assert_int_equal(send_text("again"), 0);
    peer_gets("again");
    close(peer);
}

static void who_asks_while_it_is_down_is_told_so(void **state)
{
    char text[32];

    (void)state;
    accept_peer();
    close(listener);
    close(peer);
    assert_int_equal(recv_text(text, sizeof text, 3000), BELAY_EEOF);
    assert_int_equal(belay_process_wait_until_wait(process, BELAY_PROCESS_BACKING_OFF, 10000), 0);
    assert_int_equal(send_text("hi"), BELAY_ECLOSED);
    assert_int_equal(recv_text(text, sizeof text, 3000), BELAY_ECLOSED);
    assert_int_equal(ask(process, CLOSE, NULL), BELAY_ECLOSED);
    listen_there(); /* and a second later it tries again */
    accept_peer();
    assert_int_equal(send_text("hi"), 0);
    peer_gets("hi");
    close(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
        T(it_connects_receives_sends_closes_and_reconnects),
        T(a_recv_that_takes_too_long_is_no_disconnect),
        T(what_is_lost_is_told_and_comes_back),
        T(who_asks_while_it_is_down_is_told_so),
#undef T
    };
    (void)example_main;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
