# SPDX-License-Identifier: MIT
"""What is measured: the rows, who takes part in each, and what belay is to reach."""

import json
import math
import os
import re
import resource
import subprocess
import time

from server import GRPC_FOLDER, prepare_child

RATE, NANOSECONDS, BYTES, BODY = "rate", "ns", "bytes", "body"
CALLS, KEPT, STORM = "calls", "kept", "storm"

NS_WAITER, NS_EXPIRY, NS_TOGETHER = "ns-waiter", "ns-expiry", "ns-together"
NS_UNITS = (NANOSECONDS, NS_WAITER, NS_EXPIRY, NS_TOGETHER)

UNITS = {
    RATE: "requests per client CPU second",
    NANOSECONDS: "ns per acquire and release",
    NS_WAITER: "ns per waiter",
    NS_EXPIRY: "ns per connection",
    NS_TOGETHER: "ns of time per acquire and release of all threads",
    BYTES: "bytes of heap per connection",
    BODY: "MiB per client CPU second",
    CALLS: "per client CPU second",
    KEPT: "bytes of heap for each",
    STORM: "ms until all are up",
}

GROWTH_SECONDS = 0.5  # each size of a series is measured for as long, or for less


class ClientError(Exception):
    """A client failed, or what it printed makes no sense."""


class Target:
    """A figure to reach: belay's ratio to a peer, its difference from one, or its own value."""

    def __init__(self, sign, bound, peer=None, difference=False):
        self.sign, self.bound, self.peer, self.difference = sign, bound, peer, difference

    def met(self, reached):
        return reached >= self.bound if self.sign == ">=" else reached <= self.bound


class Row:
    """
    `clients` are (name, how, mode), how a program of bench/, "wrk" or "elixir"; the floor comes
    second, or is belay itself. Rows of one `series` differ by `inflight` alone, and become one
    table. What is not `pinned` runs on all cores. `at` names the port of the servers, where the mode
    and TLS do not.
    """

    def __init__(self, key, title, unit, clients, targets, tls=False, inflight=64, series=None,
                 pinned=True, at=None):
        self.key, self.title, self.unit = key, title, unit
        self.clients, self.targets = clients, targets
        self.tls, self.inflight, self.series, self.at = tls, inflight, series, at
        self.pinned = pinned and unit != NS_TOGETHER
        self.floor = clients[min(1, len(clients) - 1)][0]


def _series(key, title, unit, clients, sizes):
    """The same for several sizes. `clients` has for each the largest size that it takes, or None."""
    for size in sizes:
        able = [client[:3] for client in clients if client[3] is None or size <= client[3]]
        yield Row("%s-%d" % (key, size), "%s: %s" % (title, "{:,}".format(size)), unit, able, (),
                  inflight=size, series=(key, title))


def _http(mode, wrk=False):
    clients = [("belay", "belay_http", mode), ("bare", "bare_client", mode)]
    if wrk:
        clients.append(("wrk", "wrk", mode))
    return clients + [("libcurl", "curl_client", mode)]


def _idle():
    return [("belay", "belay_idle", "idle"), ("bare", "bare_client", "idle"),
            ("libcurl", "curl_client", "idle")]


ROWS = (
    Row("get-plain", "GET, plain, 64 in flight", RATE, _http("keepalive", wrk=True),
        (Target(">=", 0.93, "bare"), Target(">=", 2.1, "libcurl"))),
    Row("get-tls", "GET, TLS 1.3, 64 in flight", RATE, _http("keepalive", wrk=True),
        (Target(">=", 0.95, "bare"), Target(">=", 2.0, "libcurl")), tls=True),
    Row("sequential", "GET, plain, one connection in sequence", RATE,
        _http("sequential", wrk=True), (Target(">=", 0.93, "bare"),), inflight=1),
    Row("tls-full", "new TLS connection, full handshake, GET", RATE, _http("connect"), (),
        tls=True, inflight=1),
    Row("tls-resumed", "new TLS connection, resumed, GET", RATE, _http("connect-resumed"),
        (Target(">=", 0.9, "bare"),), tls=True, inflight=1),
    Row("acquire", "acquire and release, no I/O", NANOSECONDS,
        [("belay", "belay_acquire", "acquire"), ("unlocked array", "acquire_peers", "lifo"),
         ("mutex and array", "acquire_peers", "mutex"),
         ("apr_reslist", "acquire_peers", "reslist")],
        (Target("<=", 15), Target("<=", 0.5, "apr_reslist"))),
    Row("idle-plain", "idle connection, plain", BYTES, _idle(), (Target("<=", 1024),),
        inflight=10000),
    Row("idle-tls", "idle connection, TLS, buffers freed", BYTES, _idle(),
        (Target("<=", 1024, "bare", difference=True),), tls=True, inflight=1000),
)


def _h2(mode):
    return [("belay", "belay_http", mode), ("bare nghttp2", "bare_h2", mode),
            ("h2load", "h2load", mode), ("libcurl", "curl_client", mode)]


ROWS += (
    Row("h2-one", "GET, HTTP/2 over TLS, one connection, 100 streams", RATE, _h2("h2-1"),
        (Target(">=", 0.8, "h2load"), Target(">=", 9, "libcurl")), tls=True, inflight=100),
    Row("h2-four", "GET, HTTP/2 over TLS, four connections, 32 streams each", RATE, _h2("h2-4"),
        (Target(">=", 0.8, "h2load"), Target(">=", 9, "libcurl")), tls=True, inflight=128),
)


def _body(mode, bare=True):
    clients = [("belay", "belay_http", mode), ("libcurl", "curl_client", mode)]
    return clients + [("bare", "bare_client", mode)] * bare


EQUAL = (Target(">=", 1, "libcurl"),)
ROWS += (
    Row("body-plain", "body of 1 GiB, plain", BODY, _body("body"), EQUAL, inflight=1),
    Row("body-tls", "body of 1 GiB, TLS 1.3", BODY, _body("body"), EQUAL, tls=True, inflight=1),
    Row("body-h2-plain", "body of 1 GiB, HTTP/2, plain", BODY, _body("h2-1-body", bare=False),
        EQUAL, inflight=1, at="h2c"),
    Row("body-h2-tls", "body of 1 GiB, HTTP/2 over TLS", BODY, _body("h2-1-body", bare=False),
        EQUAL, tls=True, inflight=1),
)


def _grpc(mode, h2load=False):
    clients = [("belay", "belay_grpc", mode), ("gRPC C++", "grpc_client", mode),
               ("gRPC Go", "go_client", mode)]
    return clients + [("h2load", "h2load", mode)] * h2load


ROWS += (
    Row("grpc", "gRPC, 100 unary calls at a time on one channel, nghttpd", RATE,
        _grpc("grpc-unary", h2load=True), (Target(">=", 4, "gRPC C++"),), inflight=100, at="h2c"),
    Row("grpc-real", "the same, gRPC's own server", RATE, _grpc("grpc-unary", h2load=True), (),
        inflight=100, at="grpc"),
    Row("grpc-stream", "gRPC, messages that the server streams, nghttpd", CALLS,
        _grpc("grpc-stream"), (), inflight=1, at="h2c"),
    Row("grpc-stream-real", "the same, gRPC's own server", CALLS, _grpc("grpc-stream"), (),
        inflight=1, at="grpc"),
    Row("grpc-chat", "gRPC, one stream, 100 messages under way each way, gRPC's own server", CALLS,
        _grpc("grpc-chat"), (), inflight=100, at="grpc"),
    Row("grpc-idle", "idle channel of gRPC, plain", BYTES, _grpc("grpc-idle"), (), inflight=1000,
        at="h2c"),
)


def _threads(which=""):
    return [("belay", "belay_threads", "attached" + which),
            ("mutex and array", "thread_peers", "mutex" + which),
            ("apr_reslist", "thread_peers", "reslist" + which)]


# Each thread on a core of its own: these run on all cores.
FASTER = Target("<=", 1, "mutex and array")
ROWS += (
    Row("threads-1", "acquire and release by one attached thread", NS_TOGETHER, _threads(),
        (Target("<=", 100), FASTER), inflight=1),
    Row("threads-2", "by two threads at a time, of 64 connections", NS_TOGETHER, _threads(),
        (FASTER,), inflight=2),
    Row("threads-2-one", "by two threads at a time, of one connection", NS_TOGETHER,
        _threads("-one"), (), inflight=2),
)



def _storm(mode, floor="storm"):
    return [("belay", "belay_storm", mode), ("bare", "bare_storm", floor)]


LINKS = 5000
ROWS += (
    Row("storm-first", "5,000 links connect for the first time", STORM,
        _storm("storm-first", "storm-first"), (), inflight=LINKS),
    Row("storm", "5,000 links whose server restarts, tried each ms", STORM, _storm("storm"), (),
        inflight=LINKS),
    Row("storm-jitter", "the same, tried each ms give or take 30 %", STORM,
        _storm("storm-jitter"), (), inflight=LINKS),
    Row("storm-wait", "the same, all tried at once after 300 ms", STORM,
        _storm("storm-wait", "storm-wait"), (), inflight=LINKS),
    Row("kept-link", "link that is up, beside its stream alone", KEPT,
        [("belay", "belay_kept", "kept-link"), ("stream alone", "belay_kept", "kept-stream")], (),
        inflight=LINKS),
    Row("kept-process", "process that waits", KEPT,
        [("belay", "belay_kept", "kept-process"), ("GenServer", "elixir", "kept-process"),
         ("belay, hibernated", "belay_kept", "kept-hibernated"),
         ("GenServer, hibernated", "elixir", "kept-hibernated")], (), inflight=LINKS),
    Row("calls", "calls of a process on the loop, one by one", CALLS,
        [("belay", "belay_calls", "calls"), ("GenServer", "elixir", "calls"),
         ("belay, 64 at a time", "belay_calls", "calls-many")], ()),
    Row("casts", "casts, 63 and a call", CALLS,
        [("belay", "belay_calls", "casts"), ("GenServer", "elixir", "casts")], ()),
    Row("casts-own", "casts, 63 and a call, to a process on a thread of its own", CALLS,
        [("belay", "belay_calls", "casts-own"),
         ("GenServer, two schedulers", "elixir", "casts")], (), inflight=2, pinned=False),
    Row("calls-own", "calls of a process on a thread of its own, from another", CALLS,
        [("belay", "belay_calls", "calls-own"), ("mutex and condition", "bare_calls", "calls-own"),
         ("GenServer, two schedulers", "elixir", "calls")], (), inflight=2, pinned=False),
    Row("calls-loop", "calls of a process on the loop, from another thread", CALLS,
        [("belay", "belay_calls", "calls-loop"), ("epoll and condition", "bare_calls", "calls-loop"),
         ("GenServer, two schedulers", "elixir", "calls")], (), inflight=2, pinned=False),
)

ENDPOINTS = (1, 100, 10000, 100000)
ROWS += tuple(
    list(_series("one", "one of N endpoints", NANOSECONDS, [("belay", "belay_scale", "one", None)],
                 ENDPOINTS)) +
    list(_series("endpoints", "each of N endpoints in turn", NANOSECONDS,
                 [("belay", "belay_scale", "endpoints", None),
                  ("unlocked array each", "acquire_peers", "lifo-endpoints", None),
                  ("mutex and array each", "acquire_peers", "mutex-endpoints", None),
                  ("apr_reslist each", "acquire_peers", "reslist-endpoints", None),
                  ("belay, handle looked up", "belay_scale", "lookup", None)], ENDPOINTS)) +
    list(_series("evict", "N endpoints, room for N / 2 connections: evict, open, release",
                 NANOSECONDS, [("belay", "belay_scale", "evict", None)], ENDPOINTS[1:])) +
    list(_series("evict-busy", "N endpoints in use but two, which contend for one place",
                 NANOSECONDS, [("belay", "belay_scale", "evict-busy", None)], ENDPOINTS[1:])) +
    list(_series("crowd", "N endpoints with a waiter each, room for 10 connections", NS_WAITER,
                 [("belay", "belay_scale", "crowd", None)], ENDPOINTS[1:])) +
    list(_series("waiters", "N waiters for 10 connections", NS_WAITER,
                 [("belay", "belay_scale", "waiters", None),
                  ("belay, each a fresh connection", "belay_scale", "fresh", None),
                  ("belay, cancelled", "belay_scale", "cancel", None)], (100, 10000, 100000))) +
    list(_series("expire", "N idle connections expire", NS_EXPIRY,
                 [("belay", "belay_scale", "expire", None),
                  ("belay, each with a watched descriptor", "belay_scale", "expire-fds", 5000),
                  ("apr_reslist, in one sweep when asked", "acquire_peers", "reslist-expire",
                   None)], (500, 5000, 50000))))


def port_of(row, mode):
    """The name of the port that a client talks to."""
    return row.at or ("h2" if mode.startswith("h2-") else "tls" if row.tls else "plain")


def find_program(build, how):
    """The path of a client, or None where it was not built or installed."""
    if how in ("wrk", "h2load", "elixir"):
        folders = os.environ.get("PATH", "/usr/bin").split(":")
    else:
        folders = [os.path.join(build, "bench")]
    for folder in folders:
        path = os.path.join(folder, how)
        if os.access(path, os.X_OK):
            return path
    return None


class Runner:
    """Runs one client at a time, pinned, and reads its figures."""

    def __init__(self, build, server, core, warmup, seconds):
        self.build, self.server, self.core = build, server, core
        self.warmup, self.seconds = warmup, seconds
        self.child = None

    def run(self, row, client, inflight):
        """One sample: a dict with `value` in the row's unit and what the client printed."""
        _, how, mode = client
        path = find_program(self.build, how)
        if how == "wrk":
            argv = self._wrk(path, row, inflight)
        elif how == "h2load":
            argv = self._h2load(path, row, mode, inflight)
        elif how == "elixir":
            argv = _elixir(path, row) + self._own(path, row, mode, inflight)[1:]
        else:
            argv = self._own(path, row, mode, inflight)
        begin, server_begin = time.monotonic(), self.server.cpu_s()
        output, cpu_s = self._spawn(argv, self.core if row.pinned else None)
        server_share = (self.server.cpu_s() - server_begin) / (time.monotonic() - begin)
        sample = (_read_wrk(output, cpu_s) if how == "wrk" else
                  _read_h2load(output, cpu_s) if how == "h2load" else _read_own(output))
        sample["server_share"] = server_share
        sample["value"] = _value(row, mode, sample)
        return sample

    def stop(self):
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child = None

    def _own(self, path, row, mode, inflight):
        port = getattr(self.server, port_of(row, mode))
        argv = [path, "--host", "127.0.0.1", "--port", str(port), "--mode", mode,
                "--inflight", str(inflight), "--warmup", str(self.warmup), "--seconds",
                str(min(self.seconds, GROWTH_SECONDS) if row.series else self.seconds)]
        return argv + ["--tls", "--cafile", self.server.cafile] if row.tls else argv

    def _wrk(self, path, row, inflight):
        url = "%s://127.0.0.1:%d/" % (("https", self.server.tls) if row.tls
                                      else ("http", self.server.plain))
        return [path, "-t1", "-c%d" % inflight, "-d%ds" % math.ceil(self.seconds), url]

    def _h2load(self, path, row, mode, inflight):
        if mode.startswith("grpc-"):
            call = ["-H", "content-type: application/grpc", "-H", "te: trailers", "-d",
                    os.path.join(self.server.www, GRPC_FOLDER, "request")]
            url = "http://127.0.0.1:%d/%s/Say.grpc" % (getattr(self.server, row.at), GRPC_FOLDER)
            conns = 1
        else:
            call, url = [], "https://127.0.0.1:%d/" % self.server.h2
            conns = int(mode[3:])
        return [path, "-t1", "-c%d" % conns, "-m%d" % (inflight // conns),
                "-D%d" % math.ceil(self.seconds), *call, url]

    def _spawn(self, argv, core):
        """What it printed, and its user and system seconds as a whole."""
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True,
                                      preexec_fn=prepare_child(core))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            output, errors = self.child.communicate(timeout=self.warmup + self.seconds + 60)
        except subprocess.TimeoutExpired as late:
            raise ClientError("%s hangs" % os.path.basename(argv[0])) from late
        finally:
            status = self.child.poll()
            self.stop()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if status != 0:
            message = errors.strip().split("\n")[-1] or "status %d" % status
            raise ClientError("%s: %s" % (os.path.basename(argv[0]), message))
        return output, (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def _elixir(path, row):
    """As many schedulers as threads are compared with; they sleep when there is nothing to do."""
    schedulers = 1 if row.pinned else 2
    flags = "+S %d:%d +sbwt none +sbwtdcpu none +sbwtdio none" % (schedulers, schedulers)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "genserver.exs")
    return [path, "--erl", flags, script]


def _read_own(output):
    try:
        return json.loads(output)
    except ValueError as error:
        raise ClientError("not one line of JSON: %r" % output[:80]) from error


def _read_wrk(output, cpu_s):
    found = re.search(r"(\d+) requests in ([0-9.]+)(ms|s|m)", output)
    if not found or "Socket errors" in output or "Non-2xx" in output:
        raise ClientError("wrk: " + output.strip().replace("\n", "; "))
    wall_s = float(found.group(2)) * {"ms": 0.001, "s": 1, "m": 60}[found.group(3)]
    return {"requests": int(found.group(1)), "wall_s": wall_s, "cpu_s": cpu_s}


def _read_h2load(output, cpu_s):
    wall = re.search(r"finished in ([0-9.]+)(us|ms|s)", output)
    done = re.search(r"(\d+) succeeded, 0 failed, 0 errored", output)
    if not wall or not done:
        raise ClientError("h2load: " + output.strip().replace("\n", "; ")[-200:])
    wall_s = float(wall.group(1)) * {"us": 1e-6, "ms": 0.001, "s": 1}[wall.group(2)]
    return {"requests": int(done.group(1)), "wall_s": wall_s, "cpu_s": cpu_s}


def _value(row, mode, sample):
    if row.unit in (BYTES, KEPT):
        return sample["heap_per_conn"]
    if row.unit == STORM:
        return 1e3 * sample["wall_s"] / sample["storms"]
    if sample["requests"] <= 0 or sample["cpu_s"] <= 0:
        raise ClientError("no work was counted")
    if mode == "connect-resumed" and sample.get("resumed", 0) < 0.99 * sample["requests"]:
        raise ClientError("only %s of %s TLS sessions were resumed" %
                          (sample.get("resumed"), sample["requests"]))
    if row.unit == NS_TOGETHER:
        return 1e9 * sample["wall_s"] / sample["requests"]
    if row.unit == BODY:
        return sample["requests"] / sample["cpu_s"] / (1 << 20)
    if row.unit in NS_UNITS:
        return 1e9 * sample["cpu_s"] / sample["requests"]
    return sample["requests"] / sample["cpu_s"]
