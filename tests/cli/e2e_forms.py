# SPDX-License-Identifier: MIT
"""-F: what arrives is what a browser's form would have sent."""
import email
import email.policy
import json
import os

import harness

origin = harness.Origin()
ECHO = origin.url + "/echo"


class Forms(harness.Case):
    def parts(self, *args, url=ECHO, **options):
        """What the server saw: a list of (name, filename, type, content)."""
        out = self.get("-D", "-", *args, url, **options).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        self.head = head.decode()
        lines = [line for line in self.head.split("\r\n") if line.startswith("X-Echo-Content-Type: ")]
        self.type = lines[0].split(": ", 1)[1]
        message = email.message_from_bytes(b"Content-Type: " + self.type.encode() + b"\r\n\r\n" + body,
                                           policy=email.policy.HTTP)
        found = []
        for part in message.iter_parts():
            of = part["Content-Disposition"].params
            content = part.get_payload(decode=True)
            found.append((of["name"], of.get("filename"), part["Content-Type"] and str(part["Content-Type"]).replace('"', ""), content))
        return found

    def test_fields_files_and_contents_of_files_are_sent(self):
        (self.dir / "a.txt").write_bytes(b"text\n")
        (self.dir / "b").write_bytes(bytes(range(256)))
        found = self.parts("-F", "x=1", "-F", "f=@a.txt", "-F", "g=@b", "-F", "c=<a.txt", "-F", "e=")
        self.assertEqual(found, [
            ("x", None, None, b"1"),
            ("f", "a.txt", "text/plain", b"text\n"),
            ("g", "b", "application/octet-stream", bytes(range(256))),
            ("c", None, None, b"text\n"),
            ("e", None, None, b""),
        ])
        self.assertIn("X-Echo-Method: POST", self.head)
        self.assertIn("X-Echo-Content-Length: ", self.head)

    def test_type_and_filename_can_be_said(self):
        (self.dir / "dir").mkdir()
        (self.dir / "dir" / "a;b.txt").write_bytes(b"z")
        found = self.parts("-F", "f=@dir/a;b.txt", "-F", "g=@\"dir/a;b.txt\";type=text/x;filename=other",
                           "-F", "h=v;type=text/y; charset=utf-8", "-F", "i=a;b;c", "-F", 'j="q;type=no"')
        self.assertEqual([(n, f, t) for n, f, t, _ in found], [
            ("f", "a;b.txt", "text/plain"), ("g", "other", "text/x"), ("h", None, "text/y; charset=utf-8"),
            ("i", None, None), ("j", None, None)])
        self.assertEqual([c for _, _, _, c in found], [b"z", b"z", b"v", b"a;b;c", b"q;type=no"])
        self.assertEqual(self.parts("--form-string", "k=@x;type=y/z")[0][3], b"@x;type=y/z")

    def test_names_are_escaped_as_browsers_do(self):
        out = self.get("-F", 'a"b\r\nc=1', "-F", 'f=@/dev/null;filename="x\\"y"', ECHO).stdout
        self.assertIn(b'name="a%22b%0D%0Ac"', out)
        self.assertIn(b'filename="x%22y"', out)

    def test_boundaries_differ(self):
        self.parts("-F", "a=1")
        first = self.type
        self.parts("-F", "a=1")
        self.assertNotEqual(first, self.type)

    def test_a_type_of_one_s_own_gets_the_boundary(self):
        self.parts("-F", "a=1", "-H", "Content-Type: multipart/related")
        self.assertRegex(self.type, r"^multipart/related; boundary=")
        run = self.get("-F", "a=1", "-H", "Content-Type: text/plain", ECHO, status=2)
        self.assertIn(b"-F sends a multipart type", run.stderr)

    def test_a_form_is_sent_again_where_a_redirect_or_a_lost_connection_wants_it(self):
        data = b"0123456789" * 100000
        (self.dir / "f").write_bytes(data)
        url = f"{origin.url}/redirect-to?url=/echo&code=307"
        found = self.get("-L", "-F", "a=1", "-F", "f=@f", url).stdout
        self.assertEqual(found.count(data), 1)
        self.get("-F", "f=@f", "--retry-unsafe", origin.url + "/gone-once?id=form")

    def test_many_requests_send_the_same_files_at_once(self):
        (self.dir / "f").write_bytes(b"y" * 100000)
        summary = json.loads(self.get("-F", "f=@f", "-n", "50", "-c", "10", "--json", ECHO).stdout)
        self.assertEqual((summary["ok"], summary["bytes"]), (50, summary["bytes_sent"]))
        self.assertGreater(summary["bytes"], 5000000)

    def test_a_stream_is_sent_in_chunks_and_once(self):
        found = self.parts("-F", "f=@-", "-F", "g=1", stdin=b"x" * 300000)
        self.assertEqual([len(c) for _, _, _, c in found], [300000, 1])
        self.assertIn("X-Echo-Transfer-Encoding: chunked", self.head)
        self.assertIn(b"only once", self.get("-n", "2", "-F", "f=@-", ECHO, status=2).stderr)
        self.assertIn(b"only once", self.get("-F", "f=@-", "-F", "g=<-", ECHO, status=2).stderr)

    def test_files_that_cannot_be_read_are_named_before_anything_is_asked(self):
        run = self.get("-F", "f=@nope", ECHO, status=2)
        self.assertIn(b"reading the body: nope: No such file", run.stderr)
        self.assertIn(b"one -F for each file", self.get("-F", "f=@a,b", ECHO, status=2).stderr)
        self.assertIn(b"names no file", self.get("-F", "f=@", ECHO, status=2).stderr)
        self.assertIn(b"media type", self.get("-F", "f=x;type=text", ECHO, status=2).stderr)
        self.assertIn(b"not supported", self.get("-F", "f=x;headers=@f", ECHO, status=2).stderr)

    def test_a_file_that_shrinks_is_named(self):
        path = self.dir / "f"
        with open(path, "wb") as f:
            f.truncate(200_000_000)

        def answer(h):
            h.rfile.read(1000)
            os.truncate(path, 0)  # while most of it is still to be sent
            while h.rfile.read(100000):
                pass

        run = self.get("--retries", "0", "-F", "f=@f", harness.Scripted(answer).url + "/", status=1)
        self.assertIn(b"sending f: it became shorter meanwhile", run.stderr)


harness.main()
