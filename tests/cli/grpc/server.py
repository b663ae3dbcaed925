#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A gRPC server with reflection and health, on gRPC's own library.

    server.py DIR [--tls DIR [--client-ca]] [--no-reflection | --v1alpha | --lie HOW] [--token TEXT]

DIR has the Python modules that protoc made of the .proto files beside this one, of health and of reflection. It prints
its port; a line "health SERVICE STATUS" on standard input changes what health says.
"""
import argparse
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, empty_pb2, timestamp_pb2

options = argparse.ArgumentParser()
options.add_argument("dir")
options.add_argument("--tls")
options.add_argument("--client-ca", action="store_true", help="clients need a certificate")
options.add_argument("--no-reflection", action="store_true")
options.add_argument("--v1alpha", action="store_true")
options.add_argument("--lie",
                     choices=["ring", "endless", "other", "gone", "junk", "broken", "comment", "chain", "words", "struct", "claim",
                              "deep", "quote"],
                     help="of reflection")
options.add_argument("--token", help="without which reflection is refused, in x-token")
args = options.parse_args()
sys.path.insert(0, args.dir)

import goods_pb2  # noqa: E402
import shop_pb2  # noqa: E402
import wrapped_pb2  # noqa: E402
from grpc_details_pb2 import BadRequest, RetryInfo, Status  # noqa: E402
from health_pb2 import HealthCheckRequest, HealthCheckResponse  # noqa: E402
from reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse  # noqa: E402

POOL = descriptor_pool.Default()
STATUSES = {code.value[0]: code for code in grpc.StatusCode}


# ---- shop.Cart ----

def seen(context):
    return sorted(f"{k}={v.hex() if isinstance(v, bytes) else v}" for k, v in context.invocation_metadata() if k.startswith("x-"))


def add(item, context):
    context.send_initial_metadata((("x-first", "one"), ("x-raw-bin", b"\x00\x01")))
    context.set_trailing_metadata((("x-last", "two"),))
    return shop_pb2.Total(count=item.count, seen=seen(context))


def add_many(items, context):
    return shop_pb2.Total(count=sum(item.count for item in items))


def list_items(query, context):
    if query.like.startswith("gzip"):
        context.set_compression(grpc.Compression.Gzip)
    for i in range(query.limit):
        yield goods_pb2.Item(sku=f"{query.like}{i}", count=i)


def talk(items, context):
    count = 0
    for item in items:
        count += item.count
        yield shop_pb2.Total(count=count)


def fail(failure, context):
    if failure.rich:
        status = Status(code=failure.status, message=failure.message)
        for detail in (BadRequest(field_violations=[BadRequest.FieldViolation(field="sku", description="is too long")]),
                       RetryInfo(retry_delay=duration_pb2.Duration(seconds=3)), goods_pb2.Item(sku="unknown")):
            status.details.add().Pack(detail)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(STATUSES[failure.status], failure.message)


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def nested(n):
    """So many Anys within each other."""
    heads, size = [], 0
    for _ in range(n):
        heads.append(b"\x0a\x15x/google.protobuf.Any\x12" + varint(size))
        size += len(heads[-1])
    return shop_pb2.Box.FromString(b"\x0a" + varint(size) + b"".join(reversed(heads)))


def wrap(item, context):
    if item.sku == "nested":
        return nested(item.count)
    if item.sku == "strange":
        return shop_pb2.Box(more=[any_pb2.Any(type_url=f"x/nobody.Knows{i}", value=b"\x08\x01") for i in range(item.count)])
    box = shop_pb2.Box(packed_at=timestamp_pb2.Timestamp(seconds=1600000000))
    box.any.Pack(wrapped_pb2.Ribbon(text=item.sku))
    if item.count:
        box.any.type_url = "type.googleapis.com/nobody.Knows"
    return box


def sleep(query, context):
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(30)
    return empty_pb2.Empty()


CART = {
    "Add": (grpc.unary_unary_rpc_method_handler, add, goods_pb2.Item),
    "AddMany": (grpc.stream_unary_rpc_method_handler, add_many, goods_pb2.Item),
    "Items": (grpc.unary_stream_rpc_method_handler, list_items, shop_pb2.Query),
    "Talk": (grpc.stream_stream_rpc_method_handler, talk, goods_pb2.Item),
    "Fail": (grpc.unary_unary_rpc_method_handler, fail, shop_pb2.Failure),
    "Wrap": (grpc.unary_unary_rpc_method_handler, wrap, goods_pb2.Item),
    "Sleep": (grpc.unary_unary_rpc_method_handler, sleep, shop_pb2.Query),
}


# ---- health ----

health = {"": 1, "shop.Cart": 1}
changed = threading.Condition()


def check(request, context):
    if request.service not in health:
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return HealthCheckResponse(status=health[request.service])


def watch(request, context):
    last = None
    context.add_callback(wake)
    while context.is_active():
        with changed:
            changed.wait_for(lambda: not context.is_active() or health.get(request.service, 3) != last)
            now = health.get(request.service, 3)
        if now != last:
            yield HealthCheckResponse(status=now)
        last = now


def wake():
    with changed:
        changed.notify_all()


HEALTH = {
    "Check": (grpc.unary_unary_rpc_method_handler, check, HealthCheckRequest),
    "Watch": (grpc.unary_stream_rpc_method_handler, watch, HealthCheckRequest),
}


# ---- reflection ----

def file_of(answer, file):
    """One file alone: those it imports are asked for, if they are wanted."""
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    answer.file_descriptor_response.file_descriptor_proto.append(proto.SerializeToString())


def lie_of_types(file):
    """shop.Cart/Wrap as it is, whose box is a Struct of another shape, has an Any that nobody defines, or twenty thousand
    messages one in another; or whose item has a quote in a name."""
    answer = ServerReflectionResponse()
    file.name, file.syntax = "shop.proto", "proto3"
    file.service.add(name="Cart").method.add(name="Wrap", input_type=".shop.Item", output_type=".shop.Box")
    file.message_type.add(name="Item").field.add(name="sku", number=1, type=9, label=1)
    box = file.message_type.add(name="Box").field
    if args.lie == "struct":
        other = descriptor_pb2.FileDescriptorProto(name="other.proto", package="google.protobuf", syntax="proto3")
        other.message_type.add(name="Struct").field.add(name="x", number=1, type=9, label=1)
        answer.file_descriptor_response.file_descriptor_proto.append(other.SerializeToString())
        file.dependency.append("other.proto")
        box.add(name="any", number=1, type=11, label=1, type_name=".google.protobuf.Struct")
    elif args.lie == "deep":
        for i in range(20000):
            box.add(name="x", number=1, type=11, label=1, type_name=f".shop.M{i}")
            box = file.message_type.add(name=f"M{i}").field
    elif args.lie == "quote":
        file.message_type[0].field[0].json_name = "it's"
    else:
        file.dependency.append("google/protobuf/any.proto")
        box.add(name="any", number=1, type=11, label=1, type_name=".google.protobuf.Any")
    answer.file_descriptor_response.file_descriptor_proto.append(file.SerializeToString())
    return answer


def lie(request):
    """What no honest server would say."""
    answer = ServerReflectionResponse()
    if request.HasField("list_services"):
        answer.list_services_response.service.add().name = "shop.\x1b[31mCart"
        return answer
    name = request.file_by_filename or "a.proto"
    file = descriptor_pb2.FileDescriptorProto(name=name, package="shop")
    if args.lie == "chain":
        for i in range(100000):
            link = descriptor_pb2.FileDescriptorProto(name=f"{i}", dependency=[f"{i + 1}"] if i < 99999 else [])
            answer.file_descriptor_response.file_descriptor_proto.append(link.SerializeToString())
        return answer
    if args.lie in ("struct", "claim", "deep", "quote"):
        return lie_of_types(file)
    if args.lie == "words":
        file.message_type.add(name="Item").field.add(name="a" * 300000, number=1, type=9, label=1)
        file.source_code_info.location.add(path=[4, 0], span=[1, 1, 1], leading_comments="a" * 300000 + "\n")
    if args.lie == "comment":
        file.name += "\x1b[31m\u009b31m\u202e"
        file.source_code_info.location.add(path=[6, 0], span=[1, 1, 1], leading_comments="\x1b[31mred\n")
    if name == "a.proto":
        file.service.add().name = "Cart"
    if args.lie == "ring":
        file.dependency.append("b.proto" if name == "a.proto" else "a.proto")
    elif args.lie == "endless":
        file.dependency.append("a" + name)
    elif args.lie == "other":
        file.name = "a.proto"
        file.dependency.append("b.proto")
    elif args.lie == "gone" and request.file_by_filename:
        answer.error_response.error_code = 5
        answer.error_response.error_message = "gone\x1b[31m"
        return answer
    elif args.lie == "gone":
        file.dependency.append("b.proto")
    elif args.lie == "broken":
        file.message_type.add(name="X").field.add(name="y", number=1, type=11, type_name=".no.Such", label=1)
    blob = b"\xff\xff" if args.lie == "junk" else file.SerializeToString()
    answer.file_descriptor_response.file_descriptor_proto.append(blob)
    return answer


def reflect(requests, context):
    if args.token and ("x-token", args.token) not in context.invocation_metadata():
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
    for request in requests:
        if args.lie:
            yield lie(request)
            continue
        answer = ServerReflectionResponse(original_request=request)
        try:
            if request.HasField("list_services"):
                for name in ("shop.Cart", "shop.Stock", "grpc.health.v1.Health"):
                    answer.list_services_response.service.add().name = name
            elif request.HasField("file_by_filename"):
                file_of(answer, POOL.FindFileByName(request.file_by_filename))
            else:
                file_of(answer, POOL.FindFileContainingSymbol(request.file_containing_symbol))
        except KeyError:
            answer.error_response.error_code = 5
            answer.error_response.error_message = "not found"
        yield answer


REFLECTION = {"ServerReflectionInfo": (grpc.stream_stream_rpc_method_handler, reflect, ServerReflectionRequest)}


# ---- the server ----

def add_service(server, name, methods):
    handlers = {method: make(fn, request_deserializer=kind.FromString, response_serializer=lambda m: m.SerializeToString())
                for method, (make, fn, kind) in methods.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))


def read(name):
    with open(f"{args.tls}/{name}", "rb") as file:
        return file.read()


server = grpc.server(futures.ThreadPoolExecutor(max_workers=50),
                     options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
add_service(server, "shop.Cart", CART)
add_service(server, "grpc.health.v1.Health", HEALTH)
if not args.no_reflection:
    for version in ["v1alpha"] if args.v1alpha else ["v1", "v1alpha"]:
        add_service(server, f"grpc.reflection.{version}.ServerReflection", REFLECTION)
if args.tls:
    credentials = grpc.ssl_server_credentials([(read("server.key"), read("server.pem"))],
                                              read("ca.pem") if args.client_ca else None, args.client_ca)
    port = server.add_secure_port("127.0.0.1:0", credentials)
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
for line in sys.stdin:
    _, service, status = line.rstrip("\n").split(" ")
    with changed:
        health[service] = int(status)
        changed.notify_all()
