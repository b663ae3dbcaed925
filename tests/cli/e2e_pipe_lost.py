# SPDX-License-Identifier: MIT
"""`belay pipe` whose connections are lost: what is sent again, what is told, and what waits."""
import json
import signal
import socket
import subprocess

import harness
from peer import Peer, pipe_holds, unacknowledged, write_without_waiting

NUMBERS = b"".join(b"%09d\n" % i for i in range(800000))  # 8 MB: more than kernels buffer


class Lost(harness.PipeCase):
    def setUp(self):
        super().setUp()
        self.peer = Peer(receive_buffer=65536)
        self.addCleanup(self.peer.close)

    def numbers(self, *args):
        """Sends NUMBERS from a file, of which the peer reads a part, and resets; then the rest. What came on either
        connection, and the events."""
        (self.dir / "in").write_bytes(NUMBERS)
        with open(self.dir / "in", "rb") as file:
            run = self.begin("-N", "--json", *args, self.peer.address, stdin=file)
        conn = self.peer.accept()
        first = conn.read(123456)
        conn.wait_until_full()
        conn.reset()
        second = self.peer.accept().read_all()
        err = self.ended(run, 1)[1]  # something may not have arrived
        return first, second, [json.loads(line) for line in err.splitlines()]

    def event(self, run, name):
        """The next of that name, from --json."""
        for line in run.stderr:
            event = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"there is no {name}")

    # ---- what is sent again ----

    def test_what_was_not_sent_is_sent_on_the_next_connection(self):
        first, second, events = self.numbers()
        lost = [e for e in events if e["event"] == "disconnected"][0]
        self.assertEqual(first, NUMBERS[:123456])
        self.assertEqual(second, NUMBERS[lost["sent"]:])  # it goes on where the kernel was
        self.assertTrue(0 < lost["doubtful"] < lost["sent"])
        self.assertEqual((lost["reset"], lost["cut"]), (True, 0))
        self.assertEqual(lost["error"]["stage"], "use")
        end = events[-1]
        self.assertEqual((end["event"], end["connections"], end["sent"]), ("end", 2, len(NUMBERS)))
        self.assertEqual((end["doubtful"], end["unsent"]), (lost["doubtful"], 0))

    def test_with_lines_a_line_that_was_cut_is_sent_again_whole(self):
        first, second, events = self.numbers("--lines")
        lost = [e for e in events if e["event"] == "disconnected"][0]
        start = lost["sent"] - lost["cut"]
        self.assertEqual(start % 10, 0)
        self.assertLess(lost["cut"], 10)
        self.assertEqual(second, NUMBERS[start:])
        self.assertEqual(events[-1]["sent"], len(NUMBERS))

    def test_it_is_told_in_words(self):
        (self.dir / "in").write_bytes(NUMBERS)
        with open(self.dir / "in", "rb") as file:
            run = self.begin("-N", self.peer.address, stdin=file)
        conn = self.peer.accept()
        conn.read(123456)
        conn.wait_until_full()
        conn.reset()
        self.peer.accept().read_all()
        err = self.ended(run, 1)[1]
        self.assertRegex(err, r"belay: .*127\.0\.0\.1:\d+: connection reset by peer; of [\d,]+ bytes sent, [\d,]+ may not have "
                              r"arrived, and of the rest not all may have been read(; [\d,]+ bytes not sent yet)?(; next attempt in .*)?\n"
                              r"belay: tcp://.*: connected\n$")

    def test_input_that_comes_while_there_is_no_connection_is_sent_then(self):
        run = self.begin(self.peer.address, "--json")
        conn = self.peer.accept()
        run.stdin.write(b"one")
        self.assertEqual(conn.read(3), b"one")
        self.peer.close()
        self.event(run, "disconnected")
        run.stdin.write(b"two")
        self.event(run, "failed_to_connect")
        with Peer(self.peer.place) as again:
            conn = again.accept()
            self.assertEqual(conn.read(3), b"two")
            run.stdin.close()
            run.stdin = None
            self.assertEqual(conn.read_all(), b"")
            conn.close()
            self.ended(run)

    def test_a_connection_that_ends_in_order_is_made_again_without_a_word_of_loss(self):
        run = self.begin("--json", self.peer.address)
        for word in (b"one", b"two", b"three"):
            conn = self.peer.accept()
            run.stdin.write(word)
            self.assertEqual(conn.read(len(word)), word)
            conn.close()
            lost = self.event(run, "disconnected")
            self.assertEqual((lost["sent"], lost["doubtful"], lost["reset"], lost["unsent"]), (len(word), 0, False, 0))

    def test_what_had_arrived_and_was_not_read_is_told(self):
        run = self.begin(self.peer.address)
        conn = self.peer.accept()
        run.stdin.write(b"nobody reads this")
        while not conn.sock.recv(1, socket.MSG_PEEK):
            pass
        self.peer.accept_no_more()
        conn.close()  # with bytes unread: a reset
        self.assertRegex(run.stderr.readline().decode(),
                         "reset by peer; 17 bytes sent had arrived, and may not have been read")
        run.stdin.close()
        run.stdin = None
        self.ended(run, 1)

    def test_whoever_is_reset_after_the_end_of_the_input_fails(self):
        run = self.begin(self.peer.address, stdin=subprocess.DEVNULL)
        conn = self.peer.accept()
        conn.read_all()
        conn.reset()
        self.assertIn("reset", self.ended(run, 1)[1])

    def test_the_next_address_of_the_service_takes_over(self):
        with Peer() as other:
            run = self.begin("--json", f"both={self.peer.address},{other.address}")
            conn = self.peer.accept()
            run.stdin.write(b"one")
            self.assertEqual(conn.read(3), b"one")
            self.peer.close()
            run.stdin.write(b"two")
            self.assertEqual(other.accept().read(3), b"two")
            names = {e["name"] for e in (self.event(run, "connected"), self.event(run, "connected"))}
            self.assertEqual(names, {"both"})

    def test_a_file_of_addresses_is_read_again(self):
        with Peer() as other:
            (self.dir / "list").write_text(f"# here\n{self.peer.address}\n")
            run = self.begin(f"file:{self.dir}/list")
            conn = self.peer.accept()
            (self.dir / "list").write_text(f"127.0.0.1:{other.port}\n")
            conn.close()
            conn = other.accept()
            run.stdin.close()
            run.stdin = None
            self.assertEqual(conn.read_all(), b"")
            conn.close()
            self.ended(run)

    def test_each_connection_begins_with_hello(self):
        (self.dir / "hello").write_bytes(b"I am\x00back\n")
        for option, hello in (("HELLO\\r\\n\\x41", b"HELLO\r\nA"), (f"@{self.dir}/hello", b"I am\x00back\n")):
            peer = Peer()
            self.addCleanup(peer.close)
            run = self.begin("--hello", option, "--json", peer.address)
            for word in (b"one", b"two"):
                conn = peer.accept()
                self.assertEqual(conn.read(len(hello)), hello)
                run.stdin.write(word)
                self.assertEqual(conn.read(len(word)), word)
                conn.close()
                self.assertEqual(self.event(run, "disconnected")["sent"], len(word))

    def test_without_input_it_shows_what_comes_for_ever(self):
        run = self.begin("-d", self.peer.address, stdin=subprocess.DEVNULL)
        for word in (b"one", b"two"):
            conn = self.peer.accept()
            conn.write(word)
            self.assertEqual(run.stdout.read(3), word)
            conn.close()

    # ---- --json ----

    def told(self, *args, status, **options):
        """Standard error, which has nothing but objects; the last tells of the end."""
        run = self.start("pipe", "--json", *args, stdin=subprocess.DEVNULL, **options)
        self.addCleanup(self.stop, run)
        lines = [json.loads(line) for line in self.ended(run, status)[1].splitlines()]
        self.assertEqual((lines[-1]["event"], lines[-1]["status"]), ("end", status))
        return lines

    def test_the_last_object_tells_why_it_ended(self):
        end = self.told("--backoff", "1ms,tries=2", "127.0.0.1:1", status=1)[-1]
        self.assertEqual(end["reason"], "gave_up")
        self.assertRegex(end["error"], r"^giving up on .*127.0.0.1:1 after 2 attempts: ")
        end = self.told("-m", "50ms", "-v", self.peer.address, status=1)[-1]
        self.assertEqual((end["reason"], end["error"]), ("timeout", f"{self.peer.address}: not done within 50.0 ms"))
        self.assertEqual(self.told("-w", "50ms", self.peer.address, status=0)[-1]["reason"], "idle")
        end = self.told("-N", self.peer.address, status=0)[-1]
        self.assertEqual((end["reason"], end["error"]), ("done", None))
        end = self.told("--exec", "exit 3", "-N", self.peer.address, status=1)[-1]
        self.assertEqual((end["reason"], end["error"]), ("failed", "running --exec: the command ended with status 3"))

    def test_with_verbose_the_lines_are_objects_too(self):
        lines = self.told("-N", "-v", self.peer.address, status=0)
        self.assertTrue(any(line["event"] == "message" and "dialing" in line["text"] for line in lines))

    def test_a_signal_is_the_reason(self):
        run = self.begin("--json", self.peer.address)
        self.peer.accept()
        run.send_signal(signal.SIGTERM)
        end = json.loads(self.ended(run, 143)[1].splitlines()[-1])
        self.assertEqual((end["reason"], end["status"], end["interrupted"]), ("interrupted", 143, True))

    # ---- what waits ----

    def test_a_full_buffer_makes_the_input_wait_and_drops_nothing(self):
        self.peer.close()
        run = self.begin("--buffer", "64k", "-N", "--json", self.peer.address)
        self.event(run, "failed_to_connect")
        done = 0
        while done - pipe_holds(run.stdin) < 65536 or pipe_holds(run.stdin) < 65536:
            done += write_without_waiting(run.stdin, NUMBERS[done:])
        self.assertEqual(done - pipe_holds(run.stdin), 65536)  # no more than that was read
        with Peer(self.peer.place) as again:
            conn = again.accept()
            got = conn.read(65536)
            run.stdin.close()
            run.stdin = None
            got += conn.read_all()
        self.assertEqual(got, NUMBERS[:done])
        self.ended(run)

    def test_a_peer_that_reads_slowly_gets_it_all(self):
        (self.dir / "in").write_bytes(NUMBERS)
        with open(self.dir / "in", "rb") as file:
            run = self.begin("--buffer", "100", "-N", self.peer.address, stdin=file)
        conn = self.peer.accept()
        got = b"".join(conn.read(1000) for _ in range(1000)) + conn.read_all()
        self.assertEqual(got, NUMBERS)
        self.ended(run)

    def test_a_line_that_does_not_fit_is_told(self):
        run = self.begin("--lines", "--buffer", "16", self.peer.address)
        run.stdin.write(b"x" * 17)
        self.assertIn("longer than the buffer", self.ended(run, 1)[1])

    def test_output_that_is_read_slowly_makes_the_peer_wait(self):
        run = self.begin(self.peer.address, stdin=subprocess.DEVNULL)
        conn = self.peer.accept()
        done = conn.write_until_stuck(NUMBERS)
        self.assertLess(done, len(NUMBERS))
        conn.close()
        out = self.ended(run)[0]
        self.assertEqual(out, NUMBERS[:done])

    def test_what_came_before_a_reset_is_written(self):
        run = self.begin("--once", self.peer.address)
        conn = self.peer.accept()
        came = conn.write_until_stuck(NUMBERS)
        came -= unacknowledged(conn)  # the rest dies with the connection
        conn.reset()
        run.stdin.write(b"this finds out")
        while pipe_holds(run.stdin):
            pass
        out = self.ended(run, 1)[0]
        self.assertEqual(out, NUMBERS[:came], f"{len(out)} of {came}")

    def test_nobody_connects_again_while_the_last_of_it_is_written(self):
        run = self.begin("--once", "--json", "--hello", "once", self.peer.address)
        conn = self.peer.accept()
        conn.read(4)
        conn.write_until_stuck(NUMBERS)
        conn.reset()
        run.stdin.write(b"this finds out")
        self.event(run, "disconnected")
        end = json.loads(self.ended(run, 1)[1].splitlines()[-1])
        self.assertEqual((end["event"], end["connections"]), ("end", 1))
        self.peer.listener.settimeout(0)
        with self.assertRaises(BlockingIOError):
            self.peer.accept()


harness.main()
