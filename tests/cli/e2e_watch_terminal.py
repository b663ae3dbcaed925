# SPDX-License-Identifier: MIT
"""The live table of `belay watch`: what it shows, what keys do, and that the terminal is left as it was found."""
import re

import harness
from peer import Peer


class Live(harness.TerminalCase):
    def watch(self, *args, **options):
        return harness.Screen(harness.BELAY, "watch", "--retry-delay", "50ms", *args, **options)

    def test_the_table_follows_what_happens_and_the_summary_stays(self):
        with Peer() as peer:
            screen = self.watch(f"db={peer.address}", "127.0.0.1:1", columns=100)
            conn = peer.accept()
            frame = screen.wait_for(["1 of 2 up", "db", "connect, now: connection refused"])
            self.assertRegex(frame, r"service +state +for +uptime +reconnects +next try")
            self.assertRegex(frame, r"● db +up +\d+ s +100 % +0")
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
        for frame in self.in_each_size(screen):
            self.assertRegex(frame, r"and \d+ serv")
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
            self.assertIn("t try now  q quit", self.assert_order(frame, "service", "connected to"))
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
        self.assert_coloured(lambda **env: self.watch("--for", "300ms", "127.0.0.1:1", **env), 1)

    def test_signals_leave_the_terminal_as_it_was(self):
        self.end_by_signals(lambda: self.watch("127.0.0.1:1"), "service", "127.0.0.1:1")

    def test_what_follows_has_the_terminal(self):
        with Peer() as peer:
            screen = self.watch(peer.address, "--", "sh", "-c", "stty -a | tr ' ' '\\n' | grep -x '[-]*icanon;*'; echo done")
            peer.accept()
            rest = self.ended(screen, 0)
            self.assertEqual(rest, "icanon\ndone\n")

    def test_stopping_gives_the_terminal_back_and_going_on_takes_it_again(self):
        screen = self.stop_and_go_on("watch", "127.0.0.1:1", head="service")
        screen.wait_for_bytes(b"ended with 1")
        screen.end()


if __name__ == "__main__":
    harness.main()
