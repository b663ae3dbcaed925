# SPDX-License-Identifier: MIT
"""`belay watch` against servers of the test's own: what it waits for, what it tells, and how it ends."""
import contextlib
import json
import re
import signal
import socket
import subprocess
import threading

import harness
from peer import Peer

EVENTS = {"attempting_to_connect", "obtained_address", "failed_to_connect", "connected", "disconnected"}
FAST = ["--retry-delay", "10ms"]


class Watch(harness.Case):
    def watch(self, *args, status=0, **options):
        """Runs it to its end."""
        run = self.belay("watch", *args, **options)
        self.assertEqual(run.returncode, status, f"belay watch {args}: {run.stdout} {run.stderr}")
        return run

    def begin(self, *args, **options):
        return self.begin_run("watch", *FAST, *args, **options)

    def ended(self, run, status=0):
        out, err = run.communicate(timeout=harness.LIMIT)
        self.assertEqual(run.returncode, status, (out, err))
        return out.decode(), err.decode()

    def until_told(self, words, *args, of="stdout"):
        """All that it tells there, until all of the words have come and SIGINT has ended it."""
        run = self.begin(*args)
        told = ""
        while not all(word in told for word in words):
            line = getattr(run, of).readline().decode()
            self.assertTrue(line, f"it ended before {words}: {told}")
            told += line
        run.send_signal(signal.SIGINT)
        rest = dict(zip(("stdout", "stderr"), self.ended(run, 130)))
        return told + rest[of]

    def event(self, run, kind, name=None):
        """The next event of that kind, of that service; each on the way there is checked."""
        while True:
            line = run.stdout.readline()
            self.assertTrue(line, f"it ended before {kind}: {run.poll()}")
            told = self.checked(json.loads(line))
            if told["event"] == kind and name in (None, told["name"]):
                return told

    def checked(self, told):
        self.assertIn(told["event"], EVENTS)
        self.assertEqual(set(told), {"time", "at_s", "name", "event", "address", "error", "failures", "next_ms"})
        self.assertRegex(told["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertGreaterEqual(told["at_s"], 0)
        failed = told["event"] == "failed_to_connect"
        if failed or told["error"]:
            self.assertEqual(set(told["error"]), {"stage", "code", "kind", "status", "text"})
            self.assertTrue(told["error"]["text"])
        if failed:
            self.assertIsInstance(told["next_ms"], int)
        if told["event"] in ("obtained_address", "connected"):
            self.assertIn("://", told["address"])
        return told

    # ---- until it is up ----

    def test_it_waits_for_a_server_that_comes_later(self):
        place = harness.Place()
        run = self.begin("--json", "--until-up", f"127.0.0.1:{place.port}")
        told = self.event(run, "failed_to_connect")
        self.assertEqual((told["error"]["stage"], told["error"]["code"]), ("connect", "ECONNECT"))
        with Peer(place):
            self.event(run, "connected")
            self.ended(run)

    def test_the_limit_ends_it_with_a_reason(self):
        for limit in ("-m", "--for"):
            run = self.watch("--until-up", limit, "100ms", "127.0.0.1:1", status=1)
            self.assertRegex(run.stderr.decode(), r"^belay: waiting until all are up: the time is up\n"
                             r"belay: 127.0.0.1:1 is not up: .*connection refused.*\n$")
            self.assertIn(b"0 of 1 up", run.stdout)

    def test_all_or_any_must_be_up(self):
        with Peer() as peer:
            self.watch("--until-up", "--any", peer.address, "127.0.0.1:1")
            self.watch("--until-up", "-m", "200ms", peer.address, "127.0.0.1:1", status=1)

    def test_it_has_to_stay_up(self):
        with Peer() as peer:
            run = self.begin("--json", "--until-up", "--stable", "500ms", peer.address)
            peer.accept().close()
            up = self.event(run, "connected")["at_s"]
            self.event(run, "disconnected")
            peer.accept()
            again = self.event(run, "connected")["at_s"]
            self.ended(run)
            self.assertGreaterEqual(again, up)

    def test_until_down(self):
        with Peer() as peer:
            run = self.begin("--json", "--until-down", peer.address)
            conn = peer.accept()
            self.event(run, "connected")
            peer.accept_no_more()
            conn.close()
            told = self.event(run, "disconnected")
            self.assertEqual(told["error"]["code"], "EEOF")
            self.ended(run)
        self.watch("--until-down", "127.0.0.1:1")

    def test_attempts_that_are_spent_end_it(self):
        run = self.watch("--until-up", "--backoff", "1ms,tries=3", "127.0.0.1:1", status=1)
        self.assertIn(b"there will be no further attempt", run.stderr)
        run = self.watch("--backoff", "1ms,tries=2", "127.0.0.1:1", status=1)
        self.assertIn(b"ended", run.stdout)

    # ---- what follows -- ----

    def test_the_command_runs_once_up_and_its_status_is_returned(self):
        with Peer() as peer:
            run = self.watch(peer.address, "--", "sh", "-c", "echo it runs; exit 7", status=7)
            self.assertEqual((run.stdout, run.stderr), (b"it runs\n", b""))
            run = self.watch(peer.address, "--", "cat", stdin=b"standard input")
            self.assertEqual(run.stdout, b"standard input")
            self.assertIn(b"no-such-program", self.watch(peer.address, "--", "no-such-program", status=127).stderr)
            self.watch(peer.address, "--", "/", status=126)

    def test_the_command_has_the_signals_of_its_parent(self):
        with Peer() as peer:
            run = self.watch(peer.address, "--", "sh", "-c", "grep -E '^Sig(Blk|Ign)' /proc/self/status")
            blocked, ignored = (int(line.split()[1], 16) for line in run.stdout.decode().splitlines())
            self.assertEqual((blocked, ignored & 1 << signal.SIGPIPE - 1), (0, 0))

    def test_the_command_has_the_limits_of_its_parent(self):
        with Peer() as peer:
            run = subprocess.run(["sh", "-c", 'ulimit -S -n 300; exec "$@"', "sh", harness.BELAY, "watch", peer.address,
                                  "--", "sh", "-c", "ulimit -S -n"],
                                 capture_output=True, timeout=harness.LIMIT, env=harness.environment())
            self.assertEqual((run.returncode, run.stdout), (0, b"300\n"))

    def test_without_success_it_does_not_run(self):
        run = self.watch("-m", "100ms", "127.0.0.1:1", "--", "echo", "it runs", status=1)
        self.assertNotIn(b"it runs", run.stdout)

    # ---- what counts as up ----

    def test_the_text_counts_be_it_in_pieces(self):
        with Peer() as peer:
            run = self.begin("--json", "--until-up", "--send", r"EHLO a\r\n", "--expect", "220 mail", peer.address)
            conn = peer.accept()
            self.assertEqual(conn.read(8), b"EHLO a\r\n")
            for piece in (b"junk 2", b"20 ma", b"il ready"):
                conn.write(piece)
            self.event(run, "connected")
            self.ended(run)

    def test_another_text_is_shown(self):
        with Peer() as peer:
            run = self.begin("--json", "--expect", "220", "--answer-timeout", "100ms", peer.address)
            peer.accept().write(b"SSH-2.0-x\r\n")
            error = self.event(run, "failed_to_connect")["error"]
            self.assertEqual((error["stage"], error["code"]), ("protocol", "ETIMEDOUT"))
            self.assertIn('did not say "220" within 100 ms, but "SSH-2.0-x\\r\\n"', error["text"])

    def test_a_server_that_talks_stays_up(self):
        with Peer() as peer:
            run = self.begin("--json", peer.address)
            conn = peer.accept()
            self.event(run, "connected")
            conn.write(b"hello\n" * 1000)
            conn.close()
            told = self.event(run, "disconnected")
            self.assertEqual(told["error"]["code"], "EEOF")

    def test_an_answer_has_a_good_status(self):
        state = {"status": 503}

        def answer(h):
            h.send_response(state["status"])
            h.send_header("Content-Length", "0")
            h.send_header("Connection", "close")
            h.end_headers()

        url = harness.Scripted(answer).url + "/health?full"
        run = self.begin("--json", "--every", "20ms", url)
        error = self.event(run, "failed_to_connect")["error"]
        self.assertEqual((error["stage"], error["kind"], error["status"]), ("protocol", "retry", 503))
        state["status"] = 204
        self.event(run, "connected")
        state["status"] = 500
        error = self.event(run, "disconnected")["error"]
        self.assertEqual((error["stage"], error["status"]), ("protocol", 500))
        self.stop(run)
        self.watch("--until-up", "--status", "500", url)

    def test_requests_have_headers_and_go_on_one_connection(self):
        seen, asked = [], threading.Semaphore(0)

        def answer(h):
            seen.append((h.path, h.headers.get("X-Mine"), h.headers.get("Authorization"), h.client_address))
            asked.release()
            h.send_response(200)
            h.send_header("Content-Length", "0")
            h.end_headers()

        url = harness.Scripted(answer).url
        self.begin("--every", "20ms", "-H", "X-Mine: yes", "-u", "a:b", url + "/x?y=z")
        for _ in range(4):
            self.assertTrue(asked.acquire(timeout=harness.LIMIT))
        self.assertEqual({s[:3] for s in seen}, {("/x?y=z", "yes", "Basic YTpi")})
        self.assertEqual(len({s[3] for s in seen}), 1)

    def test_a_connection_that_the_server_closes_brings_the_next_request_forward(self):
        origin = harness.Origin()
        run = self.begin("--json", "--every", "1h", origin.url)
        self.event(run, "connected")
        origin.end(signal.SIGKILL)
        self.assertEqual(self.event(run, "disconnected")["error"]["code"], "ECONNECT")
        self.stop(run)

    def test_a_server_that_closes_each_connection_is_up_and_not_asked_without_end(self):
        seen = []

        def answer(h):
            seen.append(h.path)
            h.send_response(200)
            h.send_header("Content-Length", "0")
            h.end_headers()
            h.close_connection = True  # without a word of it

        run = self.watch("--json", "--for", "500ms", "--every", "1h", harness.Scripted(answer).url)
        self.assertNotIn(b"disconnected", run.stdout)
        self.assertLessEqual(len(seen), 2)

    def test_a_check_decides(self):
        (self.dir / "check").write_text('test -e "$1" && [ "$BELAY_NAME" = db ] && [ "${BELAY_ADDRESS#tcp://}" ]')
        with Peer() as peer:
            run = self.begin("--json", "--check", "sh ./check ok", "--every", "10ms",
                             "db=" + peer.address)
            error = self.event(run, "failed_to_connect")["error"]
            self.assertEqual((error["stage"], error["code"]), ("protocol", "EUNHEALTHY"))
            self.assertIn("the check ended with status 1", error["text"])
            (self.dir / "ok").touch()
            self.event(run, "connected")
            (self.dir / "ok").unlink()
            self.assertIn("the check ended with status 1", self.event(run, "disconnected")["error"]["text"])

    def test_a_check_has_a_limit(self):
        with Peer() as peer:
            run = self.begin("--json", "--check", "sleep 60", "--answer-timeout", "50ms", peer.address)
            error = self.event(run, "failed_to_connect")["error"]
            self.assertIn("did not end within 50 ms", error["text"])
            self.stop(run)

    def test_tls_and_unix(self):
        certs = harness.certs()
        tls = harness.Origin("--cert", str(certs / "server.pem"), "--key", str(certs / "server.key"))
        address = tls.url.replace("https", "tls")
        self.watch("--until-up", "--cacert", certs / "ca.pem", address, tls.url + "/")
        run = self.begin("--json", address)
        self.assertEqual(self.event(run, "failed_to_connect")["error"]["stage"], "tls")
        with Peer(path=f"{self.dir}/s") as peer:
            self.watch("--until-up", peer.address)

    # ---- services of several addresses ----

    def test_when_one_address_dies_the_next_is_taken(self):
        with Peer() as a, Peer() as b:
            run = self.begin("--json", f"db={a.address},{b.address}")
            conn = a.accept()
            self.assertEqual(self.event(run, "connected", "db")["address"], a.address)
            a.accept_no_more()
            conn.close()
            self.event(run, "disconnected")
            self.assertEqual(self.event(run, "connected")["address"], b.address)

    def test_a_file_is_read_again_and_may_be_missing(self):
        with Peer() as a, Peer() as b:
            run = self.begin("--json", f"file:{self.dir}/list")
            error = self.event(run, "failed_to_connect")["error"]
            self.assertEqual(error["code"], "EFILE")
            self.assertIn("list", error["text"])
            (self.dir / "new").write_text(f"# a comment\n127.0.0.1:{a.port}\n")
            (self.dir / "new").rename(self.dir / "list")
            self.assertEqual(self.event(run, "connected")["address"], a.address)
            (self.dir / "list").write_text(f"127.0.0.1:{b.port}\n")
            a.accept().close()
            self.event(run, "disconnected")
            self.assertEqual(self.event(run, "connected")["address"], b.address)
            (self.dir / "list").unlink()
            b.accept().close()
            self.event(run, "disconnected")
            self.assertEqual(self.event(run, "failed_to_connect")["error"]["code"], "EFILE")

    def test_a_file_with_a_bad_line_is_told(self):
        (self.dir / "list").write_text("127.0.0.1:1\nhttp://a/\n")
        run = self.begin("--json", f"db=file:{self.dir}/list")
        self.assertIn("line 2", self.event(run, "failed_to_connect")["error"]["text"])

    def test_addresses_come_from_a_file(self):
        with Peer() as peer:
            (self.dir / "in").write_text(f"# mine\n\none={peer.address}\ntwo={peer.address}\n")
            out = self.watch("--until-up", "-i", "in").stdout.decode()
            self.assertRegex(out, r"2 of 2 up.*\n.*\n.* one .*\n(.*\n)?.* two ")

    # ---- what is told ----

    def test_a_pipe_gets_a_summary_and_events_when_asked(self):
        with Peer() as peer:
            out = self.until_told(["connected", "failed to connect"], "--events", peer.address, "127.0.0.1:1")
            self.assertRegex(out, r"(?m)^\d\d:\d\d:\d\d\.\d{3}  tcp://127.0.0.1:\d+  connected$")
            self.assertRegex(out, r"(?m)^1 of 2 up after [\d.]+ m?s\n +service +state +for +uptime +reconnects +next try\n")
            self.assertRegex(out, r"connect, (now|\d+ s ago): connection refused")
            run = self.watch("--for", "50ms", "-q", "127.0.0.1:1", status=1)
            self.assertEqual((run.stdout, run.stderr), (b"", b""))

    def test_verbose_tells_of_attempts_and_their_reasons(self):
        with Peer() as peer:
            err = self.until_told(["failed to connect"], "-v", peer.address, "127.0.0.1:1", of="stderr")
            self.assertRegex(err, r"(?m)^\* connection \d+: dialing tcp://127.0.0.1:1$")
            self.assertRegex(err, r"(?m)^\* [\d:.]+  127.0.0.1:1  failed to connect: connect: connection refused \(next try ")
            err = self.until_told(["dialing -> up"], "-vv", peer.address, of="stderr")
            self.assertRegex(err, r"(?m) link \d+ tcp://127.0.0.1:\d+: dialing -> up")

    def test_json_has_the_events_anyway(self):
        run = self.watch("--for", "50ms", "--json", "--events", "127.0.0.1:1", status=1)
        for line in run.stdout.splitlines():
            self.checked(json.loads(line))

    def test_an_address_that_is_given_twice_is_said(self):
        run = self.watch("--for", "50ms", "-q", "127.0.0.1:1", "a=127.0.0.1:1", "127.0.0.1:1", status=1)
        self.assertEqual(run.stderr, b"belay: reading addresses: 127.0.0.1:1 is there twice: it is watched twice\n")

    def test_a_watch_of_no_time_is_told_in_milliseconds(self):
        run = self.watch("--for", "1ms", "127.0.0.1:1", status=1)
        self.assertNotIn(b" us", run.stdout)

    def test_json_is_alone_on_standard_output(self):
        run = self.watch("--for", "50ms", "--json", "127.0.0.1:1", status=1)
        for line in run.stdout.splitlines():
            self.checked(json.loads(line))
        self.assertIn(b"0 of 1 up", run.stderr)

    def test_reconnects_are_counted(self):
        with Peer() as peer:
            run = self.begin("--json", peer.address)
            for _ in range(3):
                peer.accept().close()
                self.event(run, "disconnected")
            peer.accept()
            self.event(run, "connected")
            run.send_signal(signal.SIGINT)
            _, err = self.ended(run, 130)
            self.assertRegex(err, r"● tcp://127.0.0.1:\d+ +up +0 s +[\d.]+ % +3 *\n")

    def test_signals_end_it_with_the_summary(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with Peer() as peer:
                run = self.begin("--events", peer.address)
                while b"connected" not in run.stdout.readline():
                    pass
                run.send_signal(number)
                out, _ = self.ended(run, status)
                self.assertIn("1 of 1 up", out)

    def test_a_signal_tries_now(self):
        place = harness.Place()
        run = self.start("watch", "--retry-delay", "1h", "--json", "--until-up", f"127.0.0.1:{place.port}")
        self.addCleanup(self.stop, run)
        self.event(run, "failed_to_connect")
        with Peer(place):
            run.send_signal(signal.SIGUSR1)
            self.event(run, "connected")
            self.ended(run)

    def test_systemd_is_told_when_all_are_up(self):
        path = f"{self.dir}/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s, Peer() as a:
            s.bind(path)
            s.settimeout(harness.LIMIT)
            place = harness.Place()
            run = self.begin("--json", a.address, f"127.0.0.1:{place.port}", env=harness.environment(NOTIFY_SOCKET=path))
            self.event(run, "connected")
            self.event(run, "failed_to_connect")
            with Peer(place):
                seen = []
                while not any("READY=1" in text for text in seen):
                    seen.append(s.recv(4096).decode())
                self.assertEqual(seen[-1], "READY=1\nSTATUS=2 of 2 up")
                self.assertIn("STATUS=1 of 2 up", seen[:-1])
                run.send_signal(signal.SIGTERM)
                while "STOPPING=1" not in seen:
                    seen.append(s.recv(4096).decode())
                self.ended(run, 143)

    # ---- --exec ----

    def told(self):
        """Lines that --exec wrote."""
        return (self.dir / "told").read_text().splitlines()

    TELL = 'echo "$BELAY_NAME $BELAY_EVENT $BELAY_ADDRESS ${BELAY_ERROR:+error}" >>told'

    def test_changes_are_told_in_order(self):
        place = harness.Place()
        run = self.begin("--json", "--exec", self.TELL, f"db=127.0.0.1:{place.port}")
        self.event(run, "failed_to_connect")
        with Peer(place) as peer:
            conn = peer.accept()
            self.event(run, "connected")
            peer.accept_no_more()
            conn.close()
            self.event(run, "disconnected")
            self.event(run, "failed_to_connect")
        run.send_signal(signal.SIGINT)
        self.ended(run, 130)
        address = f"tcp://127.0.0.1:{place.port}"
        self.assertEqual(self.told()[:4], [f"db failed_to_connect {address} error", f"db connected {address} ",
                                           f"db disconnected {address} error", f"db failed_to_connect {address} error"])

    def test_the_last_change_is_told_before_it_ends(self):
        with Peer() as peer:
            self.watch("--until-up", "--exec", "sleep 0.1; " + self.TELL, "db=" + peer.address)
            self.assertEqual(self.told(), [f"db connected {peer.address} "])

    def test_a_command_that_fails_is_said_once_and_the_watch_goes_on(self):
        with Peer() as peer:
            run = self.begin("--json", "--exec", "echo seen; exit 3", peer.address)
            for _ in range(3):
                peer.accept().close()
                self.event(run, "disconnected")
            run.send_signal(signal.SIGINT)
            _, err = self.ended(run, 130)
            self.assertEqual(err.count("belay: running --exec: the command ended with status 3 (said once)\n"), 1)
            self.assertGreaterEqual(err.count("seen\n"), 6)

    def test_a_second_signal_does_not_wait_for_it(self):
        with Peer() as peer:
            run = self.begin("--exec", "touch begun; sleep 600", peer.address)
            while not (self.dir / "begun").exists():
                self.assertIsNone(run.poll())
            run.send_signal(signal.SIGINT)
            with self.assertRaises(subprocess.TimeoutExpired):
                run.wait(0.2)
            run.send_signal(signal.SIGINT)
            self.ended(run, 130)

    def test_a_command_that_hangs_is_killed_soon_after_the_end(self):
        with Peer() as peer, Peer() as other:
            hang = "touch begun; sleep 600 & sleep 600"  # of the group all are killed: they hold standard error
            run = self.watch("--for", "1s", "--exec", hang, peer.address, other.address)
            self.assertEqual(run.stderr, b"belay: running --exec: the command was killed, as the watch has ended "
                                         b"(1 change was not told)\n")
            self.assertRegex(run.stdout, rb"^2 of 2 up after 1\.\d+ s\n")  # of then
            (self.dir / "begun").unlink()
            run = self.begin("--exec", hang, peer.address)
            while not (self.dir / "begun").exists():
                self.assertIsNone(run.poll())
            run.send_signal(signal.SIGINT)
            self.assertEqual(self.ended(run, 130)[1],
                             "belay: running --exec: the command was killed, as the watch has ended\n")

    def test_what_waits_for_the_last_command_says_so(self):
        with Peer() as peer:
            run = self.begin("--until-up", "--exec", "while ! test -e go; do sleep 0.02; done", peer.address)
            self.assertEqual(run.stderr.readline(), b"belay: waiting for --exec to end (SIGINT kills it)\n")
            (self.dir / "go").touch()
            self.ended(run)

    def test_what_runs_has_no_connection_of_ours(self):
        with Peer() as peer:
            run = self.begin("--json", "--until-up", "--exec", "ls -l /proc/self/fd >fds; :", peer.address)
            self.event(run, "connected")
            self.ended(run)
            self.assertNotIn("socket:", re.sub(r"\b[012] -> socket:", "", (self.dir / "fds").read_text()))

    # ---- bad input ----

    def test_bad_input_is_refused_in_one_line(self):
        good = "127.0.0.1:1"
        for args, word in (
            ([], "belay watch HOST:PORT"),
            (["ftp://a/"], "ftp"),
            (["a"], "port"),
            (["--evry", "1", good], "did you mean --every?"),
            (["--util-up", good], "did you mean --until-up?"),
            (["-n", "3", good], "--until-up"),
            (["--until-up", "--until-down", good], "do not go together"),
            (["--any", good], "--any"),
            (["-m", "1s", good], "--until-up"),
            (["--every", "x", good], "--every"),
            (["--backoff", "fast", good], "--backoff"),
            (["--send", "x", good], "--expect"),
            (["--expect", r"\q", good], "backslash"),
            (["--status", "99", "http://a/"], "--status"),
            (["--status", "404", good], "http://"),
            (["-H", "a: b", good], "-H is for http://"),
            (["--expect", "x", "http://a/"], "--status"),
            (["db=" + good + ",tls://a:1"], "scheme"),
            (["db="], "db=: an address is empty"),
            (["db=a:1,"], "db=a:1,: an address is empty"),
            (["srv:"], "empty"),
            (["http://user:secret@a/"], "-u NAME:PASSWORD"),
            (["file:"], "empty"),
            (["-i", "missing"], "missing"),
            (["-4", "tcp://[::1]:1"], "IPv4"),
            (["--cacert", "missing", "tls://a:1"], "missing"),
            (["-q", "-v", good], "-q and -v"),
            (["-q", "--events", good], "--events"),
            ([good, "--"], "no command"),
            (["--json=yes", good], "--json"),
        ):
            run = self.watch("--for", "10s", *args, status=2)
            self.assertIn(word, run.stderr.decode(), args)
            self.assertEqual((run.stderr.count(b"\n"), run.stdout), (1, b""), args)
        (self.dir / "in").write_text(f"{good}\n\ndb=\n")
        self.assertIn(b"in: line 3: ", self.watch("-i", "in", status=2).stderr)
        (self.dir / "none").write_text("# nothing\n")
        self.assertIn(b"no address in the files", self.watch("-i", "none", status=2).stderr)

    def test_a_name_that_does_not_exist_is_tried_again(self):
        run = self.begin("--json", "no-such-host.invalid:1")
        error = self.event(run, "failed_to_connect")["error"]
        self.assertEqual(error["stage"], "resolve")
        self.assertIsNone(run.poll())

    def test_a_reader_that_goes_ends_it(self):
        with Peer() as peer:
            run = self.begin("--json", peer.address)
            run.stdout.readline()
            run.stdout.close()
            peer.listener.settimeout(0.05)
            while run.poll() is None:
                with contextlib.suppress(TimeoutError):
                    peer.accept().close()
            run.stdout = None
            self.assertEqual(run.wait(harness.LIMIT), 1)
            self.assertEqual(run.stderr.read(), b"belay: writing to standard output: Broken pipe\n")

    def test_output_that_cannot_be_written_ends_it_with_the_reason(self):
        with Peer() as peer, open("/dev/full", "wb") as full:
            for option in ("--events", "--json"):
                run = self.start("watch", "--for", "10s", option, peer.address, stdout=full)
                self.addCleanup(self.stop, run)
                err = run.communicate(timeout=harness.LIMIT)[1]
                self.assertEqual((run.returncode, err),
                                 (1, b"belay: writing to standard output: No space left on device\n"))
            for end in ("--for 10s", "--until-up"):
                run = subprocess.run(["sh", "-c", f'"$0" watch --events {end} "$1" >&-', harness.BELAY, peer.address],
                                     stderr=subprocess.PIPE, timeout=harness.LIMIT, env=harness.environment())
                self.assertEqual((run.returncode, run.stderr),
                                 (1, b"belay: writing to standard output: Bad file descriptor\n"))

    def test_help_is_there(self):
        self.assertIn(b"watch ", self.belay("help").stdout)
        self.assertEqual(self.belay("watch", "--help").stdout, self.belay("help", "watch").stdout)
        for line in self.belay("help", "watch").stdout.decode().splitlines():
            self.assertLessEqual(len(line), 100)


if __name__ == "__main__":
    harness.main()
