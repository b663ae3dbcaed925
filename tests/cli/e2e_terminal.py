# SPDX-License-Identifier: MIT
"""What a person sees on a terminal, and what a closed pipe does."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import harness

origin = harness.Origin()


class Terminal(harness.Case):
    def on_terminal(self, *args, columns=80, to_terminal=("stdout", "stderr"), **env):
        """Runs it on a pseudo terminal; all that was drawn."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        streams = {name: theirs for name in to_terminal}
        run = self.start("get", *args, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams},
                         env=harness.environment(TERM="xterm", **env))
        os.close(theirs)
        drawn = bytearray()

        def read():
            try:
                while piece := os.read(ours, 65536):
                    drawn.extend(piece)
            except OSError:
                pass  # the other end is closed

        reader = threading.Thread(target=read)
        reader.start()
        self.status = run.wait(harness.LIMIT)
        reader.join(harness.LIMIT)
        os.close(ours)
        return drawn.decode()

    def test_progress_is_drawn_and_taken_away(self):
        out = self.on_terminal("--for", "400ms", origin.url + "/delay/1")
        self.assertIn("0 failed", out)
        self.assertRegex(out, r"\[[=> ]{10}\]")
        self.assertIn("10 connections", out)
        self.assertIn("\r\033[K", out)
        self.assertIn("requests", out.rsplit("\033[K", 1)[1])

    def test_progress_never_wraps(self):
        for columns in (20, 40, 60, 80, 120):
            out = self.on_terminal("--for", "250ms", origin.url + "/delay/1", columns=columns, to_terminal=("stderr",))
            for line in re.split(r"[\r\n]", out):
                self.assertLess(len(re.sub(r"\033\[[0-9;]*[mK]", "", line)), columns)

    def test_no_color_means_none(self):
        self.assertIn("\033[36m", self.on_terminal("--for", "300ms", origin.url + "/delay/1"))
        self.assertNotRegex(self.on_terminal("--for", "300ms", origin.url + "/delay/1", NO_COLOR="1"), r"\033\[\d+m")

    def test_a_pipe_gets_neither_progress_nor_colours(self):
        run = self.get("--for", "300ms", origin.url + "/delay/1")
        self.assertNotIn(b"\033", run.stdout + run.stderr)
        self.assertEqual(run.stderr, b"")

    def test_lines_of_verbose_do_not_run_into_the_progress(self):
        out = self.on_terminal("-v", "--for", "300ms", "-c", "2", origin.url + "/delay/1")
        for line in re.split(r"[\r\n]", out):
            self.assertFalse("* connection" in line and "failed" in line, line)

    def test_a_binary_body_is_not_shown_to_a_terminal(self):
        (self.dir / "f").write_bytes(b"\0\1\2")
        out = self.on_terminal("-T", "f", origin.url + "/echo")
        self.assertEqual(self.status, 1)
        self.assertIn("-o FILE", out)
        self.on_terminal("-T", "f", "-o", "-", origin.url + "/echo")
        self.assertEqual(self.status, 0)

    def test_a_closed_pipe_ends_it_quietly(self):
        run = self.start("get", origin.url + "/bytes/100000000")
        run.stdout.read(10)
        run.stdout.close()
        self.assertEqual(run.wait(harness.LIMIT), 1)
        self.assertEqual(run.stderr.read(), b"")
        run.stderr.close()

    def test_a_reader_that_pauses_gets_all_of_it(self):
        run = self.start("get", origin.url + "/bytes/3000000")
        first = run.stdout.read(10)
        self.assertEqual(len(first) + len(run.stdout.read()), 3000000)
        self.assertEqual(run.wait(harness.LIMIT), 0)
        run.stdout.close()
        run.stderr.close()


harness.main()
