# SPDX-License-Identifier: MIT
"""A server whose every step the test makes: it accepts, reads, writes and closes when it is told to."""
import fcntl
import os
import select
import socket
import struct
import termios
import time

import harness


class Conn:
    """One accepted connection; whatever takes too long fails."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(harness.LIMIT)

    def read(self, n):
        """Exactly so many bytes."""
        data = b""
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise AssertionError(f"it ended after {data[-100:]}")
            data += piece
        return data

    def read_all(self):
        """To the end."""
        pieces = []
        while pieces[-1:] != [b""]:
            pieces.append(self.sock.recv(65536))
        return b"".join(pieces)

    def read_until(self, mark):
        data = b""
        while mark not in data:
            data += self.read(1)
        return data

    def write(self, data):
        self.sock.sendall(data)

    def write_until_stuck(self, data):
        """As much as both kernels and the other side take, which does not read on; how much that was."""
        self.sock.settimeout(0)
        done = 0
        while done < len(data) and select.select([], [self.sock], [], 0.5)[1]:
            done += self.sock.send(data[done:done + 65536])
        return done

    def wait_until_full(self):
        """Until the other side has more in its kernel than would fit into ours."""
        ends = ["%s:%04X" % ("0100007F", addr[1]) for addr in (self.sock.getpeername(), self.sock.getsockname())]
        deadline = time.monotonic() + harness.LIMIT
        while time.monotonic() < deadline:
            with open("/proc/net/tcp", encoding="ascii") as file:
                for line in file:
                    fields = line.split()
                    if fields[1:3] == ends and int(fields[4].split(":")[0], 16) > 500000:
                        return
        raise AssertionError("it does not send as much")

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes it with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def unacknowledged(conn):
    """Bytes written that the other side's kernel has not taken."""
    n = bytearray(4)
    fcntl.ioctl(conn.sock, termios.TIOCOUTQ, n)
    return struct.unpack("i", n)[0]


class Peer:
    """A listening socket, on a place of its own, on the one given, or on a path."""

    def __init__(self, place=None, path=None, receive_buffer=0):
        self.conns = []
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if path:
            self.listener.bind(path)
        else:
            self.place = place or harness.Place()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", self.place.port))
        self.listener.listen()
        self.listener.settimeout(harness.LIMIT)
        self.port = 0 if path else self.place.port
        self.address = f"unix://{path}" if path else f"tcp://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self, tls=None):
        sock = self.listener.accept()[0]
        sock.settimeout(harness.LIMIT)
        conn = Conn(tls.wrap_socket(sock, server_side=True) if tls else sock)
        self.conns.append(conn)
        return conn

    def accept_no_more(self):
        self.listener.close()

    def close(self):
        """No more are accepted; those that were end too."""
        self.listener.close()
        for conn in self.conns:
            conn.close()


def pipe_holds(file):
    """Bytes in a pipe that nobody has read yet."""
    n = bytearray(4)
    fcntl.ioctl(file, termios.FIONREAD, n)
    return struct.unpack("i", n)[0]


def write_without_waiting(file, data):
    """How many bytes a pipe took before it was full."""
    os.set_blocking(file.fileno(), False)
    done = 0
    try:
        while done < len(data):
            done += os.write(file.fileno(), data[done:done + 65536])
    except BlockingIOError:
        pass
    os.set_blocking(file.fileno(), True)
    return done
