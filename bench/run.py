# SPDX-License-Identifier: MIT
"""Runs belay beside its peers and prints the ratios; script/bench builds first, then calls this."""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import report
from rows import BYTES, KEPT, ROWS, STORM, ClientError, Runner, find_program, port_of
from server import Servers, ServerError


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value <= 3600:
            raise ValueError
        return value

    parse.__name__ = "positive number"
    return parse


def key_of(row):
    """What it is chosen by: a series as a whole."""
    return row.series[0] if row.series else row.key


def parse_rows(text):
    known = dict.fromkeys(key_of(row) for row in ROWS)
    chosen = [key.strip() for key in text.split(",")]
    for key in chosen:
        if key not in known:
            raise argparse.ArgumentTypeError("no row %r; there are %s" % (key, ", ".join(known)))
    return [row for row in ROWS if key_of(row) in chosen]


def parse_options():
    parser = argparse.ArgumentParser(
        prog="script/bench", allow_abbrev=False,
        description="Measures belay beside its peers: work per client CPU second, as a Markdown "
                    "table on standard output.")
    parser.add_argument("--rounds", type=positive(int), default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=positive(float), default=2.0,
                        help="time each client is measured per round (2)")
    parser.add_argument("--warmup", type=positive(float), default=0.3,
                        help="time each client runs before that (0.3)")
    parser.add_argument("--rows", type=parse_rows, default=list(ROWS), metavar="LIST",
                        help="comma-separated: %s (all)" %
                        ",".join(dict.fromkeys(map(key_of, ROWS))))
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--build", metavar="DIR", default="build/bench",
                        help="build directory (build/bench)")
    parser.add_argument("--no-install", action="store_true",
                        help="install no packages; a peer that is absent is left out")
    parser.add_argument("--check-options", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json:
        folder = os.path.dirname(os.path.abspath(options.json))
        if not os.access(folder, os.W_OK) or os.path.isdir(options.json):
            parser.error("%s cannot be written" % options.json)
    return options


def choose_cores():
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        note("only one core: server and client share it, the figures are of little use")
        return None, None
    return cores[0], cores[1]


def raise_nofile():
    """The limit on descriptors, raised as far as it goes; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def first_match(pattern, *argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else None


def describe_machine(options, cores):
    versions = {
        "nginx": first_match(r"nginx/(\S+)", "/usr/sbin/nginx", "-v"),
        "OpenSSL": first_match(r"OpenSSL (\S+)", "openssl", "version"),
        "wrk": first_match(r"wrk (?:debian/)?(\S+)", "wrk", "-v"),
        "libcurl": first_match(r"^(\S+)", "pkg-config", "--modversion", "libcurl"),
        "nghttp2": first_match(r"nghttpd nghttp2/(\S+)", "nghttpd", "--version"),
        "gRPC C++": first_match(r"^(\S+)", "pkg-config", "--modversion", "grpc++"),
        "gRPC Go": first_match(r"install ok installed (\S+)", "dpkg-query", "-W", "-f", "${Status} ${Version}",
                               "golang-google-grpc-dev"),
        "Elixir": first_match(r"Elixir (\S+)", "elixir", "--version"),
        "apr-util": first_match(r"^([0-9]\S*)", "pkg-config", "--modversion", "apr-util-1"),
    }
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            cpu = re.search(r"model name\s*:\s*(.*)", file.read()).group(1)
    except (OSError, AttributeError):
        cpu = platform.machine()
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": cpu,
            "kernel": platform.release(), "server_core": cores[0], "client_core": cores[1],
            "rounds": options.rounds, "seconds": options.seconds, "warmup": options.warmup,
            "versions": {name: version for name, version in versions.items() if version}}


def note(text):
    print("bench: " + text, file=sys.stderr)


class Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self):
        self.shown = sys.stderr.isatty()

    def __call__(self, text):
        if self.shown:
            sys.stderr.write("\r\033[K" + text)
            sys.stderr.flush()


def run_all(options, runner, nofile, progress):
    results = report.Results()
    for row in options.rows:
        for name, how, mode in row.clients:
            server = runner.server.absent.get(port_of(row, mode))
            if find_program(runner.build, how) is None:
                results.fail(row, name, "%s is not there" % how)
            elif server is not None:
                results.fail(row, name, "the server %s is not there" % server)
    for number in range(options.rounds):
        for row in options.rows:
            opens_many = row.unit in (BYTES, KEPT, STORM)
            inflight = min(row.inflight, nofile - 200) if opens_many else row.inflight
            turn = number % len(row.clients)  # no client always follows the same one
            for client in row.clients[turn:] + row.clients[:turn]:
                name = client[0]
                if (row.key, name) in results.failures:
                    continue
                progress("round %d of %d: %s: %s" % (number + 1, options.rounds, row.title, name))
                try:
                    results.add(row, name, number, runner.run(row, client, inflight))
                except ClientError as error:
                    results.fail(row, name, str(error))
                    progress("")
                    note("%s, %s: %s" % (row.key, name, error))
    progress("")
    return results


def write_json(path, value):
    partial = path + ".partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
    os.replace(partial, path)


def main():
    options = parse_options()
    if options.check_options:
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, frame: sys.exit(128 + got))
    cores = choose_cores()
    nofile = raise_nofile()
    machine = describe_machine(options, cores)
    directory = tempfile.mkdtemp(prefix="belay-bench-")
    server = Servers(directory, cores[0], nofile, find_program(options.build, "grpc_server"))
    runner = Runner(options.build, server, cores[1], options.warmup, options.seconds)
    try:
        server.start()
        results = run_all(options, runner, nofile, Progress())
    except ServerError as error:
        note(str(error))
        return 1
    finally:
        runner.stop()
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.write(report.markdown(results, options.rows, machine))
    if options.json:
        write_json(options.json, report.as_json(results, options.rows, machine))
    return 1 if any("is not there" not in text for text in results.failures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
