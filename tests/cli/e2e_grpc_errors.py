# SPDX-License-Identifier: MIT
"""`belay grpc`: what fails, with which status, and what it says of it."""
import http.server
import json
import os
import socket
import subprocess
import threading
import unittest

import grpc_kit
import harness

CERTS = harness.certs()
CA = ["--cacert", CERTS / "ca.pem"]
secure = grpc_kit.Server("--tls", CERTS)

# JSON of shop.Item, and words that must be in the one line.
BAD_JSON = [
    ('{"skuu": "a"}', ['shop.Item has no field "skuu"', "did you mean sku?"]),
    ('{"size": {"widht": 1}}', ['no field "widht" in size', "width"]),
    ('{"count": "x"}', ["its field count", '"x" is no int32']),
    ('{"count": 1e50}', ["its field count", "int32"]),
    ('{"size": {"width": "x"}}', ["its field size.width", "double"]),
    ('{"colour": "BLUE"}', ["its field colour", "shop.Colour (NONE, RED)"]),
    ('{"picture": "***"}', ["its field picture", "base64"]),
    ('{"size": [1]}', ["size"]),
    ('{"sku": "a" "count": 1}', ["not JSON", '"count"']),
    ('{"sku": "a"', ["line 1", "no end"]),
    ("[1]", ["shop.Item"]),
    ("}", ["line 1", "}"]),
    ("x", ["not JSON"]),
    ('{"count": 1} {"count": 2}', ["2 of them", "takes one"]),
]

# What is refused before anything is asked; T is the target.
BAD_USE = [
    ([], "no target"),
    (["T"], "what shall be called"),
    (["T", "foo"], "SERVICE/METHOD"),
    (["T", "a/b/c"], "SERVICE/METHOD"),
    (["list"], "the target comes first"),
    (["a.B/C", "T"], "the target comes first"),
    (["T", "a.B/C", "{}"], "-d"),
    (["http://a", "list"], "grpc://a"),
    (["grpc://", "list"], "host"),
    (["grpc://a:99999", "list"], "99999"),
    (["foo://a", "list"], "foo"),
    (["T", "list", "-d", "{}"], "-d is for calls"),
    (["T", "list", "-n", "3"], "-n is for calls"),
    (["T", "a.B/C", "--watch"], "--watch"),
    (["T", "a.B/C", "--hex", "--base64"], "do not go together"),
    (["T", "a.B/C", "--hex", "--proto", "x"], "--proto"),
    (["T", "a.B/C", "--hex", "-d", "1"], "not hex"),
    (["T", "a.B/C", "--base64", "-d", "?"], "not base64"),
    (["T", "a.B/C", "-d", "{}", "-d", "{}"], "twice"),
    (["T", "a.B/C", "--rate", "3"], "-n or --for"),
    (["T", "list", "--import-path", "x"], "--proto"),
    (["T", "list", "-H", "x"], "-H"),
    (["T", "list", "-H", "x-bin: ?"], "base64"),
    (["T", "list", "--max-msg-size", "0"], "--max-msg-size"),
    (["T", "list", "--plaintxt"], "--plaintext"),
    (["grpcs://a", "list", "--plaintext"], "contradicts"),
    (["T", "list", "--format", "text"], "--hex"),
    (["T", "list", "-p"], "grpc://"),
    (["T", "list", "-X", "POST"], "behind the target"),
    (["T", "list", "--protoset", "missing"], "missing"),
    (["T", "list", "--proto", "missing"], "missing"),
    (["T", "health", "--proto", "x"], "needs no schema"),
]


NGINX = """
daemon off;
master_process off;
error_log stderr;
pid {dir}/pid;
events {{ }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port} http2;
        location /text. {{ return 200 hello; }}
        location /gone. {{ return 404; }}
        location /busy. {{ return 503; }}
        location /login. {{ return 401; }}
        location / {{ return 404; }}
    }}
}}
"""


class Errors(grpc_kit.Case):
    def test_json_that_does_not_fit_names_the_field(self):
        for text, words in BAD_JSON:
            with self.subTest(text=text):
                self.refused("shop.Cart/Add", "-d", text, status=2, words=["calling shop.Cart/Add", *words])

    def test_of_many_messages_the_bad_one_is_named(self):
        for text in ('{"count": 1}\n\n{"cont": 2}\n', ):
            self.refused("shop.Cart/AddMany", stdin=text.encode(), status=2, words=["message 2 (line 3)", "did you mean count?"])
            self.refused("shop.Cart/AddMany", "-d", text, status=2, words=["message 2 (line 3)"])
        self.refused("shop.Cart/Add", "-d", "@", stdin=b"{}{}", status=2, words=["second message"])

    def test_bad_use_is_refused_in_one_line(self):
        for args, words in BAD_USE:
            with self.subTest(args=args):
                run = self.belay("grpc", *(self.server.target if a == "T" else a for a in args))
                err = run.stderr.decode()
                self.assertEqual((run.returncode, run.stdout, err.count("\n")), (2, b"", 1), err)
                self.assertIn(words, err)

    def test_a_name_that_is_not_there_is_answered_with_the_nearest(self):
        self.refused("shop.Cart/Ad", status=1, words=["shop.Cart has no method Ad", "did you mean Add?"])
        self.refused("shop.Crt/Add", status=1, words=["no service shop.Crt", "did you mean shop.Cart?"])
        self.refused("Cart/Add", status=1, words=["did you mean shop.Cart?"])
        self.refused("list", "shop.Cert", status=1, words=["did you mean shop.Cart?"])
        self.refused("shop.Cart/Nothing.Like.It", status=1, words=["has no method"])
        self.refused("shop.Item/Add", status=1, words=["there is no service shop.Item"])

    def test_a_service_alone_is_answered_with_a_method_of_it(self):
        self.refused("shop.Cart", status=2, words=["it is a service", "shop.Cart/Add", "list shop.Cart"])

    def test_statuses_are_the_programs_own(self):
        for status, name in ((1, "CANCELLED"), (3, "INVALID_ARGUMENT"), (5, "NOT_FOUND"), (7, "PERMISSION_DENIED"),
                             (13, "INTERNAL"), (16, "UNAUTHENTICATED")):
            failure = json.dumps({"status": status, "message": "it is so"})
            self.refused("shop.Cart/Fail", "-d", failure, status=64 + status, words=[f"{name}: it is so"])

    def test_details_of_errors_are_shown(self):
        run = self.grpc("shop.Cart/Fail", "-d", '{"status": 3, "message": "no", "rich": true}', status=67)
        lines = run.stderr.decode().splitlines()
        self.assertIn("INVALID_ARGUMENT: no", lines[0])
        self.assertEqual(lines[1:], [
            '  google.rpc.BadRequest {"fieldViolations":[{"field":"sku","description":"is too long"}]}',
            '  google.rpc.RetryInfo {"retryDelay":"3s"}',
            '  shop.Item {"sku":"unknown"}'])

    def test_a_message_cannot_move_the_cursor(self):
        failure = json.dumps({"status": 3, "message": "a\x1b[31m\nb"})
        self.refused("shop.Cart/Fail", "-d", failure, status=67, words=["a\\x1b"])

    def test_a_method_that_the_server_does_not_implement(self):
        self.refused("shop.Stock/Count", status=grpc_kit.UNIMPLEMENTED, words=["calling shop.Stock/Count", "UNIMPLEMENTED"])

    # ---- servers that are something else ----

    def test_nobody_is_there(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            target = f"grpc://127.0.0.1:{closed.getsockname()[1]}"
            self.refused("list", target=target, status=grpc_kit.UNAVAILABLE, words=[target, "connection refused", "is it running"])

    def test_tls_and_its_absence_are_told_apart(self):
        for target in (self.server.host, "grpcs://" + self.server.host):
            self.refused("list", target=target, status=grpc_kit.UNAVAILABLE, words=["HTTP/2 without it", "grpc://"])
        self.refused("list", target=secure.target, status=grpc_kit.UNAVAILABLE, words=["grpcs://"])

    def test_a_server_that_hangs_up_on_tls(self):
        def serve(listener):
            for _ in range(2):
                client = listener.accept()[0]
                client.recv(1 << 16)
                client.close()

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
            host = f"127.0.0.1:{listener.getsockname()[1]}"
            self.refused("list", target=host, status=grpc_kit.UNAVAILABLE,
                         words=["closed the connection during the TLS handshake", "it may speak no TLS: grpc://HOST:PORT"])
            run = self.belay("get", "--retries", "0", f"https://{host}/")
        self.assertIn("it may speak no TLS on that port", run.stderr.decode())

    def test_certificates_are_verified(self):
        self.refused("list", target=secure.host, status=grpc_kit.UNAVAILABLE, words=["unknown authority", "--cacert"])
        self.assertIn(b"shop.Cart", self.grpc("list", *CA, target=secure.host).stdout)
        self.assertIn(b"shop.Cart", self.grpc("list", "-k", target=secure.host).stdout)
        self.refused("list", *CA, "--authority", "other.invalid", target=secure.host, status=grpc_kit.UNAVAILABLE,
                     words=["other.invalid"])
        for way in (["--resolve", f"x.belay.test:{secure.port}:127.0.0.1"], ["--connect-to", f"x.belay.test::{secure.host}"]):
            self.assertIn(b"shop.Cart", self.grpc("list", *CA, *way, target=f"grpcs://x.belay.test:{secure.port}").stdout)
        for host in ("x.belay.test", "[::1]"):
            way = ["--connect-to", f"{host}:443:{secure.host}"]
            self.assertIn(b"shop.Cart", self.grpc("list", "-k", *way, target="grpcs://" + host).stdout)

    def test_client_certificates_are_shown(self):
        strict = grpc_kit.Server("--tls", CERTS, "--client-ca")
        shown = ["--cert", CERTS / "client.pem", "--key", CERTS / "client.key"]
        self.assertIn(b"shop.Cart", self.grpc("list", *CA, *shown, target=strict.host).stdout)
        self.refused("list", *CA, target=strict.host, status=grpc_kit.UNAVAILABLE, words=["certificate"])

    def test_proxies_lead_there(self):
        asked = []
        ends = threading.Barrier(2)

        def serve(listener):
            client = listener.accept()[0]
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            asked.append(head.split(b"\r\n")[0].decode())
            server = socket.create_connection(("127.0.0.1", self.server.port))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=copy, args=(a, b), daemon=True).start()

        def copy(a, b):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
            ends.wait(harness.LIMIT)
            a.close()

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
            proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self.assertIn(b"shop.Cart", self.grpc("list", "-x", proxy, target="grpc://shop.test:7").stdout)
        self.assertEqual(asked, ["CONNECT shop.test:7 HTTP/1.1"])

    @unittest.skipUnless(os.path.exists("/usr/sbin/nginx"), "nginx is not installed")
    def test_servers_of_the_web_are_told(self):
        place = harness.Place()
        port = place.port
        (self.dir / "conf").write_text(NGINX.format(dir=self.dir, port=port))
        nginx = subprocess.Popen(["/usr/sbin/nginx", "-p", self.dir, "-c", self.dir / "conf"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.stop, nginx)
        target = f"grpc://127.0.0.1:{port}"
        self.assertEqual(self.belay("watch", "--until-up", "-m", "10s", "-q", f"127.0.0.1:{port}").returncode, 0)
        for service, status, words in (("text", 66, ["UNKNOWN", "content-type text/plain", "is it a server of gRPC"]),
                                       ("gone", grpc_kit.UNIMPLEMENTED, ["404"]), ("busy", grpc_kit.UNAVAILABLE, ["503"]),
                                       ("login", 80, ["401"])):
            self.refused(service + ".S/M", "--hex", target=target, status=status, words=words)
        self.refused("list", target=target, status=grpc_kit.UNIMPLEMENTED, words=["404"])

    def test_http_1_is_told(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def send_error(self, *_):
                self.wfile.write(b"HTTP/1.1 505 No\r\n\r\n")
                self.close_connection = True

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_address[1]}"
        self.refused("list", target="grpc://" + host, status=grpc_kit.UNAVAILABLE, words=["HTTP/1.x", "gRPC needs HTTP/2"])
        origin = harness.Origin("--cert", str(CERTS / "server.pem"), "--key", str(CERTS / "server.key"))
        self.refused("list", *CA, target=f"127.0.0.1:{origin.port}", status=grpc_kit.UNAVAILABLE, words=["gRPC needs HTTP/2"])

    def test_no_commands_more_than_there_are(self):
        self.assertIn(b"did you mean grpc?", self.belay("grcp").stderr)
        run = self.belay("help", "grpc")
        self.assertEqual(run.returncode, 0)
        self.assertEqual(run.stdout, self.belay("grpc", "--help").stdout)
        self.assertLessEqual(max(len(line) for line in run.stdout.decode().splitlines()), 100)


harness.main()
