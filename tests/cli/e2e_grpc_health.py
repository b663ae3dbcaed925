# SPDX-License-Identifier: MIT
"""`belay grpc TARGET health`, and `belay watch` of servers of gRPC: neither needs a schema."""
import json
import shutil
import signal
import subprocess
import unittest

import grpc_kit
import harness


class Health(grpc_kit.Case):
    def setUp(self):
        super().setUp()
        self.mine = grpc_kit.Server("--no-reflection")
        self.addCleanup(self.mine.end)

    def begin(self, command, *args):
        return self.begin_run(*command, self.mine.target, *args, bufsize=0)

    def test_serving_is_a_status_of_0(self):
        self.assertEqual(self.grpc("health").stdout, b"SERVING\n")
        self.assertEqual(self.grpc("health", "shop.Cart").stdout, b"SERVING\n")
        self.assertEqual(json.loads(self.grpc("health", "shop.Cart", "--json").stdout), {"service": "shop.Cart", "status": "SERVING"})

    def test_not_serving_is_a_status_of_1(self):
        run = self.begin(["grpc"], "health", "shop.Cart", "--watch")
        self.assertEqual(run.stdout.readline(), b"SERVING\n")
        self.mine.health("shop.Cart", 2)
        self.assertEqual(run.stdout.readline(), b"NOT_SERVING\n")
        self.assertEqual(self.grpc("health", "shop.Cart", target=self.mine.target, status=1).stdout, b"NOT_SERVING\n")

    def test_a_service_that_is_not_there(self):
        self.refused("health", "shop.Cars", status=grpc_kit.NOT_FOUND, words=["the health of shop.Cars", "NOT_FOUND"])

    def test_watching_goes_on_until_it_is_interrupted(self):
        run = self.begin(["grpc"], "health", "--watch")
        for status, name in ((2, b"NOT_SERVING\n"), (1, b"SERVING\n")):
            run.stdout.readline()
            self.mine.health("", status)
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(harness.LIMIT), 130)

    def test_watching_outlives_the_server(self):
        run = self.begin(["grpc"], "health", "--watch")
        self.assertEqual(run.stdout.readline(), b"SERVING\n")
        self.mine.end()
        self.assertIn(b"UNAVAILABLE", run.stderr.readline())
        self.assertIsNone(run.poll())
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(harness.LIMIT), 143)

    def test_watching_may_have_a_limit(self):
        self.assertEqual(self.grpc("health", "--watch", "-m", "2s").stdout, b"SERVING\n")
        self.mine.health("", 2)
        self.grpc("health", "--watch", "-m", "2s", target=self.mine.target, status=1)

    # ---- belay watch ----

    def events(self, run, *names):
        """The next events of these names, in order."""
        found = []
        while len(found) < len(names):
            event = json.loads(run.stdout.readline())
            if event["event"] == names[len(found)]:
                found.append(event)
        return found

    def test_up_is_serving(self):
        self.mine.health("shop.Cart", 2)
        run = self.begin(["watch", "--json", "--until-up", "--grpc-health", "shop.Cart", "--retry-delay", "100ms"])
        (failed,) = self.events(run, "failed_to_connect")
        self.assertIn("NOT_SERVING", failed["error"]["text"])
        self.mine.health("shop.Cart", 1)
        self.events(run, "connected")
        self.assertEqual(run.wait(harness.LIMIT), 0)

    def test_a_server_that_dies_is_down_at_once(self):
        run = self.begin(["watch", "--json", "--until-down", "--every", "1h"])
        self.events(run, "connected")
        self.mine.end()
        self.events(run, "disconnected")
        self.assertEqual(run.wait(harness.LIMIT), 0)

    def test_a_server_that_serves_no_more_is_down_at_the_next_question(self):
        run = self.begin(["watch", "--json", "--until-down", "--every", "100ms"])
        self.events(run, "connected")
        self.mine.health("", 2)
        (down,) = self.events(run, "disconnected")
        self.assertIn("NOT_SERVING", down["error"]["text"])
        self.assertEqual(run.wait(harness.LIMIT), 0)

    def summary_of_a_failure(self, *args):
        """Interrupted when it has failed once."""
        run = self.begin(["watch", "--json", *args])
        (failed,) = self.events(run, "failed_to_connect")
        run.send_signal(signal.SIGINT)
        return failed, run.communicate(timeout=harness.LIMIT)[1].decode()

    def test_addresses_are_those_that_were_given(self):
        run = self.begin(["watch", "--json", "--until-up"])
        (up,) = self.events(run, "connected")
        self.assertEqual(up["address"], self.mine.target)
        self.mine.end()
        failed, shown = self.summary_of_a_failure("x=" + self.mine.target)
        self.assertEqual(failed["address"], self.mine.target)
        self.assertIn(f"tried {self.mine.target}\n", shown)
        self.assertRegex(shown, "      connect, [^:]*: connection refused\n")

    def test_what_a_server_answered_is_shown(self):
        shown = self.summary_of_a_failure("--grpc-health", "shop.Crt")[1]
        self.assertIn("it answered NOT_FOUND", shown)

    def test_the_option_needs_such_an_address(self):
        run = self.belay("watch", "--grpc-health", "x", "127.0.0.1:1")
        self.assertEqual((run.returncode, run.stderr.count(b"\n")), (2, 1))
        self.assertIn(b"grpc://", run.stderr)
        self.assertIn(b"--expect", self.belay("watch", "--expect", "x", "grpc://127.0.0.1:1").stderr)


@unittest.skipUnless(shutil.which("etcd"), "etcd-server is not installed")
class Etcd(grpc_kit.Case):
    """A real server, which has health and no reflection."""

    def test_etcd_serves(self):
        etcd = subprocess.Popen(
            ["etcd", "--logger", "zap", "--data-dir", self.dir / "etcd", "--listen-client-urls", "http://127.0.0.1:0", "--advertise-client-urls",
             "http://127.0.0.1:0", "--listen-peer-urls", "http://127.0.0.1:0", "--log-outputs", "stderr"],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, etcd)
        port = None
        for line in etcd.stderr:
            entry = json.loads(line) if line.startswith("{") else {"msg": ""}  # warnings come before its log
            if "client" in entry["msg"] and "insecure" in entry["msg"]:
                port = entry["address"].rsplit(":", 1)[1]
                break
        self.assertIsNotNone(port)
        target = f"grpc://127.0.0.1:{port}"
        self.assertEqual(self.grpc("health", target=target).stdout, b"SERVING\n")
        run = self.belay("watch", "--until-up", target, "--", "echo", "up")
        self.assertEqual((run.returncode, run.stdout), (0, b"up\n"))
        self.assertIn(b"\n", self.grpc("etcdserverpb.KV/Range", "--hex", "-d", "0a0161", target=target).stdout)
        self.refused("etcdserverpb.KV/Rang", "--hex", target=target, status=grpc_kit.UNIMPLEMENTED, words=["UNIMPLEMENTED"])


harness.main()
