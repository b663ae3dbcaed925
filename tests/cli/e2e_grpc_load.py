# SPDX-License-Identifier: MIT
"""`belay grpc -n`: many calls, and what is said of them."""
import json
import os
import signal
import socket
import subprocess

import grpc_kit
import harness

ADD = ["shop.Cart/Add", "-d", '{"count": 1}']


class Load(grpc_kit.Case):
    def json(self, *args, **options):
        return json.loads(self.grpc("--json", *args, **options).stdout)

    def test_calls_are_counted(self):
        s = self.json(*ADD, "-n", "300", "-c", "20")
        self.assertEqual((s["calls"], s["ok"], s["failed"], s["status"]), (300, 300, 0, {"OK": 300}))
        self.assertEqual((s["messages_sent"], s["messages_received"], s["bytes"]), (300, 300, 600))
        self.assertTrue(0 < s["latency_ms"]["p50"] <= s["latency_ms"]["p99"] <= s["latency_ms"]["max"])

    def test_streams_are_counted(self):
        s = self.json("shop.Cart/Talk", "-d", '{"count": 1}{"count": 2}', "-n", "10")
        self.assertEqual((s["ok"], s["messages_sent"], s["messages_received"]), (10, 20, 20))

    def test_the_summary_is_for_people(self):
        out = self.grpc(*ADD, "-n", "100").stdout.decode()
        for words in ("100 calls in", "0 failed", "OK: 100", "100 sent, 100 received", "p50", "p99"):
            self.assertIn(words, out)
        self.assertEqual(self.grpc(*ADD, "-n", "10", "-q").stdout, b"")

    def test_a_summary_that_cannot_be_written_says_why(self):
        for options in ([], ["--json"]):
            read, write = os.pipe()
            os.close(read)
            with open("/dev/full", "wb") as full, os.fdopen(write, "wb") as unread:
                for out, said in ((full, b"belay: writing to standard output: No space left on device\n"), (unread, b"")):
                    run = self.start("grpc", self.server.target, *ADD, "-n", "3", *options, stdout=out)
                    self.assertEqual((run.communicate(timeout=harness.LIMIT)[1], run.returncode), (said, 1))

    def test_failures_are_told_by_their_status(self):
        fail = ["shop.Cart/Fail", "-d", '{"status": 7, "message": "not you"}', "-n", "5"]
        s = self.json(*fail, status=1)
        self.assertEqual(s["failures"], [{"status": "PERMISSION_DENIED", "count": 5, "text": "not you"}])
        self.assertIn("5 x  PERMISSION_DENIED: not you", self.grpc(*fail, status=1).stdout.decode())
        self.assertIn(b"5 of 5 calls failed", self.grpc(*fail, "-q", status=1).stderr)

    def test_it_gives_up_where_nobody_is(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            target = f"grpc://127.0.0.1:{closed.getsockname()[1]}"
            s = self.json("a.B/C", "--hex", "-n", "1000", target=target, status=1)
            self.assertEqual((s["failed"] + s["not_started"], set(s["status"])), (1000, {"UNAVAILABLE"}))
            self.assertGreater(s["not_started"], 900)

    def test_time_and_rate_are_kept(self):
        s = self.json(*ADD, "--for", "500ms", "--rate", "40")
        self.assertTrue(1 < s["calls"] <= 20, s["calls"])

    def test_an_interrupt_ends_it_with_the_summary(self):
        run = self.begin_run("grpc", self.server.target, "shop.Cart/Sleep", "--hex", "-n", "4", "-c", "4", "-v", bufsize=0)
        for line in run.stderr:
            if b": open" in line:
                break
        run.send_signal(signal.SIGINT)
        out = run.communicate(timeout=harness.LIMIT)[0].decode()
        self.assertEqual(run.returncode, 130)
        self.assertIn("interrupted: ", out)

    def test_an_interrupt_ends_it_while_messages_are_read(self):
        run = self.begin_run("grpc", self.server.target, "shop.Cart/AddMany", "-d", "@", "-n", "2", stdin=subprocess.PIPE, bufsize=0)
        run.stdin.write(b'{"count": 1}' * 20000)  # more than a pipe holds: it is being read
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(harness.LIMIT), -signal.SIGINT)

    def test_a_terminal_shows_how_it_goes(self):
        screen = harness.Screen(harness.BELAY, "grpc", self.server.target, *ADD, "--for", "600ms")
        status, _ = screen.end()
        self.assertEqual(status, 0)
        self.assertIn(b"0 failed", screen.drawn)
        self.assertIn(b"\033[K", screen.drawn)


harness.main()
