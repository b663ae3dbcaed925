# SPDX-License-Identifier: MIT
"""One URL: what comes out, and what is tried again."""
import json

import harness

origin = harness.Origin()


class Answers(harness.Case):
    def test_a_body_goes_to_standard_output_and_nothing_else_does(self):
        run = self.get(origin.url + "/bytes/200000")
        self.assertEqual(len(run.stdout), 200000)
        self.assertEqual(run.stderr, b"")

    def test_chunked_and_until_close_bodies_come_whole(self):
        self.assertEqual(len(self.get(origin.url + "/chunked/12345").stdout), 12345)
        self.assertEqual(len(self.get(origin.url + "/close/54321").stdout), 54321)

    def test_any_status_is_an_answer_unless_fail_is_asked_for(self):
        self.assertIn(b"", self.get(origin.url + "/status/404").stdout)
        run = self.get("-f", origin.url + "/status/404", status=1)
        self.assertEqual(run.stdout, b"")
        self.assertIn(b"the answer was 404", run.stderr)

    def test_head_shows_the_headers(self):
        out = self.get("-I", origin.url + "/bytes/1000").stdout
        self.assertTrue(out.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertIn(b"Content-Length: 1000\r\n", out)
        self.assertTrue(out.endswith(b"\r\n\r\n"))

    def test_headers_can_be_dumped_beside_the_body(self):
        out = self.get("-D", "-", origin.url + "/").stdout
        self.assertTrue(out.startswith(b"HTTP/1.1 200 OK\r\n") and out.endswith(b"\r\n\r\nhello"))
        self.get("-D", "head", "-o", "body", origin.url + "/")
        self.assertEqual(self.left_behind(), ["body", "head"])

    def test_redirects_are_followed_when_asked_for_and_up_to_a_limit(self):
        self.assertEqual(self.get(origin.url + "/redirect/1").stdout, b"elsewhere\n")
        self.assertEqual(self.get("-L", origin.url + "/redirect/3").stdout, b"hello")
        run = self.get("-L", "--max-redirs", "2", origin.url + "/redirect/3", status=1)
        self.assertIn(b"--max-redirs", run.stderr)

    def test_credentials_stay_with_their_host(self):
        other = harness.Origin()
        auth = other.url + "/auth"
        self.assertEqual(self.get("-u", "name:secret", auth).stdout, b"Basic bmFtZTpzZWNyZXQ=")
        self.assertEqual(self.get("-L", "-u", "name:secret", f"{origin.url}/redirect-to?url={auth}").stdout, b"none")

    def test_a_lost_connection_is_replayed_for_get_and_not_for_post(self):
        self.assertEqual(self.get(origin.url + "/gone-once?id=get").stdout, b"hello")
        self.get("-d", "x", origin.url + "/gone-once?id=post", status=1)
        self.assertEqual(self.get("-d", "x", "--retry-unsafe", origin.url + "/gone-once?id=unsafe").stdout, b"hello")
        self.get("--retries", "0", origin.url + "/gone-once?id=zero", status=1)

    def test_a_listed_status_is_tried_again(self):
        self.assertEqual(self.get(origin.url + "/fail-once?id=a").stdout, b"not now\n")
        self.assertEqual(self.get("--retry-status", "503", origin.url + "/fail-once?id=b").stdout, b"hello")
        out = self.get("--json", "--retry-status", "503", origin.url + "/fail-once?id=c&retry_after=1").stdout
        summary = json.loads(out)
        self.assertEqual((summary["requests"], summary["retries"]), (1, 1))
        self.assertGreaterEqual(summary["latency_ms"]["max"], 1000)

    def test_a_status_that_stays_is_shown_in_the_end(self):
        run = self.get("--retry-status", "503", "--retries", "1", origin.url + "/status/503")
        self.assertEqual(self.get("-f", "--retry-status", "503", origin.url + "/status/503", status=1).stdout, b"")
        self.assertEqual(run.stdout, self.get(origin.url + "/status/503").stdout)

    def test_time_limits_are_kept(self):
        run = self.get("-m", "200ms", origin.url + "/hang", status=1)
        self.assertIn(b"within 200 ms", run.stderr)

    def test_a_connection_refused_is_one_sentence(self):
        run = self.get("--retries", "1", "http://127.0.0.1:1/", status=1)
        self.assertEqual(run.stderr.count(b"\n"), 1)
        self.assertIn(b"connection refused", run.stderr)

    def test_verbose_tells_of_connections_and_retries(self):
        err = self.get("-v", "--retries", "1", "http://127.0.0.1:1/", status=1).stderr.decode()
        self.assertIn("* connection", err)
        self.assertIn("trying again in 100 ms (1 of 1): could not connect", err)
        err = self.get("-v", origin.url + "/").stderr.decode()
        self.assertIn(f"open: 127.0.0.1:{origin.port}", err)
        self.assertIn("dialing -> ", self.get("-vv", origin.url + "/").stderr.decode())

    def test_the_log_is_the_environment_s(self):
        env = harness.environment(BELAY_LOG="debug")
        self.assertIn(b"[dial] debug: ", self.get(origin.url + "/", env=env).stderr)
        env = harness.environment(BELAY_LOG="nonsense=")
        self.assertIn(b"BELAY_LOG", self.get(origin.url + "/", env=env, status=2).stderr)

    def test_unix_sockets_are_dialled(self):
        harness.Origin("--bind", f"unix:{self.dir}/s")
        self.assertEqual(self.get("--unix", "s", "http://anything.test/").stdout, b"hello")
        self.assertIn(b"no such file", self.get("--unix", "nope", "--retries", "0", "http://a.test/", status=1).stderr.lower())

    def test_names_can_be_resolved_and_connected_elsewhere(self):
        port = origin.port
        out = self.get("--resolve", f"a.test:{port}:127.0.0.1", f"http://a.test:{port}/headers").stdout
        self.assertIn(f"Host: a.test:{port}".encode(), out)
        out = self.get("--connect-to", f"b.test:80:127.0.0.1:{port}", "http://b.test/headers").stdout
        self.assertIn(b"Host: b.test\n", out)
        self.get("-L", "--resolve", f"a.test:{port}:127.0.0.1",
                 f"{origin.url}/redirect-to?url=http://a.test:{port}/")

    def test_help_and_version(self):
        self.assertIn(b"belay get", self.belay("help").stdout + self.belay("help", "get").stdout)
        self.assertEqual(self.belay("get", "--help").stdout, self.belay("help", "get").stdout)
        self.assertRegex(self.belay("--version").stdout, rb"^belay \d+\.\d+\.\d+\n$")
        for line in self.belay("help", "get").stdout.decode().splitlines():
            self.assertLessEqual(len(line), 100)


harness.main()
