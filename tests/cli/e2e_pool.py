# SPDX-License-Identifier: MIT
"""`belay pool` in a pipe: its lines add up, its events say why, and it ends as it should."""
import json
import re
import signal
import subprocess

import harness

origin = harness.Origin()
URL = origin.url + "/"
TCP = f"tcp://127.0.0.1:{origin.port}"
DEAD = "tcp://127.0.0.1:1"


class Pool(harness.Case):
    def pool(self, *args, status=0, **options):
        run = self.belay("pool", *args, **options)
        self.assertEqual(run.returncode, status, f"belay pool {args}: {run.stderr.decode(errors='replace')}")
        return run

    def lines(self, *args, status=0, **options):
        """The objects of --json; each is checked."""
        out = self.pool("--json", *args, status=status, **options).stdout
        return self.checked([json.loads(line) for line in out.splitlines()])

    def checked(self, lines):
        self.assertEqual(lines[-1]["type"], "summary")
        for line in lines:
            if line["type"] == "event":
                continue
            for figures in [line["total"], *line["endpoints"]]:
                self.assertEqual(figures["created"], figures["closed"] + figures["open"])
                self.assertEqual(figures["open"], figures["active"] + figures["idle"] + figures["closing"])
                self.assertEqual(figures["closed"], sum(figures["closed_by_reason"].values()))
            for name, n in line["total"].items():
                if isinstance(n, int):
                    self.assertEqual(n, sum(e[name] for e in line["endpoints"]), name)
        return lines

    def until(self, *args, good, kinds=("stats",)):
        """Runs it until a line of --json is good, which is returned; then SIGINT ends it."""
        run = self.start("pool", "--json", *args)
        try:
            for line in run.stdout:
                line = json.loads(line)
                if line["type"] in kinds and good(line):
                    return line
            self.fail(f"it ended: {run.stderr.read()}")
        finally:
            run.send_signal(signal.SIGINT)
            rest = run.communicate(timeout=harness.LIMIT)[0]
            self.assertEqual(run.returncode, 130)
            self.assertTrue(json.loads(rest.splitlines()[-1])["interrupted"])

    def until_closed(self, reason, *args):
        self.until("--events", *args, good=lambda event: event.get("reason") == reason, kinds=("event",))

    # ---- lines ----

    def test_json_lines_and_events_add_up(self):
        busy = harness.Origin("--close-after", "3")
        lines = self.lines("--events", "--for", "1200ms", "--every", "20ms", "-c", "4", busy.url + "/", URL, TCP)
        self.assertGreaterEqual(sum(line["type"] == "stats" for line in lines), 1)
        end = lines[-1]
        self.assertGreater(end["total"]["used"], 100)
        self.assertEqual(end["total"]["failed"], 0)
        self.assertEqual(set(end["total"]["closed_by_reason"]), {"draining"})
        for e in end["endpoints"]:
            events = [line for line in lines if line["type"] == "event" and line["endpoint"] == e["endpoint"]]
            count = {kind: sum(ev["event"] == kind for ev in events) for kind in ("open", "reuse", "close")}
            self.assertEqual(count, {"open": e["created"], "reuse": e["reused"], "close": e["closed"]})
            self.assertLessEqual(e["used"], e["created"] + e["reused"])
            self.assertEqual({ev["reason"] for ev in events if ev["event"] == "close"}, set(e["closed_by_reason"]))
        self.assertEqual([e["pool"] for e in end["endpoints"]], ["http", "http", "stream"])

    def test_a_pipe_gets_a_line_each_second_and_the_end(self):
        run = self.begin_run("pool", "--every", "100ms", URL)
        lines = [run.stdout.readline().decode() for _ in range(2)]
        run.send_signal(signal.SIGINT)
        rest = run.communicate(timeout=harness.LIMIT)[0].decode()
        self.assertEqual(run.returncode, 130)
        for line in lines:
            self.assertRegex(line, r"^00:\d\d  \d active, \d idle, \d dialing, \d waiting; 1 created, \d+ reused, 0 closed; "
                                   r"\d+ used, 0 failed$")
        self.assertTrue("00:01" <= lines[0][:5] < lines[1][:5], lines)
        uses, took = re.match(r"(\d+) uses of 1 endpoint in ([\d.]+) s, 0 failed\n", rest).groups()
        self.assertTrue(1 < int(uses) <= float(took) / 0.1 + 1, rest)
        self.assertIn(origin.url, rest)
        self.assertNotIn("\033", "".join(lines) + rest)
        out = self.pool("--for", "200ms", "--every", "100ms", URL).stdout.decode()
        self.assertRegex(out, r"^\d uses of 1 endpoint in [\d.]+ m?s, 0 failed\n")

    def test_events_are_lines_with_reasons(self):
        out = self.pool("--events", "-q", "--for", "500ms", "--every", "50ms", "--max-uses", "2", TCP).stdout.decode()
        kinds = re.findall(r"^ +[\d.]+  (open|reuse|close) +" + re.escape(TCP) + r"  #(\d+)(?:  (\w+))?$", out, re.M)
        self.assertEqual(len(kinds), len(out.splitlines()))
        self.assertEqual([(k, why) for k, _, why in kinds[:3]], [("open", ""), ("reuse", ""), ("close", "uses")])
        self.assertEqual(len({number for _, number, _ in kinds[:3]}), 1)

    def test_quiet_says_only_what_failed(self):
        run = self.pool("-q", "--for", "300ms", URL)
        self.assertEqual((run.stdout, run.stderr), (b"", b""))
        run = self.pool("-q", "--for", "300ms", "--retries", "0", DEAD, status=1)
        self.assertEqual(run.stdout, b"")
        self.assertRegex(run.stderr.decode(), r"^belay: tcp://127.0.0.1:1: \d+ failed, the last one: .*connection refused")

    def test_a_dead_endpoint_shows_its_last_error_with_stage_and_age(self):
        lines = self.lines("--for", "1100ms", "--retries", "0", "--every", "100ms", DEAD, URL, status=1)
        dead, good = lines[-1]["endpoints"]
        self.assertEqual((dead["last_error"]["stage"], dead["last_error"]["current"]), ("connect", True))
        self.assertIn("connection refused", dead["last_error"]["text"])
        self.assertGreater(dead["dials_failed"]["connect"], 0)
        self.assertIsNone(good["last_error"])
        self.until("--retries", "0", "--every", "100ms", DEAD, good=lambda line: line["total"]["failed"] > 10 and
                   line["endpoints"][0]["last_error"]["age_s"] < line["at_s"] / 2)
        out = self.pool("--for", "200ms", "--retries", "0", DEAD, status=1).stdout.decode()
        self.assertRegex(out, r"\n    failed  connect, (now|\d+ s ago): connection refused")

    def test_an_error_that_is_over_is_not_current(self):
        line = self.until("--every", "50ms", "-f", origin.url + "/fail-once?id=pool",
                          good=lambda line: line["total"]["used"] > 10)
        error = line["endpoints"][0]["last_error"]
        self.assertEqual((error["stage"], error["current"]), ("status", False))
        self.assertGreater(error["age_s"], 0.3)

    # ---- options ----

    def test_connections_are_kept_as_the_options_say(self):
        self.until("--every", "100ms", "--min-idle", "3", TCP, good=lambda line: line["total"]["idle"] == 3)
        self.until_closed("uses", "--every", "50ms", "--max-uses", "2", URL)
        self.until_closed("lifetime", "--every", "50ms", "--lifetime", "100ms", URL)
        self.until_closed("idle", "--every", "300ms", "--idle-timeout", "50ms", URL)
        end = self.lines("--for", "300ms", "--every", "100ms", "-c", "8", "--max-connections", "2", TCP)[-1]
        self.assertEqual((end["total"]["created"], end["total"]["failed"]), (2, 0))
        end = self.lines("--for", "300ms", "--every", "100ms", "-c", "8", "--max-total", "3", TCP)[-1]
        self.assertEqual(end["total"]["created"], 3)

    def test_leases_are_held(self):
        line = self.until("-c", "4", "--every", "100ms", "--hold", "10s", TCP, good=lambda line: line["total"]["active"] == 4)
        self.assertEqual(line["total"]["used"], 0)
        end = self.lines("-c", "2", "--for", "450ms", "--every", "0", "--hold", "100ms", TCP)[-1]["total"]
        self.assertEqual(end["created"], 2)
        self.assertTrue(2 <= end["used"] <= 2 * 5, end["used"])

    def test_without_a_pause_one_follows_the_other(self):
        line = self.until("-c", "4", "--every", "0", URL, TCP,
                          good=lambda line: all(e["used"] > 100 for e in line["endpoints"]))
        self.assertEqual([e["created"] for e in line["endpoints"]], [4, 4])

    def test_what_is_slow_is_not_asked_more(self):
        end = self.lines("-c", "2", "--every", "50ms", "--for", "480ms", origin.url + "/delay/10000", "-m", "1s", status=1)[-1]
        self.assertEqual((end["total"]["failed"], end["total"]["created"]), (2, 2))
        self.assertGreaterEqual(end["total"]["not_started"], 2)
        self.assertEqual(end["endpoints"][0]["last_error"]["stage"], "use")

    def test_requests_are_those_of_get(self):
        seen = []

        def answer(h):
            body = h.rfile.read(int(h.headers.get("Content-Length") or 0))
            seen.append((h.command, h.headers.get("X-Mine"), h.headers.get("Authorization"), body))
            h.send_response(200)
            h.send_header("Content-Length", "0")
            h.end_headers()

        url = harness.Scripted(answer).url
        self.lines("--for", "100ms", "-H", "X-Mine: yes", "-u", "a:b", "-d", "c=d", url)
        self.assertEqual(set(seen), {("POST", "yes", "Basic YTpi", b"c=d")})
        seen.clear()
        (self.dir / "f").write_bytes(b"content")
        self.until("--every", "50ms", "-F", "f=@f", url, good=lambda line: line["total"]["used"] > 1)
        for command, _, _, body in seen:
            self.assertEqual((command, body.count(b"content")), ("POST", 1))
        self.lines("--for", "100ms", "-f", origin.url + "/status/404", status=1)
        self.lines("--for", "100ms", origin.url + "/status/404")

    def test_urls_of_one_endpoint_share_its_row_and_redirects_show_theirs(self):
        other = harness.Origin()
        (self.dir / "urls").write_text(f"{URL}\n{origin.url}/bytes/10\n")
        end = self.lines("--for", "200ms", "--every", "50ms", "-i", "urls")[-1]
        self.assertEqual(len(end["endpoints"]), 1)
        end = self.lines("--for", "200ms", "-L", f"{origin.url}/redirect-to?url={other.url}/")[-1]
        self.assertEqual([e["endpoint"] for e in end["endpoints"]], [origin.url, other.url])
        self.assertEqual(end["endpoints"][1]["created"], 1)

    def test_endpoints_of_all_kinds(self):
        certs = harness.certs()
        harness.Origin("--bind", f"unix:{self.dir}/s")
        tls = harness.Origin("--cert", str(certs / "server.pem"), "--key", str(certs / "server.key"))
        end = self.lines("--for", "100ms", "--cacert", certs / "ca.pem", f"unix://{self.dir}/s", tls.url + "/",
                         tls.url.replace("https", "tls"), f"127.0.0.1:{origin.port}")[-1]
        self.assertEqual([(e["created"], e["failed"]) for e in end["endpoints"]], [(1, 0)] * 4)
        end = self.lines("--for", "100ms", "--resolve", f"a.test:{origin.port}:127.0.0.1", f"tcp://a.test:{origin.port}")[-1]
        self.assertEqual(end["total"]["failed"], 0)
        end = self.lines("--for", "100ms", "--connect-to", f"a.test:1:127.0.0.1:{origin.port}", "a.test:1")[-1]
        self.assertEqual(end["total"]["failed"], 0)

    def test_whoever_is_dialled_must_be_whom_the_url_names(self):
        certs = harness.certs()
        tls = harness.Origin("--cert", str(certs / "server.pem"), "--key", str(certs / "server.key"))
        elsewhere = ["--for", "100ms", "--retries", "0", "--cacert", certs / "ca.pem", "--connect-to"]
        self.lines(*elsewhere, f"localhost:1:127.0.0.1:{tls.port}", "tls://localhost:1")
        end = self.lines(*elsewhere, f"other.test:1:127.0.0.1:{tls.port}", "tls://other.test:1", status=1)[-1]
        self.assertIn("not for other.test", end["endpoints"][0]["last_error"]["text"])

    # ---- ends ----

    def test_signals_end_it_with_the_summary(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            run = self.start("pool", "-c", "3", "--every", "100ms", "--events", origin.url + "/hang")
            for _ in range(3):
                self.assertIn(b"open", run.stdout.readline())
            run.send_signal(number)
            out = run.communicate(timeout=harness.LIMIT)[0].decode()
            self.assertEqual(run.returncode, status)
            self.assertIn("3 more were under way, and given up", out)
            self.assertIn("0 uses of 1 endpoint", out)

    def test_a_reader_that_goes_ends_it_quietly(self):
        run = self.start("pool", "--events", "--every", "10ms", URL)
        run.stdout.readline()
        run.stdout.close()
        self.assertEqual(run.wait(harness.LIMIT), 1)
        self.assertEqual(run.stderr.read(), b"")
        run.stderr.close()

    def test_a_lost_lease_is_told(self):
        server = harness.Origin("--idle-close", "50")
        line = self.until("--every", "100ms", "--hold", "10s", server.url.replace("http", "tcp"),
                          good=lambda line: line["total"]["failed"])
        self.assertEqual(line["endpoints"][0]["last_error"]["stage"], "use")

    def test_bad_input_is_refused_in_one_line(self):
        for args, word in (
            ([], "belay pool URL"),
            (["ftp://a/"], "ftp"),
            (["--every", "x", URL], "--every"),
            (["--hold", "1s", URL], "--hold"),
            (["-H", "a: b", TCP], "-H is for http://"),
            (["-I", TCP], "-I is for http://"),
            (["-n", "3", URL], "--for"),
            (["-o", "f", URL], "belay get -o"),
            (["--evry", "1", URL], "did you mean --every?"),
            (["--min-idle", "20", URL], "--min-idle 20"),
            (["-c", "0", URL], "-c"),
            (["-T", "-", URL], "only once"),
            (["-F", "f=@nope", URL], "nope"),
            (["-i", "missing"], "missing"),
            (["-4", "tcp://[::1]:1"], "IPv4"),
            (["--cacert", "missing", "tls://a:1"], "missing"),
            (["tcp://a"], "port"),
            (["-q", "-v", URL], "-q and -v"),
        ):
            run = self.pool("--for", "10s", *args, status=2)
            self.assertIn(word, run.stderr.decode(), args)
            self.assertEqual((run.stderr.count(b"\n"), run.stdout), (1, b""), args)
        (self.dir / "urls").write_text(f"{URL}\n\nftp://a/\n")
        self.assertIn(b"urls: line 3: ", self.pool("-i", "urls", status=2).stderr)

    def test_help_is_there(self):
        self.assertIn(b"pool ", self.belay("help").stdout)
        self.assertEqual(self.belay("pool", "--help").stdout, self.belay("help", "pool").stdout)
        for line in self.belay("help", "pool").stdout.decode().splitlines():
            self.assertLessEqual(len(line), 100)

    def test_out_of_descriptors_is_told_and_survived(self):
        run = subprocess.run(["sh", "-c", 'ulimit -n 16; exec "$@"', "sh", harness.BELAY, "pool", "--json", "-c", "20",
                              "--max-connections", "20", "--hold", "50ms", "--every", "100ms", "--for", "500ms", "-m", "300ms",
                              TCP], capture_output=True, timeout=harness.LIMIT, env=harness.environment())
        self.assertIn(run.returncode, (0, 1))
        self.checked([json.loads(line) for line in run.stdout.splitlines()])


harness.main()
