# SPDX-License-Identifier: MIT
"""What is sent: -d, --data-binary, -T, -H, -u."""
import harness

origin = harness.Origin()
ECHO = origin.url + "/echo"


class Bodies(harness.Case):
    def head_of(self, *args, **options):
        """The request as the server saw it: 'X-Echo-*' headers, and the body."""
        out = self.get("-D", "-", *args, ECHO, **options).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        return head.decode(), body

    def test_data_is_a_form_by_post(self):
        head, body = self.head_of("-d", "a=1", "-d", "b=2")
        self.assertIn("X-Echo-Method: POST", head)
        self.assertIn("X-Echo-Content-Type: application/x-www-form-urlencoded", head)
        self.assertEqual(body, b"a=1&b=2")

    def test_data_from_a_file_loses_its_line_ends_and_binary_data_does_not(self):
        (self.dir / "f").write_bytes(b"one\r\ntwo\n\0three\n")
        self.assertEqual(self.head_of("-d", "@f")[1], b"onetwothree")
        self.assertEqual(self.head_of("--data-binary", "@f")[1], b"one\r\ntwo\n\0three\n")

    def test_data_comes_from_standard_input(self):
        self.assertEqual(self.head_of("--data-binary", "@-", stdin=b"from\nstdin")[1], b"from\nstdin")

    def test_an_empty_body_is_a_body(self):
        head, body = self.head_of("-d", "")
        self.assertIn("X-Echo-Content-Length: 0", head)
        self.assertEqual(body, b"")

    def test_headers_are_added_replaced_and_taken_away(self):
        head, _ = self.head_of("-H", "X-Mine: yes", "-H", "X-Empty;", "-H", "User-Agent: me", "-H", "Content-Type: text/x",
                               "-d", "x")
        self.assertIn("X-Echo-X-Mine: yes", head)
        self.assertIn("X-Echo-X-Empty: \r\n", head + "\r\n")
        self.assertIn("X-Echo-User-Agent: me", head)
        self.assertIn("X-Echo-Content-Type: text/x", head)
        self.assertNotIn("urlencoded", head)
        self.assertNotIn("User-Agent", self.head_of("-H", "User-Agent:")[0])

    def test_a_file_is_uploaded_by_put_with_its_length(self):
        data = bytes(range(256)) * 4000
        (self.dir / "f").write_bytes(data)
        head, body = self.head_of("-T", "f")
        self.assertIn("X-Echo-Method: PUT", head)
        self.assertIn(f"X-Echo-Content-Length: {len(data)}", head)
        self.assertEqual(body, data)

    def test_an_upload_to_a_directory_takes_the_name_of_the_file(self):
        (self.dir / "f.txt").write_bytes(b"")
        out = self.get("-D", "-", "-T", "f.txt", ECHO + "/").stdout
        self.assertIn(b"f.txt", self.get("-w", "-T", "f.txt", origin.url + "/").stdout, out)

    def test_an_empty_file_is_uploaded(self):
        (self.dir / "f").write_bytes(b"")
        self.assertIn("X-Echo-Content-Length: 0", self.head_of("-T", "f")[0])

    def test_standard_input_is_uploaded_in_chunks_as_it_comes(self):
        head, body = self.head_of("-T", "-", stdin=b"x" * 300000)
        self.assertIn("X-Echo-Transfer-Encoding: chunked", head)
        self.assertEqual(len(body), 300000)

    def test_a_slow_standard_input_does_not_stop_the_clock(self):
        run = self.start("get", "-T", "-", "-m", "300ms", ECHO, stdin=harness.subprocess.PIPE)
        run.wait(harness.LIMIT)  # the pipe stays open and empty
        self.assertEqual(run.returncode, 1)
        self.assertIn(b"within 300 ms", run.stderr.read())
        for pipe in (run.stdin, run.stdout, run.stderr):
            pipe.close()

    def test_many_requests_send_the_same_file_at_once(self):
        (self.dir / "f").write_bytes(b"y" * 100000)
        out = self.get("-T", "f", "-n", "50", "-c", "10", "--json", ECHO).stdout
        summary = harness.json.loads(out)
        self.assertEqual((summary["ok"], summary["bytes"], summary["bytes_sent"]), (50, 5000000, 5000000))


harness.main()
