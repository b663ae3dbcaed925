/* SPDX-License-Identifier: MIT */
/* Types by name, for libprotobuf's JSON: those of a schema, of protobuf itself, and details of errors. */
#ifndef CLI_GRPC_SCHEMA_RESOLVER_H
#define CLI_GRPC_SCHEMA_RESOLVER_H

#include <memory>
#include <set>
#include <string>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

/* Types by name, whatever their URL begins with; it remembers what it could not find. */
class Resolver : public google::protobuf::util::TypeResolver
{
  public:
    std::string unknown;
    std::set<std::string> forgone;
    bool forgoes_all = false;

    Resolver(const google::protobuf::DescriptorPool *pool,
             const google::protobuf::DescriptorPool *details)
        : known(google::protobuf::util::NewTypeResolverForDescriptorPool(
              "type.googleapis.com", google::protobuf::DescriptorPool::generated_pool())),
          own(google::protobuf::util::NewTypeResolverForDescriptorPool("type.googleapis.com",
                                                                       pool)),
          other(google::protobuf::util::NewTypeResolverForDescriptorPool("type.googleapis.com",
                                                                         details))
    {
    }
    google::protobuf::util::Status ResolveMessageType(const std::string &url,
                                                      google::protobuf::Type *type) override
    {
        std::string name = url.substr(url.rfind('/') + 1);
        auto status = first_of(name)->ResolveMessageType(url_of(name), type);

        if (!status.ok())
            status = other->ResolveMessageType(url_of(name), type);
        if (!status.ok() && (forgoes_all || forgone.count(name))) {
            type->set_name(name);
            type->set_syntax(google::protobuf::SYNTAX_PROTO3);
            return google::protobuf::util::Status();
        }
        if (!status.ok())
            unknown = name;
        return status;
    }
    google::protobuf::util::Status ResolveEnumType(const std::string &url,
                                                   google::protobuf::Enum *type) override
    {
        auto status = first_of(url.substr(url.rfind('/') + 1))->ResolveEnumType(url, type);

        return status.ok() ? status : other->ResolveEnumType(url, type);
    }

    static std::string url_of(const std::string &name)
    {
        return "type.googleapis.com/" + name;
    }

  private:
    std::unique_ptr<google::protobuf::util::TypeResolver> known, own, other;

    /* What libprotobuf writes in a way of its own (Struct, Timestamp, ...) must be what it takes it
     * for: servers that say otherwise would have it loop. */
    google::protobuf::util::TypeResolver *first_of(const std::string &name)
    {
        const google::protobuf::DescriptorPool *pool =
            google::protobuf::DescriptorPool::generated_pool();

        return name.compare(0, 16, "google.protobuf.") == 0 && pool->FindFileContainingSymbol(name)
                   ? known.get()
                   : own.get();
    }
};

#endif
