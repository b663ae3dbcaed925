# SPDX-License-Identifier: MIT
"""The live table of `belay pool`: what it shows, what keys do, and that the terminal is left as it was found."""
import os
import re
import signal
import termios

import harness

origin = harness.Origin()
URL = origin.url + "/"
DEAD = "tcp://127.0.0.1:1"
ENTER = b"\033[?1049h"


class Live(harness.Case):
    def pool(self, *args, **options):
        return harness.Screen(harness.BELAY, "pool", *args, **options)

    def ended(self, screen, status):
        got, rest = screen.end()
        self.assertEqual(got, status, screen.drawn[-2000:])
        self.assertEqual(screen.drawn.count(ENTER), screen.drawn.count(screen.LEAVE))
        self.assertEqual(screen.drawn.count(b"\033[?25l"), screen.drawn.count(b"\033[?25h"))
        return rest

    def row(self, frame, name):
        """The figures of a row, by the names of their columns."""
        lines = frame.splitlines()
        head = next(line for line in lines if line.strip().startswith("endpoint"))
        row = next(line for line in lines if name in line.split("  ")[0] or line.strip().startswith(name))
        return dict(zip(head.split()[1:], (int(n.replace(",", "")) for n in row.split(name)[1].split())))

    def test_figures_are_shown_and_the_summary_stays(self):
        screen = self.pool("-c", "3", "--every", "100ms", URL, DEAD)
        frame = screen.wait_for(lambda f: "total" in f and self.row(f, origin.url)["reused"] > 5)
        self.assertIn("belay pool  running  2 endpoints, 3 each every 100 ms", frame)
        self.assertEqual(self.row(frame, origin.url)["created"], 3)
        screen.wait_for(["failed  connect, ", ": connection refused"])
        screen.press("q")
        self.assertIn(f"● {origin.url}", self.ended(screen, 1))

    def test_it_fits_every_terminal_and_follows_its_size(self):
        urls = [URL] + [f"tcp://127.0.0.1:{port}" for port in range(1, 30)]
        screen = self.pool("--retries", "0", "--every", "50ms", "--events", *urls, columns=100, lines=100)
        screen.wait_for(["total", "tcp://127.0.0.1:29", "failed  connect"])
        for columns, lines in ((80, 24), (120, 12), (40, 8), (20, 5)):
            screen.resize(columns, lines)
            count = len(screen.frames())
            while len(screen.frames()) < count + 4:
                self.assertTrue(screen.read())
            frame = screen.frames()[-2].splitlines()
            self.assertLessEqual(len(frame), lines)
            self.assertLessEqual(max(map(len, frame)), columns)
            self.assertIn("endpoint", "".join(frame))
            self.assertRegex("".join(frame), r"and \d+ endp")
        screen.press("q")
        self.ended(screen, 1)

    def test_keys_suspend_resume_clear_and_drain(self):
        screen = self.pool("-c", "2", "--every", "50ms", "--events", URL)
        screen.wait_for(lambda f: "endpoint " in f and self.row(f, origin.url)["reused"] > 3)
        screen.press("s")
        screen.wait_for(lambda f: " suspended " in f and self.row(f, origin.url)["wait"] == 2)
        screen.press("r")
        screen.wait_for(lambda f: " running " in f and self.row(f, origin.url)["wait"] == 0)
        screen.press("c")
        screen.wait_for(lambda f: re.search(r"closed  [12] cleared", f))
        screen.wait_for(lambda f: self.row(f, origin.url)["created"] > 2)
        screen.press("d")
        rest = self.ended(screen, 0)
        self.assertRegex(rest, r"closed.* pool_closed")
        self.assertEqual(self.row(rest, origin.url)["idle"], 0)

    def test_draining_waits_for_what_is_under_way(self):
        screen = self.pool("--every", "50ms", "--hold", "700ms", URL.replace("http", "tcp").rstrip("/"))
        screen.wait_for(lambda f: "endpoint " in f and self.row(f, f"tcp://127.0.0.1:{origin.port}")["active"] == 1)
        screen.press("d")
        screen.wait_for(" draining ")
        self.assertIn("1 uses", self.ended(screen, 0))

    def test_events_and_what_is_said_stand_below_the_table(self):
        screen = self.pool("--events", "-v", "--every", "50ms", URL, lines=30)
        frame = screen.wait_for(["* connection", "  open ", "  reuse "])
        lines = frame.splitlines()
        self.assertLess(next(i for i, line in enumerate(lines) if "endpoint" in line),
                        next(i for i, line in enumerate(lines) if "  open " in line))
        self.assertIn("d drain  c clear  s suspend  r resume  q quit", lines[-1])
        screen.press("q")
        self.ended(screen, 0)

    def test_colours_obey_no_color(self):
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            screen = self.pool("--for", "300ms", URL, **env)
            self.ended(screen, 0)
            self.assertEqual(bool(re.search(rb"\033\[3[0-9]m", screen.drawn)), coloured)

    def test_signals_leave_the_terminal_as_it_was(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)):
            screen = self.pool(URL)
            screen.wait_for("endpoint")
            self.assertFalse(screen.settings()[3] & termios.ICANON)
            os.kill(screen.pid, number)
            screen.wait_for_bytes(screen.LEAVE)
            self.assertIn(origin.url, self.ended(screen, status))

    def test_control_c_is_a_signal(self):
        screen = self.pool(URL)
        screen.wait_for("endpoint")
        screen.press("\x03")
        self.ended(screen, 130)

    def test_stopping_gives_the_terminal_back_and_going_on_takes_it_again(self):
        # A shell with job control: what is stopped gives way to its next command.
        script = '"$@"; echo "stopped with $?"; stty -a | tr " " "\\n" | grep -x "[-]*icanon;*"; fg >/dev/null; echo "ended with $?"'
        screen = harness.Screen("/bin/bash", "-mc", script, "bash", harness.BELAY, "pool", "--every", "50ms", URL)
        screen.wait_for("endpoint")
        screen.press("\x1a")
        screen.wait_for_bytes(b"stopped with 148")
        count = len(screen.frames())
        until_then = screen.drawn.split(b"stopped with")[0]
        self.assertEqual(until_then.count(ENTER), until_then.count(screen.LEAVE))
        while len(screen.frames()) < count + 3:
            self.assertTrue(screen.read())
        self.assertIn(b"\nicanon", screen.drawn.replace(b"\r", b""))
        self.assertEqual(screen.drawn.count(ENTER), 2)
        screen.press("q")
        self.assertIn("ended with 0", self.ended(screen, 0))

    def test_the_settings_are_those_of_before(self):
        script = '"$@" >/dev/tty; stty -a'
        screen = harness.Screen("/bin/sh", "-c", "stty -a; " + script, "sh", harness.BELAY, "pool", "--for", "300ms", URL)
        status, _ = screen.end()
        self.assertEqual(status, 0)
        first, last = (re.findall(rb"-?\b(?:icanon|echo|isig)\b", part)[:3] for part in
                       (screen.drawn.split(ENTER)[0], screen.drawn.split(screen.LEAVE)[1]))
        self.assertEqual(first, last)

    def test_a_job_in_the_background_draws_nothing(self):
        script = '"$@" & wait $!'
        screen = harness.Screen("/bin/bash", "-mc", script, "bash", harness.BELAY, "pool", "--for", "300ms", URL)
        status, _ = screen.end()
        self.assertEqual(status, 0)
        self.assertNotIn(ENTER, screen.drawn)
        self.assertIn(b"uses", screen.drawn)


harness.main()
