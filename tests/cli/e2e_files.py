# SPDX-License-Identifier: MIT
"""Files: whole or not at all, never over another by chance, never outside their directory."""
import os
import signal
import time

import harness

origin = harness.Origin()


class Files(harness.Case):
    def test_output_is_written_and_replaces_what_was_there(self):
        (self.dir / "f").write_bytes(b"old")
        self.get("-o", "f", origin.url + "/bytes/1000")
        self.assertEqual((self.dir / "f").stat().st_size, 1000)
        self.assertEqual(self.left_behind(), ["f"])
        self.assertEqual((self.dir / "f").stat().st_mode & 0o777, 0o666 & ~self.umask())

    @staticmethod
    def umask():
        mask = os.umask(0)
        os.umask(mask)
        return mask

    def test_a_body_cut_short_leaves_what_was_there(self):
        (self.dir / "f").write_bytes(b"old")
        for path in ("/short/1000", "/reset-after/100", "/bad-chunk"):
            self.get("--retries", "0", "-o", "f", origin.url + path, status=1)
        self.assertEqual((self.dir / "f").read_bytes(), b"old")
        self.assertEqual(self.left_behind(), ["f"])

    def test_an_interrupted_body_leaves_nothing(self):
        run = self.start("get", "-o", "f", origin.url + "/drip/1000?ms=50")
        deadline = time.monotonic() + harness.LIMIT
        while not self.left_behind() and time.monotonic() < deadline:
            time.sleep(0.01)  # until the temporary file is there: no event tells
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=harness.LIMIT)
        self.assertEqual(run.returncode, 130)
        self.assertEqual(self.left_behind(), [])

    def test_what_is_no_file_is_written_as_it_is(self):
        self.get("-o", "/dev/null", origin.url + "/")
        self.assertFalse(os.path.isfile("/dev/null"))
        self.assertEqual(self.get("-o", "-", origin.url + "/").stdout, b"hello")

    def test_a_link_stays_a_link(self):
        (self.dir / "real").write_bytes(b"old")
        (self.dir / "link").symlink_to("real")
        self.get("-o", "link", origin.url + "/")
        self.assertTrue((self.dir / "link").is_symlink())
        self.assertEqual((self.dir / "real").read_bytes(), b"hello")

    def test_a_directory_gets_a_file_for_each_url_and_collisions_are_numbered(self):
        (self.dir / "d").mkdir()
        urls = [origin.url + "/bytes/10", origin.url + "/bytes/10?x", origin.url + "/", origin.url + "/chunked/5"]
        out = self.get("-O", "d", *urls).stdout
        self.assertIn(b"4 requests", out)
        self.get("-O", "d", origin.url + "/bytes/10")
        self.assertEqual(sorted(p.name for p in (self.dir / "d").iterdir()), ["10", "10.1", "10.2", "5", "index.html"])

    def test_unsafe_names_are_made_safe(self):
        (self.dir / "d").mkdir()
        (self.dir / "passwd").write_bytes(b"old")
        for path in ("/bytes/%2e%2e%2fpasswd", "/..%2f..%2fpasswd", "/.hidden", "/-rf", "/a%0ab", "/%1b[2J"):
            self.get("-O", "d", origin.url + path.replace("[", "%5b"))
        for p in (self.dir / "d").iterdir():
            self.assertRegex(p.name, r"^[^./-][^/\x00-\x1f]*$")
        self.assertEqual((self.dir / "passwd").read_bytes(), b"old")
        self.assertEqual(self.left_behind(), ["d", "passwd"])

    def test_many_bodies_at_once_are_not_mixed(self):
        (self.dir / "d").mkdir()
        self.get("-O", "d", "-n", "200", "-c", "32", origin.url + "/bytes/50000")
        expected = bytes(ord("a") + i % 26 for i in range(50000))
        files = list((self.dir / "d").iterdir())
        self.assertEqual(len(files), 200)
        for p in files:
            self.assertEqual(p.read_bytes(), expected)

    def test_a_full_disk_is_a_failure_that_says_so(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        run = self.get("-o", "/dev/full", origin.url + "/", status=1)
        self.assertIn(b"No space left", run.stderr)

    def test_a_missing_standard_output_is_an_error(self):
        run = self.start("get", origin.url + "/", stdout=None, preexec_fn=lambda: os.close(1))
        self.assertIn(b"standard output", run.communicate(timeout=harness.LIMIT)[1])
        self.assertEqual(run.returncode, 1)

    def test_a_file_is_retried_from_its_beginning(self):
        self.get("--retry-unsafe", "--retries", "1", "-o", "f", origin.url + "/gone-once?id=file")
        self.assertEqual((self.dir / "f").read_bytes(), b"hello")


harness.main()
