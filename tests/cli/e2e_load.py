# SPDX-License-Identifier: MIT
"""Many requests: counts, limits, rates, a server that goes and comes back, and the summary."""
import json
import signal

import harness

origin = harness.Origin()
KEYS = {"requests", "ok", "failed", "bytes", "elapsed_s", "cpu_s", "latency_ms", "status", "errors", "connections", "endpoints"}


class Load(harness.Case):
    def json(self, *args, **options):
        return json.loads(self.get("--json", *args, **options).stdout)

    def test_the_json_object_has_what_is_promised(self):
        s = self.json("-n", "1000", "-c", "20", origin.url + "/")
        self.assertLessEqual(KEYS, set(s))
        self.assertLessEqual({"p50", "p90", "p99", "max"}, set(s["latency_ms"]))
        self.assertLessEqual({"opened", "reused", "closed"}, set(s["connections"]))
        self.assertEqual((s["requests"], s["ok"], s["failed"], s["bytes"]), (1000, 1000, 0, 5000))
        self.assertEqual(s["status"], {"200": 1000})
        self.assertLessEqual(s["connections"]["peak"], 10)
        self.assertEqual(s["connections"]["opened"] + s["connections"]["reused"], 1000)
        self.assertEqual([e["endpoint"] for e in s["endpoints"]], [origin.url])
        self.assertTrue(0 < s["latency_ms"]["p50"] <= s["latency_ms"]["p90"] <= s["latency_ms"]["max"])

    def test_one_request_has_a_summary_in_json_too(self):
        s = self.json(origin.url + "/")
        self.assertEqual((s["requests"], s["bytes"]), (1, 5))

    def test_the_summary_is_for_people(self):
        out = self.get("-n", "100", origin.url + "/").stdout.decode()
        for words in ("100 requests in", "0 failed", "200: 100", "p50", "p99", "connections", "opened", origin.url):
            self.assertIn(words, out)

    def test_quiet_says_nothing(self):
        run = self.get("-q", "-n", "100", origin.url + "/")
        self.assertEqual((run.stdout, run.stderr), (b"", b""))
        run = self.get("-q", "-n", "5", "--retries", "0", "http://127.0.0.1:1/", status=1)
        self.assertEqual(run.stdout, b"")
        self.assertIn(b"5 of 5 requests failed: GET http://127.0.0.1:1/", run.stderr)

    def test_write_out_is_a_json_line_for_each_request(self):
        run = self.get("-w", "-n", "50", origin.url + "/")
        lines = [json.loads(line) for line in run.stdout.decode().splitlines()]
        self.assertEqual(sorted(line["request"] for line in lines), list(range(1, 51)))
        self.assertTrue(all(line["status"] == 200 and line["bytes"] == 5 and line["error"] is None for line in lines))
        self.assertIn(b"50 requests", run.stderr)

    def test_urls_come_from_files_in_turn(self):
        (self.dir / "urls").write_text(f"# comment\n\n  {origin.url}/bytes/1 \r\n{origin.url}/bytes/10")
        self.assertEqual(self.json("-i", "urls")["bytes"], 11)
        self.assertEqual(self.json("-i", "urls", "-n", "4", origin.url + "/bytes/100")["bytes"], 211)
        self.assertEqual(self.json("-i", "-", stdin=f"{origin.url}/bytes/7\n".encode())["bytes"], 7)

    def test_failures_are_counted_by_stage_with_an_example(self):
        s = self.json("--retries", "0", "-n", "10", "http://127.0.0.1:1/", status=1)
        self.assertEqual((s["ok"], s["failed"], s["errors"]), (0, 10, {"connect": 10}))
        self.assertIn("connection refused", s["failures"][0]["text"])
        s = self.json("-f", "-n", "10", origin.url + "/status/500", status=1)
        self.assertEqual((s["failed"], s["errors"], s["status"]), (10, {"status": 10}, {"500": 10}))

    def test_many_requests_to_nobody_do_not_last(self):
        s = self.json("-n", "100000", "-c", "64", "http://127.0.0.1:1/", status=1)
        self.assertEqual((s["ok"], s["failed"], s["not_started"]), (0, 64, 100000 - 64))
        s = self.json("-n", "20", "-c", "4", "--retries", "0", "http://127.0.0.1:1/", origin.url + "/", status=1)
        self.assertEqual((s["ok"], s["failed"], s["not_started"]), (10, 10, 0))

    def test_some_fail_and_others_are_untouched(self):
        s = self.json("--retries", "0", "-n", "100", origin.url + "/", origin.url + "/bad-chunk", status=1)
        self.assertEqual((s["ok"], s["failed"]), (50, 50))
        self.assertEqual(s["failed_after_response_began"], 50)

    def test_max_total_holds_over_many_endpoints(self):
        binds = [a for i in range(1, 51) for a in ("--bind", f"127.0.0.{i}")]
        many = harness.Origin(*binds, "--delay", "2")
        (self.dir / "urls").write_text("".join(f"{u}/?{i}\n" for i in range(4) for u in many.urls))
        s = self.json("-i", "urls", "-c", "64", "--max-total", "12")
        self.assertEqual((s["requests"], s["failed"], len(s["endpoints"])), (200, 0, 50))
        self.assertLessEqual(s["connections"]["peak"], 12)
        self.assertGreater(s["connections"]["closed"]["evicted"], 0)

    def test_a_rate_is_kept(self):
        s = self.json("-n", "50", "--rate", "200", origin.url + "/")
        self.assertTrue(0.24 <= s["elapsed_s"] < 10, s["elapsed_s"])

    def test_latency_counts_from_when_a_request_was_due(self):
        slow = harness.Origin("--delay", "50")
        s = self.json("-n", "10", "--rate", "1000", "-c", "1", slow.url + "/")
        self.assertGreater(s["latency_ms"]["max"], 400)

    def test_for_ends_in_time(self):
        s = self.json("--for", "300ms", "-c", "2", origin.url + "/")
        self.assertTrue(0.29 <= s["elapsed_s"] < 10, s["elapsed_s"])
        self.assertGreater(s["requests"], 1)

    def test_the_warm_up_is_left_out(self):
        for _ in range(5):  # on a busy machine ten requests may take as long
            s = self.json("--warm-up", "200ms", "-n", "10", origin.url + "/delay/1")
            self.assertEqual(s["requests"], 10)
            if s["elapsed_s"] < 0.2 and s["connections"]["reused"] > 20:
                break
        self.assertLess(s["elapsed_s"], 0.2)
        self.assertGreater(s["connections"]["reused"], 20)

    def test_closings_have_reasons(self):
        closing = harness.Origin("--close-after", "10")
        s = self.json("-n", "200", closing.url + "/")
        self.assertEqual(s["failed"], 0)
        # Each closed one served 10, each of the 10 that may be open at the end at most 9.
        self.assertGreaterEqual(sum(s["connections"]["closed"].values()), 11)

    def test_a_silent_close_loses_nothing(self):
        silent = harness.Origin("--silent-close-after", "7")
        s = self.json("-n", "500", "-c", "32", silent.url + "/")
        self.assertEqual((s["ok"], s["failed"]), (500, 0))

    def restarted(self, how, *args):
        """A run during which the server is restarted; both the summary and the exit status."""
        server = harness.Origin("--delay", "1", place=harness.Place())
        run = self.start("get", "--json", "-n", "3000", "-c", "64", *args, server.url + "/")
        server.wait_for(500)
        server.restart(how)
        out, err = run.communicate(timeout=harness.LIMIT)
        return json.loads(out), run.returncode, err

    def test_a_graceful_restart_loses_nothing(self):
        s, status, err = self.restarted(signal.SIGTERM)
        self.assertEqual((s["ok"], s["failed"], status), (3000, 0, 0), err)
        self.assertGreater(s["connections"]["opened"], 10)

    def test_a_killed_server_loses_only_what_had_begun_to_answer(self):
        s, status, _ = self.restarted(signal.SIGKILL)
        self.assertEqual(s["ok"] + s["failed"], 3000)
        self.assertEqual(s["failed"], s["failed_after_response_began"])
        self.assertGreater(s["replays"] + s["retries"], 0)

    def test_an_interrupt_ends_with_the_summary(self):
        slow = harness.Origin("--delay", "20")
        run = self.start("get", "--json", "-n", "100000", slow.url + "/", stderr=harness.subprocess.DEVNULL)
        slow.wait_for(50)
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=harness.LIMIT)
        s = json.loads(out)
        self.assertEqual(run.returncode, 130)
        self.assertTrue(s["interrupted"])
        self.assertEqual(s["cut_off"], 16)
        self.assertTrue(0 < s["requests"] < 100000)

    def test_connections_are_kept_and_ended_as_told(self):
        def opened(*args):
            connections = self.json("-c", "1", *args)["connections"]
            return connections["opened"], connections["closed"]

        self.assertEqual(opened("-n", "6", "--max-uses", "2", origin.url + "/"), (3, {"uses": 3}))
        self.assertEqual(opened("-n", "3", "--lifetime", "20ms", origin.url + "/delay/40"), (3, {"lifetime": 3}))
        self.assertGreaterEqual(opened("-n", "4", "--min-idle", "3", origin.url + "/delay/50")[0], 3)


harness.main()
