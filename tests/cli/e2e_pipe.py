# SPDX-License-Identifier: MIT
"""`belay pipe` against servers of the test's own: what is sent, what comes, and how it ends."""
import fcntl
import os
import signal
import socket
import ssl
import subprocess
import threading

import harness
from peer import Peer


class Pipe(harness.PipeCase):
    def setUp(self):
        super().setUp()
        self.peer = Peer()
        self.addCleanup(self.peer.close)

    def pipe(self, *args, status=0, **options):
        """Runs it to its end."""
        run = self.belay("pipe", *args, **options)
        self.assertEqual(run.returncode, status, f"belay pipe {args}: {run.stderr.decode(errors='replace')}")
        return run

    # ---- one connection ----

    def test_the_end_of_the_input_half_closes_and_the_answer_is_waited_for(self):
        run = self.begin(self.peer.address)
        run.stdin.write(b"question")
        run.stdin.close()
        run.stdin = None
        conn = self.peer.accept()
        self.assertEqual(conn.read_all(), b"question")
        conn.write(b"an")
        conn.write(b"swer")
        conn.close()
        self.assertEqual(self.ended(run), (b"answer", ""))

    def test_no_wait_closes_at_the_end_of_the_input(self):
        run = self.begin("-N", self.peer.address)
        conn = self.peer.accept()
        run.stdin.write(b"all of it")
        run.stdin.close()
        run.stdin = None
        self.assertEqual(self.ended(run), (b"", ""))  # though the other side has not closed
        self.assertEqual(conn.read_all(), b"all of it")

    def test_an_empty_input_still_connects(self):
        run = self.begin(self.peer.address, stdin=subprocess.DEVNULL)
        conn = self.peer.accept()
        self.assertEqual(conn.read_all(), b"")
        conn.write(b"greeting")
        conn.close()
        self.assertEqual(self.ended(run), (b"greeting", ""))

    def test_files_go_in_and_come_out(self):
        (self.dir / "in").write_bytes(b"x" * 300000 + b"end")
        with open(self.dir / "in", "rb") as file, open(self.dir / "out", "wb") as out:
            run = self.begin(self.peer.address, stdin=file, stdout=out)
            conn = self.peer.accept()
            data = conn.read_all()
            conn.write(data[::-1])
            conn.close()
            self.ended(run)
        self.assertEqual((self.dir / "out").read_bytes(), (b"x" * 300000 + b"end")[::-1])

    def test_a_mebibyte_goes_both_ways_at_a_time(self):
        sent, answer = os.urandom(1 << 20), os.urandom(1 << 20)
        got = []

        def serve():
            conn = self.peer.accept()
            writer = threading.Thread(target=conn.write, args=(answer,))
            writer.start()
            got.append(conn.read_all())
            writer.join()
            conn.close()

        server = threading.Thread(target=serve)
        server.start()
        run = self.pipe(self.peer.address, stdin=sent)
        server.join()
        self.assertEqual((got[0], run.stdout), (sent, answer))

    def test_lines_end_as_the_network_wants_them(self):
        run = self.begin("-C", "-N", self.peer.address)
        run.stdin.write(b"a\nb\r\nc")
        run.stdin.close()
        run.stdin = None
        self.assertEqual(self.peer.accept().read_all(), b"a\r\nb\r\nc")
        self.ended(run)

    def test_unix_and_tls_are_addresses_too(self):
        with Peer(path=str(self.dir / "s")) as unix:
            run = self.begin("-N", f"unix://{self.dir}/s")
            run.stdin.write(b"over unix")
            run.stdin.close()
            run.stdin = None
            self.assertEqual(unix.accept().read_all(), b"over unix")
            self.ended(run)
        certs = harness.certs()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs / "server.pem", certs / "server.key")
        run = self.begin("--cacert", certs / "ca.pem", self.peer.address.replace("tcp", "tls").replace("127.0.0.1", "localhost"))
        conn = self.peer.accept(context)
        run.stdin.write(b"over TLS")
        self.assertEqual(conn.read(8), b"over TLS")
        conn.write(b"and back")
        self.assertEqual(run.stdout.read(8), b"and back")
        run.send_signal(signal.SIGINT)
        self.ended(run, 130)

    def test_a_proxy_leads_there(self):
        with Peer() as proxy:
            run = self.begin("-x", f"http://127.0.0.1:{proxy.port}", self.peer.address)
            conn = proxy.accept()
            self.assertTrue(conn.read_until(b"\r\n\r\n").startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % self.peer.port))
            conn.write(b"HTTP/1.1 200 OK\r\n\r\nwelcome")
            self.assertEqual(run.stdout.read(7), b"welcome")
            run.stdin.write(b"thanks")
            self.assertEqual(conn.read(6), b"thanks")

    def test_what_others_hold_keeps_its_flags(self):
        """A descriptor that did not block for the shell still does not, while it runs and after."""
        def flags(*fds):
            return [fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK for fd in fds]

        ends = os.pipe()
        run = self.begin(self.peer.address, stdin=ends[0], stdout=ends[1])
        conn = self.peer.accept()
        conn.write(b"back to itself")
        self.assertEqual(conn.read(14), b"back to itself")
        self.assertEqual(flags(*ends), [0, 0])
        run.send_signal(signal.SIGINT)
        self.ended(run, 130)
        self.assertEqual(flags(*ends), [0, 0])
        for end in ends:
            os.close(end)
        ours, its = socket.socketpair()
        with ours, its:
            run = self.begin(self.peer.address, stdin=its, stdout=its)
            conn = self.peer.accept()
            ours.sendall(b"from a socket")
            self.assertEqual(conn.read(13), b"from a socket")
            conn.write(b"to a socket")
            self.assertEqual(ours.recv(100), b"to a socket")
            ours.shutdown(socket.SHUT_WR)
            self.assertEqual(conn.read_all(), b"")
            conn.close()
            self.ended(run)
            self.assertEqual(flags(its.fileno()), [0])

    def test_a_terminal_is_read_line_by_line_and_stays_as_it_was(self):
        screen = harness.Screen(harness.BELAY, "pipe", self.peer.address)
        conn = self.peer.accept()
        screen.press("typed\n")
        self.assertEqual(conn.read(6), b"typed\n")
        conn.write(b"shown\n")
        screen.wait_for_bytes(b"shown")
        screen.press("\x04")
        self.assertEqual(conn.read_all(), b"")
        conn.close()
        self.assertEqual(screen.end()[0], 0)

    # ---- how it ends ----

    def test_once_ends_when_the_other_side_closes(self):
        run = self.begin("--once", self.peer.address)
        conn = self.peer.accept()
        conn.write(b"bye")
        conn.close()
        self.assertEqual(self.ended(run), (b"bye", ""))

    def test_once_fails_when_something_was_not_sent(self):
        run = self.begin("--once", "--lines", self.peer.address)
        conn = self.peer.accept()
        run.stdin.write(b"half a line")
        conn.close()
        out, err = self.ended(run, 1)
        self.assertRegex(err, r"belay: .*: 11 bytes read and not sent\n$")

    def test_once_connects_until_it_could(self):
        self.peer.close()
        run = self.begin("--once", "--json", self.peer.address)
        while b"failed_to_connect" not in run.stderr.readline():
            pass
        with Peer(self.peer.place) as again:
            again.accept().close()
            self.ended(run)

    def test_an_idle_connection_ends_it(self):
        run = self.begin("-w", "200ms", self.peer.address)
        conn = self.peer.accept()
        conn.write(b"some")
        out, err = self.ended(run)
        self.assertEqual(out, b"some")
        self.assertRegex(err, "nothing was sent or received for 200 ms")
        self.assertEqual(conn.read_all(), b"")

    def test_idle_without_a_connection_is_a_failure(self):
        self.peer.close()
        self.pipe("-w", "100ms", self.peer.address, status=1)

    def test_a_limit_ends_it(self):
        err = self.pipe("-m", "100ms", self.peer.address, status=1).stderr
        self.assertIn(b"not done within 100 ms", err)

    def test_spent_tries_end_it(self):
        self.peer.close()
        err = self.pipe("--backoff", "1ms,tries=3", self.peer.address, status=1).stderr.decode()
        self.assertRegex(err.splitlines()[-1], r"^belay: giving up on .* after 3 attempts: .*connection refused")

    def test_a_signal_ends_it_with_the_sum(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            run = self.begin("--lines", self.peer.address)
            conn = self.peer.accept()
            run.stdin.write(b"line\npart")
            self.assertEqual(conn.read(5), b"line\n")
            conn.write(b"x")
            self.assertEqual(run.stdout.read(1), b"x")
            run.send_signal(number)
            err = self.ended(run, status)[1]
            self.assertRegex(err, r": 5 bytes sent, 1 received on 1 connection in .*; 4 read and not sent\n$")

    def test_output_that_cannot_be_written_ends_it(self):
        run = self.begin(self.peer.address)
        conn = self.peer.accept()
        run.stdout.close()
        run.stdout = None
        conn.write(b"nobody reads this")
        self.assertEqual(run.wait(harness.LIMIT), 1)
        self.assertIn(b"writing to standard output: Broken pipe", run.stderr.read())
        with open("/dev/full", "wb") as full:
            run = self.begin(self.peer.address, stdout=full)
            self.peer.accept().write(b"no room")
            self.assertIn("No space left", self.ended(run, 1)[1])

    def test_a_closed_input_is_an_empty_one(self):
        run = subprocess.Popen(["sh", "-c", 'exec "$@" <&-', "sh", harness.BELAY, "pipe", self.peer.address],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        conn = self.peer.accept()
        self.assertEqual(conn.read_all(), b"")
        conn.close()
        self.assertEqual(run.communicate(timeout=harness.LIMIT), (b"", b""))
        self.assertEqual(run.returncode, 0)

    # ---- a command in place of standard input and output ----

    def test_a_command_talks_in_its_place(self):
        run = self.begin("--exec", "read line; echo got $line", self.peer.address)
        conn = self.peer.accept()
        conn.write(b"this\n")
        self.assertEqual(conn.read_all(), b"got this\n")
        conn.close()
        self.assertEqual(self.ended(run), (b"", ""))

    def test_a_command_lives_on_while_connections_are_lost(self):
        run = self.begin("--exec", "cat", self.peer.address)
        for word in (b"one", b"two"):
            conn = self.peer.accept()
            conn.write(word)
            self.assertEqual(conn.read(3), word)
            conn.close()
        self.peer.accept()
        run.send_signal(signal.SIGINT)
        self.ended(run, 130)

    def test_a_command_that_fails_is_told(self):
        run = self.begin("--exec", "exit 3", self.peer.address)
        conn = self.peer.accept()
        self.assertEqual(conn.read_all(), b"")
        conn.write(b"nobody is there")
        conn.close()
        self.assertIn("the command ended with status 3", self.ended(run, 1)[1])

    # ---- usage ----

    def test_bad_input_is_refused_in_one_line(self):
        for args, word in (
            ([], "belay pipe HOST:PORT"),
            (["ftp://a:1"], "ftp"),
            (["http://a/"], "belay get"),
            (["a"], "port"),
            (["a", "80"], "a:80"),
            (["a:1", "b:2"], "NAME=ADDRESS,ADDRESS"),
            (["x=a:1,tls://b:2"], "the same scheme"),
            (["-l", "a:1"], "only connects"),
            (["-u", "a:1"], "datagrams"),
            (["-z", "a:1"], "belay watch --until-up"),
            (["-e", "cat", "a:1"], "--exec"),
            (["--buffer", "3", "a:1"], "--buffer"),
            (["--buffer", "3x", "a:1"], "--buffer"),
            (["--backoff", "x", "a:1"], "--backoff"),
            (["--backoff", "1s", "--retry-delay", "1s", "a:1"], "do not go together"),
            (["--retry-delay", "0", "a:1"], "--retry-delay"),
            (["-d", "--lines", "a:1"], "do not go together"),
            (["--hello", "\\q", "a:1"], "--hello"),
            (["--hello", "@missing", "a:1"], "missing"),
            (["--hello", "@-", "a:1"], "standard input"),
            (["--lnes", "a:1"], "did you mean --lines?"),
            (["-q", "-v", "a:1"], "-q and -v"),
            (["-4", "tcp://[::1]:1"], "IPv4"),
            (["--cacert", "missing", "tls://a:1"], "missing"),
            (["--resolve", "a:1:127.0.0.1", "srv:_a._tcp.b"], "--resolve"),
        ):
            run = self.pipe(*args, status=2)
            self.assertIn(word, run.stderr.decode(), args)
            self.assertEqual((run.stderr.count(b"\n"), run.stdout), (1, b""), args)

    def test_help_is_there(self):
        self.assertIn(b"pipe ", self.belay("help").stdout)
        self.assertEqual(self.pipe("--help").stdout, self.belay("help", "pipe").stdout)
        for line in self.belay("help", "pipe").stdout.decode().splitlines():
            self.assertLessEqual(len(line), 100)


harness.main()
