# SPDX-License-Identifier: MIT
"""Starting a real server on a free port, running `belay get` against it, and counting what was found."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


for _name in [n for n in os.environ if n.lower().endswith("_proxy")]:
    del os.environ[_name]  # belay obeys them


class Peer:
    """A server in a directory of its own, ended with the test."""

    def __init__(self, program):
        self.program = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if not self.program:
            print(f"{program} is not installed: skipped")
            sys.exit(1 if os.environ.get("CI") else 77)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belay-peer-"))
        self.child = None

    def start(self, argv, port):
        self.child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                sys.exit(f"{argv[0]} ended: {self.child.stderr.read().decode()}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        sys.exit(f"{argv[0]} does not listen on {port}")

    def stop(self, how=signal.SIGTERM):
        if self.child:
            self.child.send_signal(how)
            self.child.wait(20)
            self.child.stderr.close()
            self.child = None

    def end(self):
        if self.child:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


_held = []


def free_ports(n):
    """Ports that nobody has: the servers here cannot print the one they chose. A socket that is bound to each
    keeps others from it, be they connections; a server that may use addresses again, as all here, may listen."""
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
    _held.extend(held)
    return [s.getsockname()[1] for s in held]


class Checks:
    def __init__(self, belay):
        self.belay = belay
        self.passed = self.failed = 0

    def get(self, *argv):
        """Runs belay get --json; its report, or its error."""
        done = subprocess.run([self.belay, "get", "--json", *map(str, argv)], capture_output=True, text=True, timeout=100)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = {}
        report["exit"] = done.returncode
        report["stderr"] = done.stderr
        return report

    def start(self, *argv):
        return subprocess.Popen([self.belay, "get", "--json", *map(str, argv)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def check(self, what, holds, evidence=None):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}: {evidence}")

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
