#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Chronicle kernels for tests, on gRPC's own library: each registers clients, sends keep-alives, wants each answered, forgets
clients that are silent, gives tokens and counts its connections.

    chronicle_kernel.py [--tls CERTIFICATES] DIR PORT...

One kernel for each port of 127.0.0.1, in one process; what it makes for itself is in DIR. As a kernel does, a port serves gRPC and HTTP/1.1 both: a front
looks at what comes (with --tls at ALPN; it wants a client certificate of CERTIFICATES/ca.pem then), and passes gRPC on.

    POST /connect/token        GET /connections/count        POST /connections/reserve
    GET /set?NAME=VALUE&...    settings, see Settings        GET /get?NAME     what it has seen, see Kernel.seen
    GET /do?WHAT               drop: all connections; restart: the server; end: the streams; refuse, listen; revoke: the
                               token that was given last
"""
import argparse
import asyncio
import contextlib
import importlib
import json
import pathlib
import ssl
import sys
import threading
import time
import urllib.parse
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, empty_pb2
from grpc_tools import protoc

HERE = pathlib.Path(__file__).parent


def generate(directory):
    """Messages and stubs from the .proto beside this file."""
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    argv = ["protoc", f"-I{HERE}", f"-I{include}", "-I/usr/include", f"--python_out={directory}",
            f"--grpc_python_out={directory}", "chronicle_clients.proto"]
    if protoc.main(argv) != 0:
        sys.exit("chronicle_clients.proto cannot be compiled")
    sys.path.insert(0, directory)
    return importlib.import_module("chronicle_clients_pb2"), importlib.import_module("chronicle_clients_pb2_grpc")


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", metavar="CERTIFICATES")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("ports", metavar="PORT", type=int, nargs="+")
    return parser.parse_args()


ARGUMENTS = read_arguments()
messages, stubs = generate(ARGUMENTS.directory)


class Settings:
    """What a test may set. Numbers are seconds."""

    def __init__(self):
        self.first = "now"  # the first keep-alive: now, never
        self.interval = 0.1
        self.stale = 5.0  # without an answer; then the client is forgotten, and its stream stays open
        self.silent = 0  # no keep-alives any more
        self.check = "real"  # real: by the descriptors; no, unimplemented, hang
        self.answers = "well"  # of keep-alives: well, fail, hang
        self.count = -1  # connections that it says it has; -1: as many as it has
        self.auth = "none"  # what calls must have: none, token, key
        self.token_status = 200
        self.token_life = 3600

    def set(self, name, value):
        setattr(self, name, type(getattr(self, name))(value))


class Client:
    def __init__(self, request):
        self.request = request
        self.seen = time.monotonic()
        self.answers = 0
        self.stale = False


def incompatibilities(descriptors):
    """What of the client's messages is another in the kernel."""
    ours = {m.name: m for m in messages.DESCRIPTOR.message_types_by_name.values()}
    described = descriptor_pb2.FileDescriptorSet.FromString(descriptors)
    for file in described.file:
        for message in file.message_type:
            if file.package != messages.DESCRIPTOR.package or message.name not in ours:
                yield f"{file.package}.{message.name} is not known"
                continue
            for field in message.field:
                mine = ours[message.name].fields_by_name.get(field.name)
                if not mine or (mine.number, mine.type, mine.label) != (field.number, field.type, field.label):
                    yield f"{message.name}.{field.name} is another"
    if not any(file.message_type for file in described.file):
        yield "no messages are described"


class Service(stubs.ConnectionServiceServicer):
    def __init__(self, kernel):
        self.kernel = kernel

    def CheckCompatibility(self, request, context):
        kernel = self.kernel
        kernel.checks += 1
        kernel.last_check = request
        check = kernel.settings.check
        if check == "unimplemented":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        while check == "hang" and context.is_active():
            time.sleep(0.02)
        found = ["the test says so"] if check == "no" else list(incompatibilities(request.DescriptorSet))
        return messages.CompatibilityResponse(IsCompatible=not found, Incompatibilities=found, ServerVersion="15.0",
                                              ServerProtocolVersion="1", Capabilities=["precise-event-type-schemas"])

    def GetDescriptorSet(self, request, context):
        return messages.DescriptorSetResponse(SchemaDefinition=(HERE / "chronicle_clients.proto").read_text())

    def Connect(self, request, context):
        kernel = self.kernel
        client = kernel.register(request)
        context.add_callback(lambda: kernel.unregister(client))
        alive = messages.ConnectionKeepAlive(ConnectionId=request.ConnectionId)
        epoch = kernel.epoch
        if kernel.settings.first == "now":
            yield alive
        while context.is_active() and epoch == kernel.epoch:
            time.sleep(kernel.settings.interval)
            if not client.stale and time.monotonic() - client.seen > kernel.settings.stale:
                client.stale = not request.IsRunningWithDebugger
            if kernel.settings.first == "now" and not kernel.settings.silent:
                yield alive

    def ConnectionKeepAlive(self, request, context):
        kernel = self.kernel
        if kernel.settings.answers == "fail":
            context.abort(grpc.StatusCode.INTERNAL, "the test says so")
        while kernel.settings.answers == "hang" and context.is_active():
            time.sleep(0.02)
        client = kernel.clients.get(request.ConnectionId)
        if client:  # one that is not known is answered, too
            client.answers += 1
            client.seen = time.monotonic()
        kernel.answers += 1
        return empty_pb2.Empty()


class Guard(grpc.ServerInterceptor):
    def __init__(self, kernel):
        self.kernel = kernel

        def refuse(request, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

        self.refuse = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, continuation, details):
        kernel = self.kernel
        metadata = dict(details.invocation_metadata)
        kernel.last_authorization = metadata.get("authorization", "")
        kernel.last_key = metadata.get("api-key", "")
        wanted = kernel.settings.auth
        if wanted == "token" and kernel.last_authorization != f"Bearer {kernel.token}" or \
                wanted == "key" and kernel.last_key != "the-key":
            kernel.refused += 1
            return self.refuse
        return continuation(details)


class Kernel:
    def __init__(self, port, tls):
        self.port = port
        self.tls = tls
        self.settings = Settings()
        self.lock = threading.Lock()
        self.clients = {}
        self.epoch = 0  # of streams; a new one ends those there are
        self.connects = self.checks = self.answers = self.refused = 0
        self.tokens = self.counts = self.reserved = 0
        self.token = "none"
        self.last = self.last_check = None
        self.last_authorization = self.last_key = ""
        self.server = self.front = None
        self.inside = f"unix:{ARGUMENTS.directory}/{port}.sock"
        self.writers = set()

    def register(self, request):
        with self.lock:
            self.connects += 1
            self.last = request
            client = self.clients[request.ConnectionId] = Client(request)
            return client

    def unregister(self, client):
        with self.lock:
            if self.clients.get(client.request.ConnectionId) is client:
                del self.clients[client.request.ConnectionId]

    def living(self):
        with self.lock:
            return [c for c in self.clients.values() if not c.stale]

    def seen(self, name):
        last, check = self.last, self.last_check
        values = {
            "clients": len(self.living()), "connects": self.connects, "checks": self.checks, "answers": self.answers,
            "refused": self.refused, "tokens": self.tokens, "counts": self.counts, "reserved": self.reserved,
            "authorization": self.last_authorization, "key": self.last_key,
            "id": last and last.ConnectionId, "version": last and last.ClientVersion, "process": last and last.ProcessId,
            "path": last and last.ProcessPath, "machine": last and last.MachineName, "type": last and last.ClientType,
            "check_type": check and check.ClientType, "check_version": check and check.ClientVersion,
            "protocol": check and check.ProtocolVersion,
        }
        return str(values[name])

    # ---- gRPC ----

    def serve(self):
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), interceptors=[Guard(self)])
        stubs.add_ConnectionServiceServicer_to_server(Service(self), self.server)
        self.server.add_insecure_port(self.inside)
        self.server.start()

    async def begin(self):
        await asyncio.to_thread(self.serve)
        await self.listen()

    async def listen(self):
        self.front = await asyncio.start_server(self.accept, "127.0.0.1", self.port, ssl=self.tls)

    def refuse(self):
        self.front.close()

    def drop(self):
        for writer in list(self.writers):
            writer.transport.abort()

    async def do(self, what):
        if what in ("refuse", "restart"):
            self.refuse()
        if what in ("drop", "restart", "refuse"):
            self.drop()
        if what == "restart":
            self.epoch += 1
            await asyncio.to_thread(self.server.stop(None).wait)
            self.clients.clear()
            await asyncio.to_thread(self.serve)
        if what in ("listen", "restart"):
            await self.listen()
        if what == "end":
            self.epoch += 1
        if what == "revoke":
            self.token = "revoked"

    # ---- the front ----

    async def accept(self, reader, writer):
        self.writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(4)
            if first == b"PRI ":
                await self.pass_on(first, reader, writer)
            else:
                await self.answer(first, reader, writer)
        self.writers.discard(writer)
        writer.close()

    async def pass_on(self, first, reader, writer):
        inner_reader, inner_writer = await asyncio.open_unix_connection(self.inside.removeprefix("unix:"))
        inner_writer.write(first)
        tasks = [asyncio.ensure_future(pump(reader, inner_writer)), asyncio.ensure_future(pump(inner_reader, writer))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        inner_writer.close()

    async def answer(self, first, reader, writer):
        """One request of HTTP/1.1."""
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        length = [int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        body = (await reader.readexactly(length[0])).decode() if length else ""
        status, text = await self.respond(method, urllib.parse.urlsplit(target), body)
        data = text.encode()
        writer.write(f"HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()

    async def respond(self, method, url, body):
        if url.path == "/connect/token":
            return self.give_token(method, urllib.parse.parse_qs(body))
        if url.path == "/connections/count":
            self.counts += 1
            count = self.settings.count
            return 200, str(count if count >= 0 else len(self.living()))
        if url.path == "/connections/reserve":
            self.reserved += 1
            return 200, ""
        if url.path == "/set":
            for name, value in urllib.parse.parse_qsl(url.query):
                self.settings.set(name, value)
            return 200, ""
        if url.path == "/get":
            return 200, self.seen(url.query)
        if url.path == "/do":
            # The answer goes out before connections are dropped.
            asyncio.get_running_loop().call_later(0.02, lambda: asyncio.ensure_future(self.do(url.query)))
            return 200, ""
        return 404, ""

    def give_token(self, method, form):
        if method != "POST" or form.get("grant_type") != ["client_credentials"]:
            return 400, json.dumps({"error": "unsupported_grant_type"})
        if form.get("client_id") != ["us er"] or form.get("client_secret") != ["s&cret"]:
            return 401, json.dumps({"error": "invalid_client"})
        if self.settings.token_status != 200:
            return self.settings.token_status, ""
        self.tokens += 1
        self.token = f"token-{self.tokens}"
        return 200, json.dumps({"access_token": self.token, "expires_in": self.settings.token_life, "token_type": "Bearer"})


async def pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def server_tls(directory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/server.pem", f"{directory}/server.key")
    context.load_verify_locations(f"{directory}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def main():
    tls = server_tls(ARGUMENTS.tls) if ARGUMENTS.tls else None
    for port in ARGUMENTS.ports:
        await Kernel(port, tls).begin()
    await asyncio.Event().wait()


asyncio.run(main())
