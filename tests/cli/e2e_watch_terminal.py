# SPDX-License-Identifier: MIT
"""The live table of `belay watch`: what it shows, what keys do, and that the terminal is left as it was found."""
import os
import re
import signal
import termios

import harness
from peer import Peer

ENTER = b"\033[?1049h"


class Live(harness.Case):
    def watch(self, *args, **options):
        return harness.Screen(harness.BELAY, "watch", "--retry-delay", "50ms", *args, **options)

    def ended(self, screen, status):
        got, rest = screen.end()
        self.assertEqual(got, status, screen.drawn[-2000:])
        self.assertEqual(screen.drawn.count(ENTER), screen.drawn.count(screen.LEAVE))
        self.assertEqual(screen.drawn.count(b"\033[?25l"), screen.drawn.count(b"\033[?25h"))
        return rest

    def test_the_table_follows_what_happens_and_the_summary_stays(self):
        with Peer() as peer:
            screen = self.watch(f"db={peer.address}", "127.0.0.1:1", columns=100)
            conn = peer.accept()
            frame = screen.wait_for(["1 of 2 up", "db", "connect, now: connection refused"])
            self.assertRegex(frame, r"service +state +for +uptime +reconnects +next try")
            self.assertRegex(frame, r"● db +up +0 s +100 % +0")
            self.assertIn(f"at {peer.address}", frame)
            conn.close()
            peer.accept()
            screen.wait_for(lambda f: re.search(r"● db +up +\d+ s +[\d.]+ % +1\b", f) and "closed the connection" in f)
            peer.accept_no_more()
            peer.conns[-1].close()
            screen.wait_for(lambda f: "0 of 2 up" in f and re.search(r"○ db +(down|connecting)", f))
            screen.press("q")
            self.assertIn("0 of 2 up after", self.ended(screen, 1))

    def test_it_fits_every_terminal_and_follows_its_size(self):
        addresses = [f"127.0.0.1:{port}" for port in range(1, 20)]
        screen = self.watch("--events", *addresses, columns=100, lines=100)
        screen.wait_for(["127.0.0.1:19", "connection refused"])
        for columns, lines in ((80, 24), (120, 12), (40, 8), (20, 5)):
            screen.resize(columns, lines)
            count = len(screen.frames())
            while len(screen.frames()) < count + 4:
                self.assertTrue(screen.read())
            frame = screen.frames()[-2].splitlines()
            self.assertLessEqual(len(frame), lines)
            self.assertLessEqual(max(map(len, frame)), columns)
            self.assertRegex("".join(frame), r"and \d+ serv")
        screen.press("q")
        self.ended(screen, 1)

    def test_a_key_tries_now(self):
        screen = harness.Screen(harness.BELAY, "watch", "--retry-delay", "1h", "--events", "127.0.0.1:1")
        screen.wait_for(["failed to connect", "down", "in "])
        screen.wait_for(lambda f: "connect, 1 s ago" in f)
        screen.press("t")
        screen.wait_for(lambda f: "connect, now" in f)
        screen.press("q")
        self.ended(screen, 1)

    def test_events_and_what_is_said_stand_below_the_table(self):
        with Peer() as peer:
            screen = self.watch("--events", "-v", "--exec", "exit 1", f"db={peer.address}", lines=30)
            peer.accept()
            frame = screen.wait_for(["connected to", "running --exec: the command ended with status 1"])
            lines = frame.splitlines()
            self.assertLess(next(i for i, line in enumerate(lines) if "service" in line),
                            next(i for i, line in enumerate(lines) if "connected to" in line))
            self.assertIn("t try now  q quit", lines[-1])
            screen.press("q")
            self.ended(screen, 0)

    def test_a_terminal_that_cannot_be_drawn_on_gets_lines(self):
        for term in ("dumb", ""):
            with Peer() as peer:
                screen = self.watch(peer.address, TERM=term)
                screen.wait_for_bytes(b"connected")
                screen.press("\x03")
                status, shown = screen.end()
                self.assertEqual(status, 130)
                self.assertNotIn(b"\033", screen.drawn)
                self.assertRegex(shown, r"belay: no table on this terminal \(TERM\): a line for each event; Ctrl-C ends it\n"
                                        r"[\d:.]+  tcp://[\d.:]+  attempting to connect\n(.*\n)*"
                                        r".*1 of 1 up after ")

    def test_colours_obey_no_color(self):
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            screen = self.watch("--for", "300ms", "127.0.0.1:1", **env)
            self.ended(screen, 1)
            self.assertEqual(bool(re.search(rb"\033\[3[0-9]m", screen.drawn)), coloured)

    def test_signals_leave_the_terminal_as_it_was(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)):
            screen = self.watch("127.0.0.1:1")
            screen.wait_for("service")
            self.assertFalse(screen.settings()[3] & termios.ICANON)
            os.kill(screen.pid, number)
            screen.wait_for_bytes(screen.LEAVE)
            self.assertIn("127.0.0.1:1", self.ended(screen, status))

    def test_what_follows_has_the_terminal(self):
        with Peer() as peer:
            screen = self.watch(peer.address, "--", "sh", "-c", "stty -a | tr ' ' '\\n' | grep -x '[-]*icanon;*'; echo done")
            peer.accept()
            rest = self.ended(screen, 0)
            self.assertEqual(rest, "icanon\ndone\n")

    def test_stopping_gives_the_terminal_back_and_going_on_takes_it_again(self):
        script = '"$@"; echo "stopped with $?"; stty -a | tr " " "\\n" | grep -x "[-]*icanon;*"; fg >/dev/null; echo "ended with $?"'
        screen = harness.Screen("/bin/bash", "-mc", script, "bash", harness.BELAY, "watch", "127.0.0.1:1")
        screen.wait_for("service")
        screen.press("\x1a")
        screen.wait_for_bytes(b"stopped with 148")
        count = len(screen.frames())
        while len(screen.frames()) < count + 3:
            self.assertTrue(screen.read())
        self.assertIn(b"\nicanon", screen.drawn.replace(b"\r", b""))
        screen.press("q")
        screen.wait_for_bytes(b"ended with 1")
        screen.end()


if __name__ == "__main__":
    harness.main()
