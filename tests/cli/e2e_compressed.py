# SPDX-License-Identifier: MIT
"""--compressed: what comes packed is unpacked, and what is not sound is never taken for an answer."""
import gzip
import json
import zlib

import harness

TEXT = b"All work and no play makes Jack a dull boy.\n" * 20000


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


GZIP = gzip.compress(TEXT)
BOMB = 300_000_000
BODIES = {
    "/gzip": ("gzip", GZIP),
    "/x-gzip": ("x-gzip", GZIP),
    "/deflate": ("deflate", zlib.compress(TEXT)),
    "/raw": ("deflate", raw_deflate(TEXT)),
    "/identity": ("identity", TEXT),
    "/plain": (None, TEXT),
    "/two": ("gzip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])),
    "/empty": ("gzip", b""),
    "/empty-packed": ("gzip", gzip.compress(b"")),
    "/short": ("gzip", GZIP[:-1]),
    "/shorter": ("deflate", zlib.compress(TEXT)[:1]),
    "/corrupt": ("gzip", GZIP[:10] + b"\xff\xff\xff\xff" + GZIP[14:]),
    "/checksum": ("gzip", GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:]),
    "/not": ("gzip", b"this is no gzip"),
    "/tail": ("gzip", GZIP + b"tail"),
    "/tail-deflate": ("deflate", zlib.compress(TEXT) + b"tail"),
    "/br": ("br", b"whatever"),
    "/twice": ("gzip, deflate", GZIP),
    "/bomb": ("gzip", gzip.compress(b"\0" * BOMB, 1)),
    "/binary": ("gzip", gzip.compress(b"\0\1\2")),
}


def answer(h):
    if h.path == "/asked":
        encoding, body = None, (h.headers.get("Accept-Encoding") or "nothing").encode()
    elif h.path == "/redirect":
        h.send_response(302)
        h.send_header("Location", "/gzip")
        encoding, body = "gzip", b"no gzip, and not looked at"
    else:
        encoding, body = BODIES[h.path.rstrip("~")]
    if h.path != "/redirect":
        h.send_response(200)
    if encoding:
        h.send_header("Content-Encoding", encoding)
    if h.path.endswith("~"):  # a byte at a time
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        for i in range(len(body)):
            h.wfile.write(b"1\r\n%c\r\n" % body[i])
        h.wfile.write(b"0\r\n\r\n")
        return
    h.send_header("Content-Length", str(len(body)))
    h.end_headers()
    if h.command != "HEAD":
        h.wfile.write(body)


URL = harness.Scripted(answer).url


class Compressed(harness.Case):
    def test_it_is_asked_for_only_when_wanted(self):
        self.assertEqual(self.get(URL + "/asked").stdout, b"nothing")
        self.assertEqual(self.get("--compressed", URL + "/asked").stdout, b"gzip, deflate")
        self.assertEqual(self.get("--compressed", "-H", "Accept-Encoding: gzip", URL + "/asked").stdout, b"gzip")
        self.assertEqual(self.get(URL + "/gzip").stdout, GZIP)

    def test_every_packing_is_unpacked(self):
        for path in ("/gzip", "/x-gzip", "/deflate", "/raw", "/identity", "/plain", "/two", "/gzip~", "/raw~", "/two~"):
            self.assertEqual(self.get("--compressed", URL + path).stdout, TEXT, path)
        for path in ("/empty", "/empty-packed"):
            self.assertEqual(self.get("--compressed", URL + path).stdout, b"", path)

    def test_it_goes_wherever_bodies_go(self):
        (self.dir / "d").mkdir()
        self.get("--compressed", "-o", "f", URL + "/gzip")
        self.assertEqual((self.dir / "f").read_bytes(), TEXT)
        self.get("--compressed", "-O", "d", URL + "/gzip", URL + "/raw", "-n", "20")
        for p in (self.dir / "d").iterdir():
            self.assertEqual(p.read_bytes(), TEXT)
        self.assertEqual(len(list((self.dir / "d").iterdir())), 20)
        self.assertEqual(self.get("--compressed", "-L", URL + "/redirect").stdout, TEXT)
        self.assertIn(b"Content-Encoding: gzip", self.get("--compressed", "-I", URL + "/gzip").stdout)
        self.assertEqual(self.get("--compressed", "--discard", "-q", URL + "/gzip").stdout, b"")

    def test_what_is_not_sound_is_an_error_that_says_what(self):
        for path, words in (
            ("/short", b"ends before its end"),
            ("/shorter", b"ends before its end"),
            ("/corrupt", b"no sound gzip data at byte"),
            ("/checksum", b"incorrect data check"),
            ("/not", b"incorrect header check"),
            ("/tail", b"no sound gzip data"),
            ("/tail-deflate", b"more follows its end"),
            ("/br", b'packed as "br"'),
            ("/twice", b"packed twice"),
        ):
            run = self.get("--compressed", "-o", "f", URL + path, status=1)
            self.assertEqual(run.stderr.count(b"\n"), 1, run.stderr)
            self.assertIn(b"unpacking the body", run.stderr)
            self.assertIn(words, run.stderr, path)
            self.assertEqual(self.left_behind(), [], path)

    def test_many_are_counted_packed_and_unpacked(self):
        summary = json.loads(self.get("--compressed", "--json", "-n", "50", URL + "/gzip").stdout)
        self.assertEqual((summary["bytes"], summary["bytes_unpacked"]), (50 * len(GZIP), 50 * len(TEXT)))
        run = self.get("--compressed", "--json", "-n", "10", URL + "/gzip", URL + "/short", status=1)
        summary = json.loads(run.stdout)
        self.assertEqual((summary["ok"], summary["errors"]), (5, {"decode": 5}))

    def test_a_bomb_streams(self):
        run = self.start("get", "--compressed", URL + "/bomb")
        n = 0
        while n < BOMB - 10_000_000:
            n += len(run.stdout.read(1_000_000))
        with open(f"/proc/{run.pid}/status") as f:
            most = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
        n += len(run.stdout.read())
        self.assertEqual((run.wait(harness.LIMIT), n, run.stderr.read()), (0, BOMB, b""))
        self.assertLess(most, BOMB / 1024 / 2)
        run.stdout.close()
        run.stderr.close()


harness.main()
