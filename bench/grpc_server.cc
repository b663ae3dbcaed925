/* SPDX-License-Identifier: MIT */
// A server of gRPC's own library for the benchmarks: the methods of bench_util.h, on its callback
// interface, with bytes for messages.
//
//     grpc_server HOST:PORT      until it is killed
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "bench_util.h"

namespace
{

using grpc::ByteBuffer;
using grpc::Status;

// One message back.
class Say final : public grpc::ServerGenericBidiReactor
{
  public:
    Say()
    {
        StartRead(&message_);
    }
    void OnReadDone(bool ok) override
    {
        if (ok)
            StartWriteAndFinish(&message_, grpc::WriteOptions(), Status::OK);
        else
            Finish(Status::OK);
    }
    void OnDone() override
    {
        delete this;
    }

  private:
    ByteBuffer message_;
};

// Many, all as the one that came.
class Stream final : public grpc::ServerGenericBidiReactor
{
  public:
    Stream()
    {
        StartRead(&message_);
    }
    void OnReadDone(bool ok) override
    {
        OnWriteDone(ok);
    }
    void OnWriteDone(bool ok) override
    {
        if (!ok || left_-- == 0) {
            Finish(Status::OK);
            return;
        }
        copy_ = message_; // a write takes what it is given
        StartWrite(&copy_);
    }
    void OnDone() override
    {
        delete this;
    }

  private:
    ByteBuffer message_, copy_;
    unsigned left_ = BENCH_GRPC_MANY;
};

// Each as it comes.
class Chat final : public grpc::ServerGenericBidiReactor
{
  public:
    Chat()
    {
        StartRead(&in_);
    }
    void OnReadDone(bool ok) override
    {
        std::lock_guard<std::mutex> lock(mutex_);

        if (!ok) {
            ended_ = true;
            finish_if_over();
            return;
        }
        waiting_.push_back(std::move(in_));
        in_ = ByteBuffer();
        write_next();
        StartRead(&in_);
    }
    void OnWriteDone(bool ok) override
    {
        std::lock_guard<std::mutex> lock(mutex_);

        writing_ = false;
        if (!ok)
            waiting_.clear();
        write_next();
        finish_if_over();
    }
    void OnDone() override
    {
        delete this;
    }

  private:
    void write_next()
    {
        if (writing_ || waiting_.empty())
            return;
        out_ = std::move(waiting_.front());
        waiting_.pop_front();
        writing_ = true;
        StartWrite(&out_);
    }
    void finish_if_over()
    {
        if (ended_ && !writing_ && waiting_.empty())
            Finish(Status::OK);
    }

    std::mutex mutex_;
    std::deque<ByteBuffer> waiting_;
    ByteBuffer in_, out_;
    bool writing_ = false, ended_ = false;
};

class Unknown final : public grpc::ServerGenericBidiReactor
{
  public:
    Unknown()
    {
        Finish(Status(grpc::StatusCode::UNIMPLEMENTED, ""));
    }
    void OnDone() override
    {
        delete this;
    }
};

class Service final : public grpc::CallbackGenericService
{
    grpc::ServerGenericBidiReactor *CreateReactor(
        grpc::GenericCallbackServerContext *context) override
    {
        if (context->method() == BENCH_GRPC_SAY)
            return new Say;
        if (context->method() == BENCH_GRPC_STREAM)
            return new Stream;
        if (context->method() == BENCH_GRPC_CHAT)
            return new Chat;
        return new Unknown;
    }
};

} // namespace

int main(int argc, char **argv)
{
    grpc::ServerBuilder builder;
    Service service;
    int port = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: grpc_server HOST:PORT\n");
        return 2;
    }
    builder.AddListeningPort(argv[1], grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server || port == 0) {
        fprintf(stderr, "%s: cannot listen there\n", argv[1]);
        return 1;
    }
    server->Wait();
    return 0;
}
