/* SPDX-License-Identifier: MIT */
// The server of gRPC's interoperability cases, on gRPC's own library: with the compressed ones, which
// the one of ruby-grpc lacks. Written from the descriptions of the cases.
//
//     interop_server HOST:PORT CERT KEY
//
// Listens there without TLS, and with it on another port; says "listening on PORT and PORT" when it
// does, and ends with its standard input.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "grpc/testing/test.grpc.pb.h"

// Whether a message came compressed is told to tests alone; it is in the library, but in no header.
uint32_t grpc_call_test_only_get_message_flags(grpc_call *call);

namespace grpc::testing
{

// The friend that a context has for this.
class InteropServerContextInspector
{
  public:
    static bool message_was_compressed(const ServerContext &context)
    {
        constexpr uint32_t still_compressed = 0x80000000u, was_compressed = 0x40000000u;

        return grpc_call_test_only_get_message_flags(context.call_.call) &
               (still_compressed | was_compressed);
    }
};

} // namespace grpc::testing

namespace
{

using namespace grpc::testing;
using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

const char initial_key[] = "x-grpc-test-echo-initial";
const char trailing_key[] = "x-grpc-test-echo-trailing-bin";

void echo_metadata(ServerContext *context)
{
    for (const auto &[key, value] : context->client_metadata()) {
        if (key == initial_key)
            context->AddInitialMetadata(initial_key, std::string(value.data(), value.size()));
        else if (key == trailing_key)
            context->AddTrailingMetadata(trailing_key, std::string(value.data(), value.size()));
    }
}

// What a request says of itself: was it true?
template <class Request>
Status check_compression(const ServerContext &context, const Request &request)
{
    if (!request.has_expect_compressed() ||
        request.expect_compressed().value() ==
            InteropServerContextInspector::message_was_compressed(context))
        return Status::OK;
    return Status(StatusCode::INVALID_ARGUMENT,
                  request.expect_compressed().value()
                      ? "the message was to be compressed, and is not"
                      : "the message is compressed, and was not to be");
}

Status asked_status(const EchoStatus &status)
{
    return Status(static_cast<StatusCode>(status.code()), status.message());
}

void fill(Payload *payload, int32_t size)
{
    payload->set_type(COMPRESSABLE);
    payload->set_body(std::string(static_cast<size_t>(std::max(size, 0)), '\0'));
}

class Service final : public TestService::Service
{
  public:
    Status EmptyCall(ServerContext *context, const Empty *, Empty *) override
    {
        echo_metadata(context);
        return Status::OK;
    }

    Status UnaryCall(ServerContext *context, const SimpleRequest *request,
                     SimpleResponse *response) override
    {
        Status status = check_compression(*context, *request);

        echo_metadata(context);
        if (!status.ok())
            return status;
        if (request->has_response_compressed())
            context->set_compression_algorithm(
                request->response_compressed().value() ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE);
        if (request->has_response_status() && request->response_status().code() != 0)
            return asked_status(request->response_status());
        fill(response->mutable_payload(), request->response_size());
        return Status::OK;
    }

    Status CacheableUnaryCall(ServerContext *context, const SimpleRequest *request,
                              SimpleResponse *response) override
    {
        context->AddInitialMetadata("cache-control", "max-age=60, public");
        return UnaryCall(context, request, response);
    }

    Status StreamingOutputCall(ServerContext *context, const StreamingOutputCallRequest *request,
                               grpc::ServerWriter<StreamingOutputCallResponse> *writer) override
    {
        echo_metadata(context);
        return answer(context, *request, writer);
    }

    Status StreamingInputCall(ServerContext *context,
                              grpc::ServerReader<StreamingInputCallRequest> *reader,
                              StreamingInputCallResponse *response) override
    {
        StreamingInputCallRequest request;
        int32_t total = 0;

        echo_metadata(context);
        while (reader->Read(&request)) {
            Status status = check_compression(*context, request);

            if (!status.ok())
                return status;
            total += static_cast<int32_t>(request.payload().body().size());
        }
        response->set_aggregated_payload_size(total);
        return Status::OK;
    }

    Status FullDuplexCall(ServerContext *context,
                          grpc::ServerReaderWriter<StreamingOutputCallResponse,
                                                   StreamingOutputCallRequest> *stream) override
    {
        StreamingOutputCallRequest request;

        echo_metadata(context);
        while (stream->Read(&request)) {
            Status status = answer(context, request, stream);

            if (!status.ok())
                return status;
        }
        return Status::OK;
    }

    Status HalfDuplexCall(ServerContext *context,
                          grpc::ServerReaderWriter<StreamingOutputCallResponse,
                                                   StreamingOutputCallRequest> *stream) override
    {
        std::vector<StreamingOutputCallRequest> requests;
        StreamingOutputCallRequest request;

        echo_metadata(context);
        while (stream->Read(&request))
            requests.push_back(request);
        for (const auto &one : requests) {
            Status status = answer(context, one, stream);

            if (!status.ok())
                return status;
        }
        return Status::OK;
    }

  private:
    // Any of its messages may be asked for compressed, so the stream is; others go without.
    template <class Writer>
    static Status answer(ServerContext *context, const StreamingOutputCallRequest &request,
                         Writer *writer)
    {
        const auto &all = request.response_parameters();

        if (request.has_response_status() && request.response_status().code() != 0)
            return asked_status(request.response_status());
        if (std::any_of(all.begin(), all.end(),
                        [](const auto &one) { return one.compressed().value(); }))
            context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
        for (const auto &one : all) {
            StreamingOutputCallResponse response;
            grpc::WriteOptions options;

            if (one.interval_us() > 0)
                usleep(static_cast<useconds_t>(one.interval_us()));
            if (!one.compressed().value())
                options.set_no_compression();
            fill(response.mutable_payload(), one.size());
            if (!writer->Write(response, options))
                return Status(StatusCode::CANCELLED, "nobody reads");
        }
        return Status::OK;
    }
};

} // namespace

static std::string read_file(const char *path)
{
    std::ifstream file(path, std::ios::binary);

    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

static std::shared_ptr<grpc::ServerCredentials> with_tls(const char *cert, const char *key)
{
    grpc::SslServerCredentialsOptions options;

    options.pem_key_cert_pairs.push_back({read_file(key), read_file(cert)});
    return grpc::SslServerCredentials(options);
}

int main(int argc, char **argv)
{
    grpc::ServerBuilder builder;
    Service service;
    int plain = 0, tls = 0;
    char byte;

    if (argc != 4) {
        fprintf(stderr, "usage: interop_server HOST:PORT CERT KEY\n");
        return 2;
    }
    builder.AddListeningPort(argv[1], grpc::InsecureServerCredentials(), &plain);
    builder.AddListeningPort("127.0.0.1:0", with_tls(argv[2], argv[3]), &tls);
    builder.RegisterService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server || plain == 0 || tls == 0) {
        fprintf(stderr, "%s: cannot listen there\n", argv[1]);
        return 1;
    }
    printf("listening on %d and %d\n", plain, tls);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    server->Shutdown(std::chrono::system_clock::now());
    return 0;
}
