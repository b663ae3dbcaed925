/* SPDX-License-Identifier: MIT */
// What belay_grpc.c does, by gRPC's own C++ library: its asynchronous interface, one completion queue,
// bytes for messages.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "bench_util.h"

namespace
{

using grpc::ByteBuffer;

constexpr unsigned warm = 16, tick_out = 64;

ByteBuffer make_message()
{
    grpc::Slice slice("0123456789abcdef", BENCH_GRPC_MESSAGE);

    return ByteBuffer(&slice, 1);
}

// Each with a connection of its own, as belay's channels are.
std::unique_ptr<grpc::GenericStub> open_stub(const bench_options &options)
{
    grpc::ChannelArguments arguments;
    std::string target = "ipv4:" + std::string(options.host) + ":" + std::to_string(options.port);

    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
}

void check(const grpc::Status &status)
{
    if (!status.ok())
        bench_die("%d: %s", status.error_code(), status.error_message().c_str());
}

void check_length(const ByteBuffer &message)
{
    if (message.Length() != BENCH_GRPC_MESSAGE)
        bench_die("a message of %zu bytes", message.Length());
}

void *next(grpc::CompletionQueue *queue)
{
    void *tag;
    bool ok;

    if (!queue->Next(&tag, &ok))
        bench_die("the queue ended");
    return ok ? tag : nullptr;
}

struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    ByteBuffer response;
    grpc::Status status;
};

void say(grpc::GenericStub *stub, grpc::CompletionQueue *queue, const ByteBuffer &message)
{
    Call *call = new Call;

    call->reader = stub->PrepareUnaryCall(&call->context, BENCH_GRPC_SAY, message, queue);
    call->reader->StartCall();
    call->reader->Finish(&call->response, &call->status, call);
}

void finish_one(grpc::CompletionQueue *queue)
{
    std::unique_ptr<Call> call(static_cast<Call *>(next(queue)));

    if (!call)
        bench_die("a call did not finish");
    check(call->status);
    check_length(call->response);
}

void run_unary(const bench_options &options, bench_meter *meter)
{
    std::unique_ptr<grpc::GenericStub> stub = open_stub(options);
    grpc::CompletionQueue queue;
    ByteBuffer message = make_message();

    bench_meter_start(meter, &options);
    for (unsigned i = 0; i < options.inflight; i++)
        say(stub.get(), &queue, message);
    do {
        finish_one(&queue);
        meter->count++;
        say(stub.get(), &queue, message);
    } while (!bench_meter_tick(meter));
}

void run_stream(const bench_options &options, bench_meter *meter)
{
    std::unique_ptr<grpc::GenericStub> stub = open_stub(options);
    grpc::CompletionQueue queue;
    ByteBuffer message = make_message(), response;
    int tag;

    bench_meter_start(meter, &options);
    for (;;) {
        grpc::ClientContext context;
        grpc::Status status;
        auto stream = stub->PrepareCall(&context, BENCH_GRPC_STREAM, &queue);

        stream->StartCall(&tag);
        next(&queue);
        stream->WriteLast(message, grpc::WriteOptions(), &tag);
        next(&queue);
        for (;;) {
            stream->Read(&response, &tag);
            if (!next(&queue))
                break;
            check_length(response);
            if (++meter->count % tick_out == 0 && bench_meter_tick(meter)) {
                context.TryCancel();
                stream->Finish(&status, &tag);
                next(&queue);
                return;
            }
        }
        stream->Finish(&status, &tag);
        next(&queue);
        check(status);
    }
}

void run_chat(const bench_options &options, bench_meter *meter)
{
    std::unique_ptr<grpc::GenericStub> stub = open_stub(options);
    grpc::CompletionQueue queue;
    ByteBuffer message = make_message(), response;
    grpc::ClientContext context;
    grpc::Status status;
    int reading, writing;
    unsigned owed = options.inflight - 1;
    bool busy = true;
    auto stream = stub->PrepareCall(&context, BENCH_GRPC_CHAT, &queue);

    bench_meter_start(meter, &options);
    stream->StartCall(&reading);
    next(&queue);
    stream->Write(message, &writing);
    stream->Read(&response, &reading);
    for (;;) {
        void *tag = next(&queue);

        if (tag == &writing) {
            busy = false;
        } else if (tag == &reading) {
            check_length(response);
            owed++;
            if (++meter->count % tick_out == 0 && bench_meter_tick(meter))
                break;
            stream->Read(&response, &reading);
        } else {
            bench_die("the stream ended");
        }
        if (owed > 0 && !busy) {
            owed--;
            busy = true;
            stream->Write(message, &writing);
        }
    }
    context.TryCancel();
    stream->Finish(&status, &reading);
    for (void *tag = nullptr; tag != &reading;) {
        bool ok;

        queue.Next(&tag, &ok);
    }
}

void run_idle(const bench_options &options)
{
    std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
    grpc::CompletionQueue queue;
    ByteBuffer message = make_message();
    bench_memory before, after;

    bench_raise_nofile(options.inflight + warm + 64);
    for (unsigned i = 0; i < options.inflight + warm; i++) {
        if (i == warm)
            bench_memory_read(&before);
        stubs.push_back(open_stub(options));
        say(stubs.back().get(), &queue, message);
        finish_one(&queue);
    }
    bench_memory_read(&after);
    bench_report_memory("gRPC C++", options.inflight, &before, &after);
}

} // namespace

int main(int argc, char **argv)
{
    bench_options options;
    bench_meter meter;

    bench_options_parse(&options, argc, argv, "grpc-unary");
    if (strcmp(options.mode, "grpc-idle") == 0) {
        run_idle(options);
        return 0;
    }
    if (strcmp(options.mode, "grpc-unary") == 0)
        run_unary(options, &meter);
    else if (strcmp(options.mode, "grpc-stream") == 0)
        run_stream(options, &meter);
    else if (strcmp(options.mode, "grpc-chat") == 0)
        run_chat(options, &meter);
    else
        bench_die("unknown mode %s", options.mode);
    bench_report("gRPC C++", options.mode, &meter);
    return 0;
}
