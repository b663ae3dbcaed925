#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A server of gRPC's own library that says what it hears; what it says is compressed, if the method is "Packed..."."""
import sys
from concurrent import futures

import grpc


def unary(request, context):
    return request


def packed_unary(request, context):
    context.set_compression(grpc.Compression.Gzip)
    return request


def stream(requests, context):
    for request in requests:
        yield request


def packed_stream(requests, context):
    context.set_compression(grpc.Compression.Gzip)
    for request in requests:
        yield request


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "PackedUnary": grpc.unary_unary_rpc_method_handler(packed_unary),
    "Stream": grpc.stream_stream_rpc_method_handler(stream),
    "PackedStream": grpc.stream_stream_rpc_method_handler(packed_stream),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=100), compression=grpc.Compression.NoCompression)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", METHODS),))
if server.add_insecure_port(sys.argv[1]) == 0:
    sys.exit(f"{sys.argv[1]} is not to be had")
server.start()
server.wait_for_termination()
