# SPDX-License-Identifier: MIT
"""What the tests of real proxies share: origins to reach, and runs of `belay get` that must not show a secret."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from peerlib import Checks, Peer, free_ports

SECRET = "53cr3t-w0rd"
BODY = "hello"


class Origins:
    """belay-origin, plain and over TLS, and a port where nobody listens."""

    def __init__(self, program, make_certs):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belay-proxies-"))
        self.certs = self.dir / "certs"
        subprocess.run([make_certs, str(self.certs)], check=True, stdout=subprocess.DEVNULL)
        self.ca = self.certs / "ca.pem"
        self.children = []
        self.http = self.start(program)
        self.https = self.start(program, "--cert", str(self.certs / "server.pem"), "--key", str(self.certs / "server.key"))
        self.gone = f"http://127.0.0.1:{free_ports(1)[0]}/"

    def start(self, program, *options):
        child = subprocess.Popen([program, "--parent-death", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        url = child.stdout.readline().split()[1]
        while not child.stdout.readline().startswith("ready"):
            pass
        return url.replace("127.0.0.1", "localhost") + "/"  # a name, so that somebody has to look it up

    def end(self):
        for child in self.children:
            child.kill()
            child.wait(20)
            child.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Run:
    """One `belay get`, told of in full."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}, out {self.out[-300:]!r}, err {self.err[-700:]!r}"


class Through(Checks):
    """Every run is one of -vv, and none may show a secret."""

    def run(self, *argv, env=None):
        done = subprocess.run([self.belay, "get", "-vv", "--retries", "0", "--connect-timeout", "5", *map(str, argv)],
                              capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
        run = Run(done.returncode, done.stdout, done.stderr)
        shown = [word for word in (SECRET, "Basic ") if word in run.out + run.err]
        if shown:
            self.check("secrets are not shown", False, (shown, run))
        return run

    def fetches(self, what, *argv, env=None):
        run = self.run(*argv, env=env)
        self.check(what, run.status == 0 and run.out == BODY, run)

    def refuses(self, what, words, *argv, env=None):
        run = self.run(*argv, env=env)
        said = [line for line in run.err.splitlines() if line.startswith("belay: ")]
        self.check(what, run.status == 1 and len(said) == 1 and all(w in said[0] for w in words), run)

    def reuses(self, what, at_most, *argv):
        """Many requests, few connections."""
        r = self.get("-n", 200, "-c", 8, "--discard", *argv)
        self.check(what, r["exit"] == 0 and r.get("ok") == 200 and r["connections"]["opened"] <= at_most, r)


def main(programs, test):
    """test(checks, origins, *peers), each peer not started yet. Skips where one is not installed."""
    belay, make_certs, origin = sys.argv[1:4]
    peers = [Peer(p) for p in programs]
    checks = Through(belay)
    origins = Origins(origin, make_certs)
    try:
        test(checks, origins, *peers)
        return checks.close()
    finally:
        origins.end()
        for peer in peers:
            peer.end()
