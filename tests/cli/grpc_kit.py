# SPDX-License-Identifier: MIT
"""What the tests of `belay grpc` share: a server with reflection and health, and runs of the program against it."""
import atexit
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import harness

HERE = pathlib.Path(__file__).resolve().parent / "grpc"
PROTOS = pathlib.Path("/usr/share/grpc-proto/grpc")
UNIMPLEMENTED, UNAVAILABLE, NOT_FOUND, DEADLINE = 76, 78, 69, 68  # statuses of the program


def missing():
    if not shutil.which("protoc"):
        return "protobuf-compiler"
    if not PROTOS.is_dir():
        return "grpc-proto"
    probe = subprocess.run([sys.executable, "-c", "import grpc, google.protobuf"], stderr=subprocess.DEVNULL)
    return "python3-grpcio" if probe.returncode else None


if missing():
    print(f"{missing()} is not installed: skipped")
    sys.exit(1 if os.environ.get("CI") else 77)

_dir = pathlib.Path(tempfile.mkdtemp(prefix="belay-grpc-"))
_servers = []


def protoc(*args):
    subprocess.run(["protoc", *map(str, args)], check=True, stderr=subprocess.DEVNULL)


protoc("-I", HERE, f"--python_out={_dir}", *HERE.glob("*.proto"))
for version in ("health/v1", "reflection/v1"):
    protoc("-I", PROTOS / version, f"--python_out={_dir}", *(PROTOS / version).glob("*.proto"))


@atexit.register
def _end():
    for server in _servers:
        server.end()
    shutil.rmtree(_dir)


class Server:
    """server.py on a port of its own."""

    def __init__(self, *options):
        self.process = subprocess.Popen([sys.executable, "-B", HERE / "server.py", _dir, *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _servers.append(self)
        self.port = int(self.process.stdout.readline())
        self.host = f"127.0.0.1:{self.port}"
        self.target = "grpc://" + self.host

    def health(self, service, status):
        self.process.stdin.write(f"health {service} {status}\n")
        self.process.stdin.flush()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(harness.LIMIT)
        self.process.stdin.close()
        self.process.stdout.close()


class Case(harness.Case):
    server = None

    @classmethod
    def setUpClass(cls):
        if cls.server is None:
            Case.server = Server()

    def grpc(self, *args, status=0, target=None, **options):
        """`belay grpc TARGET ...`, which must return `status`; the target is the server's, if none is given."""
        run = self.belay("grpc", target or self.server.target, *args, **options)
        self.assertEqual(run.returncode, status, f"belay grpc {args}: {run.stderr.decode(errors='replace')}")
        return run

    def answers(self, *args, **options):
        """The messages printed: one line of JSON each."""
        return [json.loads(line) for line in self.grpc(*args, **options).stdout.splitlines()]

    def refused(self, *args, words=(), **options):
        """One line on standard error that has all the words, and nothing else."""
        run = self.grpc(*args, **options)
        err = run.stderr.decode()
        self.assertEqual(run.stdout, b"")
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("belay: "), err)
        self.assertTrue(err.strip().isprintable(), repr(err))
        for word in words:
            self.assertIn(word, err)
        return err
