# SPDX-License-Identifier: MIT
"""The servers of a benchmark, on free ports in a directory of their own: nginx, nghttpd, gRPC's own."""

import ctypes
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

BODY = "0123456789" * 10
BIG = 1 << 30  # bytes of /big

# Of bench_util.h: what nghttpd answers to them lies in files.
GRPC_FOLDER, GRPC_MESSAGE, GRPC_MANY = "bench.Echo", b"0123456789abcdef", 100000

CONFIG = """daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
worker_rlimit_nofile {nofile};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{plain};
        location / {{ return 200 "{body}"; }}
        location /big {{ root www; sendfile on; }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate server.pem;
        ssl_certificate_key server.key;
        location / {{ return 200 "{body}"; }}
        location /big {{ root www; }}
    }}
}}
"""


class ServerError(Exception):
    """The server could not be started, or does not answer as it should."""


def prepare_child(core):
    """For preexec_fn: runs on `core` alone (None: anywhere) and dies with this process."""

    def prepare():
        if core is not None:
            os.sched_setaffinity(0, {core})
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    return prepare


def _openssl(directory, *args):
    done = subprocess.run(("openssl",) + args, cwd=directory, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise ServerError("openssl %s: %s" % (args[0], done.stderr.strip()))


def make_certificates(directory):
    """ca.pem, and server.pem with server.key for 127.0.0.1 and localhost; all on P-256."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl(directory, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem",
             "-subj", "/CN=belay bench CA", "-days", "2")
    _openssl(directory, "req", *key, "-keyout", "server.key", "-out", "server.csr",
             "-subj", "/CN=localhost")
    with open(os.path.join(directory, "server.ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    _openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "server.ext")


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _write_files(www):
    """What the servers have: a short page, a long one of zeros, and the answers of gRPC's methods."""
    folder = os.path.join(www, GRPC_FOLDER)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(www, "index.html"), "w", encoding="ascii") as file:
        file.write(BODY)
    with open(os.path.join(www, "big"), "wb") as file:
        file.truncate(BIG)
    framed = b"\0" + len(GRPC_MESSAGE).to_bytes(4, "big") + GRPC_MESSAGE
    for name, count in (("Say", 1), ("Stream", GRPC_MANY)):
        with open(os.path.join(folder, name + ".grpc"), "wb") as file:
            file.write(framed * count)
    with open(os.path.join(folder, "request"), "wb") as file:
        file.write(framed)
    with open(os.path.join(www, "types"), "w", encoding="ascii") as file:
        file.write("application/grpc grpc\n")


class Servers:
    """
    start(), then the ports: .plain and .tls of nginx, .h2 (TLS) and .h2c of nghttpd, which answers
    gRPC's calls from files there, and .grpc of gRPC's own server. .cafile is what they are verified
    against. Who is not installed is left out, and its rows fail.
    """

    def __init__(self, directory, core, nofile, grpc_server):
        self.directory = directory
        self.www = os.path.join(directory, "www")
        self.grpc_server = grpc_server
        self.core = core
        self.nofile = nofile
        self.cafile = os.path.join(directory, "ca.pem")
        self.plain = self.tls = self.h2 = self.h2c = self.grpc = 0
        self.process = None
        self.others = []
        self.nghttpd = shutil.which("nghttpd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        self.absent = {}  # who is missing, by port
        if self.nghttpd is None:
            self.absent.update(h2="nghttpd", h2c="nghttpd")
        if grpc_server is None:
            self.absent["grpc"] = "grpc_server"

    def start(self):
        make_certificates(self.directory)
        _write_files(self.www)
        for _ in range(5):  # a port may be taken between the look and the bind
            self._spawn()
            if self._wait_until_up():
                self._check()
                return
            self.stop()
        raise ServerError("nginx does not start: " + self._last_error())

    def stop(self):
        for process in [self.process] * (self.process is not None) + self.others:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.process = None
        self.others = []

    def cpu_s(self):
        """User and system seconds so far, of all."""
        if self.process.poll() is not None:
            raise ServerError("nginx ended: " + self._last_error())
        total = 0
        for process in [self.process] + self.others:
            with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
                fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def _spawn_others(self):
        """nghttpd puts several responses into a TLS record: what is measured is the client."""
        if self.nghttpd is not None:
            common = (self.nghttpd, "-a", "127.0.0.1", "-d", self.www, "-m", "1000")
            self._spawn_other(*common, str(self.h2), "server.key", "server.pem")
            self._spawn_other(*common, "--no-tls", "--trailer", "grpc-status: 0", "--mime-types-file",
                              os.path.join(self.www, "types"), str(self.h2c))
        if self.grpc_server is not None:
            self._spawn_other(self.grpc_server, "127.0.0.1:%d" % self.grpc)

    def _spawn_other(self, *argv):
        self.others.append(subprocess.Popen(
            argv, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=prepare_child(self.core)))

    def _spawn(self):
        self.plain, self.tls, self.h2, self.h2c, self.grpc = _free_ports(5)
        config = CONFIG.format(plain=self.plain, tls=self.tls, body=BODY, nofile=self.nofile,
                               connections=self.nofile - 16)
        with open(os.path.join(self.directory, "nginx.conf"), "w", encoding="ascii") as file:
            file.write(config)
        self._spawn_others()
        nginx = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
        with open(os.path.join(self.directory, "stderr.log"), "w", encoding="ascii") as log:
            self.process = subprocess.Popen(
                (nginx, "-p", self.directory + "/", "-c", "nginx.conf"), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=prepare_child(self.core))

    def _wait_until_up(self):
        until = time.monotonic() + 5
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.tls), 1).close()
                return self.process.poll() is None
            except OSError:
                time.sleep(0.02)
        return False

    def _last_error(self):
        for name in ("error.log", "stderr.log"):
            try:
                with open(os.path.join(self.directory, name), encoding="utf-8") as file:
                    lines = file.read().split("\n")
            except OSError:
                continue
            for line in reversed(lines):
                if line.strip():
                    return line.strip()
        return "no message"

    def _check(self):
        context = ssl.create_default_context(cafile=self.cafile)
        plain = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=5)
        secure = http.client.HTTPSConnection("127.0.0.1", self.tls, timeout=5, context=context)
        for client in (plain, secure):
            try:
                client.connect()
                version = client.sock.version() if client is secure else None
                for _ in range(2):
                    client.request("GET", "/")
                    response = client.getresponse()
                    body = response.read().decode()
                    if response.status != 200 or body != BODY or response.will_close:
                        raise ServerError("nginx answers with %d" % response.status)
            except (OSError, http.client.HTTPException) as error:
                raise ServerError("nginx does not answer: %s" % error) from error
            finally:
                client.close()
            if client is secure and version != "TLSv1.3":
                raise ServerError("nginx speaks %s" % version)
