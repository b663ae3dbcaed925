# SPDX-License-Identifier: MIT
"""What the end-to-end tests of `belay` share: a server, a run of the program, a directory of their own."""
import atexit
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

BELAY = os.environ["BELAY"]
ORIGIN = os.environ["BELAY_ORIGIN"]
LIMIT = 30  # seconds; a run that takes longer hangs

_servers = []
_certs = None


class Origin:
    """belay-origin on a port of its own, or on the one given."""

    def __init__(self, *options, port=0):
        self.options = options
        self.start(port)
        _servers.append(self)

    def start(self, port):
        self.process = subprocess.Popen(
            [ORIGIN, "--parent-death", "--port", str(port), *self.options], stdout=subprocess.PIPE, text=True
        )
        self.urls = []
        for line in self.process.stdout:
            if line.startswith("ready"):
                break
            self.urls.append(line.split()[1])
        if not self.urls:
            raise RuntimeError("belay-origin did not start")
        self.url = self.urls[0]
        self.port = int(self.url.rsplit(":", 1)[1]) if "://" in self.url else 0

    def end(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(LIMIT)
        self.process.stdout.close()

    def requests(self):
        """How many it has seen: the answer to this question included."""
        with urllib.request.urlopen(self.url + "/stats", timeout=LIMIT) as answer:
            return json.load(answer)["requests"]

    def wait_for(self, requests):
        """Returns when it has seen so many."""
        while self.requests() < requests:
            pass

    def restart(self, how):
        """The same port again, from the thread that started it: a server dies with its parent *thread*."""
        port = self.port
        self.end(how)
        self.start(port)


class Scripted:
    """A server whose answers the test makes: answer(handler) is called for each request."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                answer(self)

            do_POST = do_HEAD = do_PUT = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@atexit.register
def _end_servers():
    for server in _servers:
        if server.process.poll() is None:
            server.end()
    if _certs:
        shutil.rmtree(_certs)


def certs():
    """A directory of certificates, made once."""
    global _certs
    if _certs is None:
        _certs = pathlib.Path(tempfile.mkdtemp(prefix="belay-certs-"))
        script = pathlib.Path(__file__).resolve().parent.parent / "origin" / "make-certs"
        subprocess.run([script, str(_certs)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return _certs


def environment(**changes):
    env = {k: v for k, v in os.environ.items()
           if k not in ("BELAY_LOG", "NO_COLOR") and not k.lower().endswith("_proxy")}
    env.update(changes)
    return env


class Case(unittest.TestCase):
    """Each test has a directory of its own, which is also where the program runs."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belay-cli-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def start(self, *args, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.dir, "env": environment(), **options}
        return subprocess.Popen([BELAY, *map(str, args)], **options)

    def belay(self, *args, stdin=b"", env=None):
        """Runs it; the result has returncode, and stdout and stderr as bytes."""
        return subprocess.run(
            [BELAY, *map(str, args)],
            input=stdin,
            capture_output=True,
            cwd=self.dir,
            timeout=LIMIT,
            env=env or environment(),
        )

    def get(self, *args, status=0, **options):
        """`belay get`, which must return `status`."""
        run = self.belay("get", *args, **options)
        self.assertEqual(run.returncode, status, f"belay get {args}: {run.stderr.decode(errors='replace')}")
        return run

    def left_behind(self):
        return sorted(p.name for p in self.dir.iterdir())


def main():
    unittest.main(argv=[sys.argv[0]])
