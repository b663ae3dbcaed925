# SPDX-License-Identifier: MIT
"""The live table of `belay pool`: what it shows, what keys do, and that the terminal is left as it was found."""
import re

import harness

origin = harness.Origin()
URL = origin.url + "/"
DEAD = "tcp://127.0.0.1:1"


class Live(harness.TerminalCase):
    def pool(self, *args, **options):
        return harness.Screen(harness.BELAY, "pool", *args, **options)

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
        for frame in self.in_each_size(screen):
            self.assertIn("endpoint", frame)
            self.assertRegex(frame, r"and \d+ endp")
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
        self.assertIn("d drain  c clear  s suspend  r resume  q quit", self.assert_order(frame, "endpoint", "  open "))
        screen.press("q")
        self.ended(screen, 0)

    def test_colours_obey_no_color(self):
        self.assert_coloured(lambda **env: self.pool("--for", "300ms", URL, **env), 0)

    def test_signals_leave_the_terminal_as_it_was(self):
        self.end_by_signals(lambda: self.pool(URL), "endpoint", origin.url)

    def test_control_c_is_a_signal(self):
        screen = self.pool(URL)
        screen.wait_for("endpoint")
        screen.press("\x03")
        self.ended(screen, 130)

    def test_stopping_gives_the_terminal_back_and_going_on_takes_it_again(self):
        screen = self.stop_and_go_on("pool", "--every", "50ms", URL, head="endpoint")
        self.assertIn("ended with 0", self.ended(screen, 0))

    def test_the_settings_are_those_of_before(self):
        script = '"$@" >/dev/tty; stty -a'
        screen = harness.Screen("/bin/sh", "-c", "stty -a; " + script, "sh", harness.BELAY, "pool", "--for", "300ms", URL)
        status, _ = screen.end()
        self.assertEqual(status, 0)
        first, last = (re.findall(rb"-?\b(?:icanon|echo|isig)\b", part)[:3] for part in
                       (screen.drawn.split(screen.ENTER)[0], screen.drawn.split(screen.LEAVE)[1]))
        self.assertEqual(first, last)

    def test_a_job_in_the_background_draws_nothing(self):
        script = '"$@" & wait $!'
        screen = harness.Screen("/bin/bash", "-mc", script, "bash", harness.BELAY, "pool", "--for", "300ms", URL)
        status, _ = screen.end()
        self.assertEqual(status, 0)
        self.assertNotIn(screen.ENTER, screen.drawn)
        self.assertIn(b"uses", screen.drawn)


harness.main()
