# SPDX-License-Identifier: MIT
"""Bad input: exit 2, one line that names the thing, nothing on standard output, nothing left behind."""
import harness

origin = harness.Origin()
URL = origin.url + "/"

# Arguments of `belay get`, and words that must be in the one line.
BAD = [
    ([], "no URL"),
    (["htpp://a/"], "htpp"),
    (["http://"], "host"),
    (["http:///x"], "host"),
    (["http://a:0/"], "0"),
    (["http://a:70000/"], "70000"),
    (["http://a:-1/"], "-1"),
    (["http://[::1/"], "bracket"),
    (["http://a\x01b/"], "\\x01"),
    (["http://a/\x1b[31m"], "\\x1b"),
    (["http://a b/"], "a b"),
    (["http://" + "a" * 65000 + "/"], "aaa"),
    (["http://a/" + "b" * 70000], "bbb"),
    (["http://gr\u00fc\u00df.test/"], "ASCII"),
    (["localhost:8080"], "localhost"),
    (["tcp://a:1"], "tcp"),
    (["--no-such", URL], "--no-such"),
    (["-i", URL], "curl's -i"),
    (["-i", "missing", URL], "missing"),
    (["-i", "empty"], "-i"),
    (["-i", "bad"], "bad: line "),
    (["-i", "nul"], "line 2"),
    (["-d", "@missing", URL], "missing"),
    (["-T", "missing", URL], "missing"),
    (["-T", ".", URL], "directory"),
    (["-o", "no/such/dir", URL], "no/such/dir"),
    (["-o", ".", URL], "directory"),
    (["-O", "missing", URL], "missing"),
    (["-O", "empty", URL], "empty"),
    (["-O", "/proc", URL], "/proc"),
    (["-D", "no/such", URL], "no/such"),
    (["-o", "x", URL, URL], "-O DIR"),
    (["--cacert", "missing", URL], "missing"),
    (["--cacert", "empty", URL], "empty"),
    (["--cacert", "bad", URL], "bad"),
    (["--capath", "missing", URL], "missing"),
    (["--cert", "missing", URL], "missing"),
    (["--cert", "C/client.pem", "--key", "C/server.key", URL], "does not belong"),
    (["--cert", "C/client.pem", "--key", "C/client-enc.key", "--pass", "wrong", URL], "passphrase"),
    (["--pinnedpubkey", "sha256//short", URL], "sha256//"),
    (["-H", "a: b\r\nc: d", URL], "\\r\\n"),
    (["-H", "a\nb: c", URL], "\\n"),
    (["-X", "GET / HTTP/1.1\r\nX: y", URL], "\\r\\n"),
    (["-u", "a:b\n", URL], "-u"),
    (["-x", "ftp://me:53cr3t@a:1", URL], "no proxy is a \"ftp\""),
    (["-x", "http://me:53cr3t@a:99999", URL], "--proxy"),
    (["-x", "socks4://me:53cr3t@a", URL], "SOCKS 4"),
    (["-x", "a:1 b:1", "-U", "me:53cr3t", URL], "user"),
    (["-U", "me", URL], "NAME:PASSWORD"),
    (["-n", "0", URL], "-n"),
    (["-n", "-1", URL], "-n"),
    (["-n", "9223372036854775808", URL], "-n"),
    (["-c", "1000000", URL], "-c"),
    (["--max-connections", "0", URL], "--max-connections"),
    (["-m", "-1s", URL], "-m"),
    (["-m", "999999999999999h", URL], "-m"),
    (["--rate", "-1", URL], "--rate"),
    (["--interface", "no-such0", URL], "no-such0"),
    (["--resolve", "a:1", URL], "--resolve"),
    (["--unix", "x" * 200, URL], "unix"),
    (["-6", URL], "IPv6"),
    (["-4", "http://[::1]:1/"], "IPv4"),
    (["--http2", "--http1.1", URL], "do not go together"),
    (["--http1.1", "--http2-prior-knowledge", URL], "do not go together"),
]


class Errors(harness.Case):
    def setUp(self):
        super().setUp()
        (self.dir / "empty").write_bytes(b"")
        (self.dir / "bad").write_bytes(b"ftp://a/\n")
        (self.dir / "nul").write_bytes(b"# urls\nhttp://a/\0b\n")
        (self.dir / "C").symlink_to(harness.certs())

    def test_bad_input_is_refused_in_one_line(self):
        before = self.left_behind()
        for args, words in BAD:
            with self.subTest(args=[a[:80] for a in args]):
                run = self.belay("get", *args)
                err = run.stderr.decode()
                self.assertEqual(run.returncode, 2, err)
                self.assertEqual(run.stdout, b"")
                self.assertEqual(err.count("\n"), 1, err)
                self.assertTrue(err.startswith("belay: "), err)
                self.assertIn(words, err)
                self.assertTrue(err.strip().isprintable(), repr(err))
        self.assertEqual(self.left_behind(), before)

    def test_nothing_is_asked_when_one_url_of_many_is_bad(self):
        seen = harness.Origin("--log", str(self.dir / "log"))
        self.get(seen.url + "/", "http://a:0/", "-n", "10", status=2)
        log = self.dir / "log"
        self.assertEqual(log.read_bytes() if log.exists() else b"", b"")

    def test_commands_are_told_apart(self):
        for args, words in [([], "belay help"), (["gte"], "did you mean get?"), ([URL], "belay get URL"),
                            (["grpc"], "no target"),
                            (["watch"], "belay watch HOST:PORT"), (["help", "nope"], "no such command"),
                            (["--nope"], "--nope")]:
            run = self.belay(*args)
            self.assertEqual(run.returncode, 2)
            self.assertIn(words, run.stderr.decode())

    def test_broken_answers_fail_in_one_line_with_their_reason(self):
        for path in ("bad-status-line", "bad-version", "contradictory-length", "length-and-chunked", "negative-length",
                     "overflow-length", "bad-chunk", "chunk-overflow", "bad-header", "nul-header", "obs-fold",
                     "endless-headers", "endless-informational", "no-reply", "rst", "short/1000"):
            with self.subTest(path=path):
                run = self.get("--retries", "0", "-o", "out", f"{origin.url}/{path}", status=1)
                self.assertEqual(run.stderr.count(b"\n"), 1, run.stderr)
                self.assertIn(path.split("/")[0].encode(), run.stderr)
                self.assertFalse((self.dir / "out").exists())


harness.main()
