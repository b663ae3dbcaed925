# SPDX-License-Identifier: MIT
"""What the end-to-end tests of `belay` share: a server, a run of the program, a directory of their own."""
import atexit
import fcntl
import http.server
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
import urllib.request

BELAY = os.environ["BELAY"]
ORIGIN = os.environ["BELAY_ORIGIN"]
LIMIT = 30  # seconds; a run that takes longer hangs

# Started in the background, these would be ignored here and in all that is started from here.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and this one under nohup

_servers = []
_certs = None


class Place:
    """A port that nobody else gets, and that refuses who dials it until somebody of this test listens."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __del__(self):
        self.socket.close()


class Origin:
    """belay-origin on a port of its own, or at the place given."""

    def __init__(self, *options, place=None):
        self.options = options
        self.start(place.port if place else 0)
        self.place = place
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
        """At its place again, from the thread that started it: a server dies with its parent *thread*."""
        self.end(how)
        self.start(self.place.port)


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

    def begin_run(self, *args, **options):
        """The same, and it is stopped at the end of the test."""
        run = self.start(*args, **options)
        self.addCleanup(self.stop, run)
        return run

    @staticmethod
    def stop(run):
        if run.poll() is None:
            run.kill()
        run.wait(LIMIT)
        for end in (run.stdin, run.stdout, run.stderr):
            if end:
                end.close()

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


class PipeCase(Case):
    """Tests of `belay pipe`."""

    def begin(self, *args, **options):
        """Starts it; what it is given is written unbuffered."""
        options = {"stdin": subprocess.PIPE, "bufsize": 0, **options}
        return self.begin_run("pipe", "--retry-delay", "10ms", *args, **options)

    def ended(self, run, status=0):
        """Waits for its end; what it wrote."""
        out, err = run.communicate(timeout=LIMIT)
        self.assertEqual(run.returncode, status, err)
        return out, err.decode()


class TerminalCase(Case):
    """Tests of a live table. `begin` is what begins one."""

    def ended(self, screen, status):
        got, rest = screen.end()
        self.assertEqual(got, status, screen.drawn[-2000:])
        self.assertEqual(screen.drawn.count(screen.ENTER), screen.drawn.count(screen.LEAVE))
        self.assertEqual(screen.drawn.count(b"\033[?25l"), screen.drawn.count(b"\033[?25h"))
        return rest

    def in_each_size(self, screen):
        """What is drawn on terminals of some sizes, each of which it fits, without line ends."""
        for columns, lines in ((80, 24), (120, 12), (40, 8), (20, 5)):
            screen.resize(columns, lines)
            screen.wait_for_frames(4)
            frame = screen.frames()[-2].splitlines()
            self.assertLessEqual(len(frame), lines)
            self.assertLessEqual(max(map(len, frame)), columns)
            yield "".join(frame)

    def assert_coloured(self, begin, status):
        """Unless the environment says no."""
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            screen = begin(**env)
            self.ended(screen, status)
            self.assertEqual(bool(re.search(rb"\033\[3[0-9]m", screen.drawn)), coloured)

    def assert_order(self, frame, first, second):
        """The first line with the one stands above the first with the other; the last line is returned."""
        lines = frame.splitlines()
        self.assertLess(*(next(i for i, line in enumerate(lines) if words in line) for words in (first, second)))
        return lines[-1]

    def end_by_signals(self, begin, head, name):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)):
            screen = begin()
            screen.wait_for(head)
            self.assertFalse(screen.settings()[3] & termios.ICANON)
            os.kill(screen.pid, number)
            screen.wait_for_bytes(screen.LEAVE)
            self.assertIn(name, self.ended(screen, status))

    def stop_and_go_on(self, *args, head):
        """In a shell with job control: what is stopped gives way to its next command. Going on, it is quit."""
        script = '"$@"; echo "stopped with $?"; stty -a | tr " " "\\n" | grep -x "[-]*icanon;*"; fg >/dev/null; echo "ended with $?"'
        screen = Screen("/bin/bash", "-mc", script, "bash", BELAY, *args)
        screen.wait_for(head)
        screen.press("\x1a")
        screen.wait_for_bytes(b"stopped with 148")
        until_then = screen.drawn.split(b"stopped with")[0]
        self.assertEqual(until_then.count(screen.ENTER), until_then.count(screen.LEAVE))
        screen.wait_for_frames(3)
        self.assertIn(b"\nicanon", screen.drawn.replace(b"\r", b""))
        self.assertEqual(screen.drawn.count(screen.ENTER), 2)
        screen.press("q")
        return screen


class Screen:
    """A terminal of so many columns and lines, on which a program runs in the foreground."""

    ENTER = b"\033[?1049h"
    LEAVE = b"\033[?1049l"

    def __init__(self, *args, columns=80, lines=24, **env):
        self.drawn = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(args[0], [str(a) for a in args], environment(**{"TERM": "xterm", "LC_ALL": "C.UTF-8", **env}))
        self.deadline = time.monotonic() + LIMIT

    def resize(self, columns, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def frames(self):
        """What was drawn, screen by screen, without colours; the last may be a part of one."""
        shown = self.drawn.replace(b"\r", b"").split(b"\033[H")[1:]
        return [re.sub(rb"\033\[[0-9;?]*[A-Za-z]", b"", f.split(self.LEAVE)[0]).decode(errors="replace") for f in shown]

    def read(self):
        """False at the end."""
        left = self.deadline - time.monotonic()
        if left < 0 or not select.select([self.fd], [], [], left)[0]:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"after {LIMIT} s: {self.drawn[-2000:]}")
        try:
            piece = os.read(self.fd, 65536)
        except OSError:
            piece = b""
        self.drawn += piece
        return bool(piece)

    def wait_for(self, shown):
        """Until a screen, whole, has all of these words, or makes the function true; it is returned."""
        words = [shown] if isinstance(shown, str) else shown
        good = words if callable(words) else lambda frame: all(w in frame for w in words)
        seen = len(self.frames())
        more = True
        while more:
            more = self.read()
            frames = self.frames()
            for frame in frames[max(seen - 1, 0):len(frames) - more]:
                if good(frame):
                    return frame
            seen = len(frames)
        raise AssertionError(f"it ended before {words}: {self.drawn[-2000:]}")

    def wait_for_bytes(self, words):
        while words not in self.drawn:
            if not self.read():
                raise AssertionError(f"it ended before {words}: {self.drawn[-2000:]}")

    def wait_for_frames(self, n):
        """Until so many more have begun."""
        until = len(self.frames()) + n
        while len(self.frames()) < until:
            if not self.read():
                raise AssertionError(f"it ended: {self.drawn[-2000:]}")

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def settings(self):
        return termios.tcgetattr(self.fd)

    def end(self):
        """Its status, and what stands on the ordinary screen in the end, without colours."""
        while self.read():
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        rest = self.drawn.rsplit(self.LEAVE, 1)[-1].replace(b"\r", b"").decode()
        return status, re.sub(r"\033\[[0-9;]*m", "", rest)


def main():
    unittest.main(argv=sys.argv)
