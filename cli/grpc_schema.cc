/* SPDX-License-Identifier: MIT */
/*
 * What services and messages look like, by libprotobuf. Files come from anywhere and in any order;
 * they wait until all that they import is there, and are then built into one pool. What protobuf
 * itself brings (google/protobuf/....proto) nobody has to give; nor the details of errors.
 */
extern "C" {
#include "grpc_schema.h"
}

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include "grpc_details.h"

namespace pb = google::protobuf;
using std::string;

namespace
{

const char prefix[] = "type.googleapis.com/";

/* The first thing that is wrong. */
class Complaints : public pb::DescriptorPool::ErrorCollector,
                   public pb::compiler::MultiFileErrorCollector
{
  public:
    string first;

    void AddError(const string &file, const string &element, const pb::Message *, ErrorLocation,
                  const string &message) override
    {
        add(file + (element.empty() ? "" : ": " + element) + ": " + message);
    }
    void AddError(const string &file, int line, int column, const string &message) override
    {
        add(line < 0 ? file + ": " + message
                     : file + ":" + std::to_string(line + 1) + ":" + std::to_string(column + 1) +
                           ": " + message);
    }

  private:
    void add(const string &text)
    {
        if (first.empty())
            first = text;
    }
};

/* Types by name, whatever their URL begins with; it remembers what it could not find. */
class Resolver : public pb::util::TypeResolver
{
  public:
    string unknown;
    std::set<string> forgone;

    Resolver(const pb::DescriptorPool *pool, const pb::DescriptorPool *details)
        : own(pb::util::NewTypeResolverForDescriptorPool("type.googleapis.com", pool)),
          other(pb::util::NewTypeResolverForDescriptorPool("type.googleapis.com", details))
    {
    }
    pb::util::Status ResolveMessageType(const string &url, pb::Type *type) override
    {
        string name = url.substr(url.rfind('/') + 1);
        auto status = own->ResolveMessageType(prefix + name, type);

        if (!status.ok())
            status = other->ResolveMessageType(prefix + name, type);
        if (!status.ok() && forgone.count(name)) {
            type->set_name(name);
            type->set_syntax(pb::SYNTAX_PROTO3);
            return pb::util::Status();
        }
        if (!status.ok())
            unknown = name;
        return status;
    }
    pb::util::Status ResolveEnumType(const string &url, pb::Enum *type) override
    {
        auto status = own->ResolveEnumType(url, type);

        return status.ok() ? status : other->ResolveEnumType(url, type);
    }

  private:
    std::unique_ptr<pb::util::TypeResolver> own, other;
};

} // namespace

struct grpc_schema {
    std::map<string, pb::FileDescriptorProto> waiting;
    std::vector<const pb::FileDescriptor *> files; /* built, without protobuf's own */
    pb::DescriptorPool pool, details;
    std::unique_ptr<Resolver> resolver;
    pb::DynamicMessageFactory factory;
    std::map<string, string> paths; /* of methods that were found: by their name */
    string missing, unknown;
};

/* ---- small things ---- */

static bool refuse(struct complaint *why, const string &text)
{
    return complain(why, "%.480s", text.substr(0, text.find('\n')).c_str());
}

static const pb::FileDescriptor *of_protobuf(const string &name)
{
    return pb::DescriptorPool::generated_pool()->FindFileByName(name);
}

static pb::FileDescriptorProto copy(const pb::FileDescriptor *file)
{
    pb::FileDescriptorProto proto;

    file->CopyTo(&proto);
    file->CopySourceCodeInfoTo(&proto); /* comments */
    file->CopyJsonNameTo(&proto);
    return proto;
}

static void add(struct grpc_schema *s, pb::FileDescriptorProto proto)
{
    string name = proto.name();

    if (!s->pool.FindFileByName(name))
        s->waiting.emplace(std::move(name), std::move(proto));
}

static void add_with_imports(struct grpc_schema *s, const pb::FileDescriptor *file)
{
    if (s->waiting.count(file->name()))
        return;
    add(s, copy(file));
    for (int i = 0; i < file->dependency_count(); i++)
        add_with_imports(s, file->dependency(i));
}

static void give(struct strings *list, const string &text)
{
    strings_add(list, memory_copy(text.data(), text.size()));
}

/* ---- the details of errors ---- */

static void build_details(struct grpc_schema *s)
{
    pb::io::ArrayInputStream text(grpc_details_proto,
                                  static_cast<int>(sizeof grpc_details_proto - 1));
    pb::io::Tokenizer tokens(&text, nullptr);
    pb::compiler::Parser parser;
    pb::FileDescriptorProto file, duration;

    of_protobuf("google/protobuf/duration.proto")->CopyTo(&duration);
    s->details.BuildFile(duration);
    file.set_name("google/rpc/error_details.proto");
    parser.Parse(&tokens, &file);
    s->details.BuildFile(file);
}

extern "C" {

bool grpc_schema_is_there(void)
{
    return true;
}

struct grpc_schema *grpc_schema_new(void)
{
    auto *s = new grpc_schema;

    pb::SetLogHandler(nullptr); /* it would write to standard error by itself */
    build_details(s);
    s->resolver = std::make_unique<Resolver>(&s->pool, &s->details);
    return s;
}

void grpc_schema_free(struct grpc_schema *s)
{
    delete s;
}

/* ---- where it comes from ---- */

bool grpc_schema_add_set(struct grpc_schema *s, const char *name, const struct bytes *set,
                         struct complaint *why)
{
    pb::FileDescriptorSet files;
    char shown[TEXT_SHOWN_MAX];

    if (set->len == 0 || !files.ParseFromArray(set->data, static_cast<int>(set->len)) ||
        files.file_size() == 0)
        return complain(why,
                        "%s: is not a descriptor set (protoc --include_imports -o FILE makes one)",
                        text_show(shown, sizeof shown, name));
    for (auto &file : *files.mutable_file())
        add(s, std::move(file));
    return true;
}

bool grpc_schema_add_protos(struct grpc_schema *s, const struct strings *names,
                            const struct strings *dirs, struct complaint *why)
{
    pb::compiler::DiskSourceTree tree;
    Complaints wrong;

    for (size_t i = 0; i < dirs->n; i++)
        tree.MapPath("", dirs->items[i]);
    if (dirs->n == 0)
        tree.MapPath("", ".");
    pb::compiler::SourceTreeDescriptorDatabase sources(&tree);
    pb::DescriptorPoolDatabase own(*pb::DescriptorPool::generated_pool());
    pb::MergedDescriptorDatabase all(&sources, &own);
    sources.RecordErrorsTo(&wrong);
    pb::DescriptorPool pool(&all, sources.GetValidationErrorCollector());

    for (size_t i = 0; i < names->n; i++) {
        string name = names->items[i], shadowing;
        const pb::FileDescriptor *file;

        tree.DiskFileToVirtualFile(name, &name,
                                   &shadowing); /* "protos/a.proto" of protos is a.proto */
        if (dirs->n == 0 && !name.empty() && name[0] == '/')
            tree.MapPath("", "/"), name = name.substr(1);
        file = pool.FindFileByName(name);
        if (!file)
            return refuse(why,
                          wrong.first.empty() ? name + ": there is no such file" : wrong.first);
        add_with_imports(s, file);
    }
    return true;
}

bool grpc_schema_add_file(struct grpc_schema *s, const void *data, size_t len,
                          struct complaint *why)
{
    pb::FileDescriptorProto file;

    if (!file.ParseFromArray(data, static_cast<int>(len)) || file.name().empty())
        return complain(why, "what it sent is not a file's descriptor");
    add(s, std::move(file));
    return true;
}

const char *grpc_schema_missing(struct grpc_schema *s)
{
    std::vector<pb::FileDescriptorProto> found;

    for (bool again = true; again;) {
        found.clear();
        for (auto &[name, file] : s->waiting) {
            for (const auto &import : file.dependency()) {
                if (s->waiting.count(import) || s->pool.FindFileByName(import))
                    continue;
                if (!of_protobuf(import)) {
                    s->missing = import;
                    return s->missing.c_str();
                }
                found.push_back(copy(of_protobuf(import)));
            }
        }
        again = !found.empty();
        for (auto &file : found)
            add(s, std::move(file));
    }
    return nullptr;
}

} // extern "C"

/* Those that it imports come first. `open` are being built: a ring of imports is an error. */
static bool build(struct grpc_schema *s, const string name, std::set<string> &open,
                  Complaints &wrong)
{
    auto at = s->waiting.find(name);

    if (at == s->waiting.end() || !open.insert(name).second)
        return true;
    pb::FileDescriptorProto file = at->second;
    for (const auto &import : file.dependency())
        if (!build(s, import, open, wrong))
            return false;
    const auto *built = s->pool.BuildFileCollectingErrors(file, &wrong);
    if (!built)
        return false;
    s->waiting.erase(name);
    if (!of_protobuf(name))
        s->files.push_back(built);
    return true;
}

static const char *kind_of(const pb::DescriptorPool &pool, const char *symbol)
{
    return pool.FindServiceByName(symbol)                                     ? "a service"
           : pool.FindMethodByName(symbol)                                    ? "a method"
           : pool.FindMessageTypeByName(symbol)                               ? "a message"
           : pool.FindEnumTypeByName(symbol)                                  ? "an enum"
           : pool.FindFieldByName(symbol) || pool.FindExtensionByName(symbol) ? "a field"
           : pool.FindOneofByName(symbol)                                     ? "a oneof"
           : pool.FindEnumValueByName(symbol)                                 ? "a value of an enum"
                                                                              : nullptr;
}

extern "C" {

bool grpc_schema_build(struct grpc_schema *s, struct complaint *why)
{
    Complaints wrong;
    std::set<string> open;

    if (grpc_schema_missing(s))
        return complain(why,
                        "%.200s is imported, and is not there (protoc --include_imports "
                        "puts all into the set)",
                        s->missing.c_str());
    while (!s->waiting.empty()) {
        size_t before = s->waiting.size();

        open.clear();
        if (!build(s, s->waiting.begin()->first, open, wrong) || s->waiting.size() == before) {
            s->waiting.clear();
            return refuse(why, wrong.first);
        }
    }
    return true;
}

/* ---- what there is ---- */

bool grpc_schema_has(const struct grpc_schema *s, const char *symbol)
{
    return kind_of(s->pool, symbol) != nullptr;
}

void grpc_schema_services(const struct grpc_schema *s, struct strings *ret)
{
    std::set<string> names;

    for (const auto *file : s->files)
        for (int i = 0; i < file->service_count(); i++)
            names.insert(file->service(i)->full_name());
    for (const auto &name : names)
        give(ret, name);
}

void grpc_schema_methods(const struct grpc_schema *s, const char *service, struct strings *ret)
{
    const auto *found = s->pool.FindServiceByName(service);

    for (int i = 0; found && i < found->method_count(); i++)
        give(ret, found->method(i)->name());
}

} // extern "C"

static void give_nested(const pb::Descriptor *message, struct strings *ret)
{
    give(ret, message->full_name());
    for (int i = 0; i < message->nested_type_count(); i++)
        give_nested(message->nested_type(i), ret);
    for (int i = 0; i < message->enum_type_count(); i++)
        give(ret, message->enum_type(i)->full_name());
}

static string text_of(const pb::MethodDescriptor *method, const pb::DebugStringOptions &how)
{
    string text = method->DebugStringWithOptions(how) + "\n" +
                  method->input_type()->DebugStringWithOptions(how);

    if (method->output_type() != method->input_type())
        text += "\n" + method->output_type()->DebugStringWithOptions(how);
    return text;
}

static string text_of(const pb::DescriptorPool &pool, const char *symbol)
{
    pb::DebugStringOptions how;

    how.include_comments = true;
    if (const auto *service = pool.FindServiceByName(symbol))
        return service->DebugStringWithOptions(how);
    if (const auto *method = pool.FindMethodByName(symbol))
        return text_of(method, how);
    if (const auto *message = pool.FindMessageTypeByName(symbol))
        return message->DebugStringWithOptions(how);
    if (const auto *type = pool.FindEnumTypeByName(symbol))
        return type->DebugStringWithOptions(how);
    if (const auto *field = pool.FindFieldByName(symbol))
        return field->DebugStringWithOptions(how);
    if (const auto *field = pool.FindExtensionByName(symbol))
        return field->DebugStringWithOptions(how);
    if (const auto *oneof = pool.FindOneofByName(symbol))
        return oneof->DebugStringWithOptions(how);
    return pool.FindEnumValueByName(symbol)->DebugStringWithOptions(how);
}

static const pb::FileDescriptor *file_of(const pb::DescriptorPool &pool, const char *symbol)
{
    return pool.FindFileContainingSymbol(symbol);
}

extern "C" {

void grpc_schema_symbols(const struct grpc_schema *s, struct strings *ret)
{
    for (const auto *file : s->files) {
        for (int i = 0; i < file->service_count(); i++)
            give(ret, file->service(i)->full_name());
        for (int i = 0; i < file->message_type_count(); i++)
            give_nested(file->message_type(i), ret);
        for (int i = 0; i < file->enum_type_count(); i++)
            give(ret, file->enum_type(i)->full_name());
    }
}

bool grpc_schema_method(struct grpc_schema *s, const char *service, const char *method,
                        struct grpc_method *ret)
{
    const auto *found = s->pool.FindServiceByName(service);
    const auto *m = found ? found->FindMethodByName(method) : nullptr;

    if (!m)
        return false;
    string &path = s->paths[m->full_name()];
    path = "/" + found->full_name() + "/" + m->name();
    ret->path = path.c_str();
    ret->input = m->input_type()->full_name().c_str();
    ret->output = m->output_type()->full_name().c_str();
    ret->client_streams = m->client_streaming();
    ret->server_streams = m->server_streaming();
    return true;
}

bool grpc_schema_describe(const struct grpc_schema *s, const char *symbol, struct bytes *ret)
{
    const char *kind = kind_of(s->pool, symbol);
    string text;

    if (!kind)
        return false;
    text = string("// ") + symbol + " is " + kind + " of " + file_of(s->pool, symbol)->name() +
           "\n" + text_of(s->pool, symbol);
    bytes_add(ret, text.data(), text.size());
    return true;
}

} // extern "C"

/* ---- messages ---- */

static void collect_fields(const pb::Descriptor *message, std::set<const pb::Descriptor *> &seen,
                           std::set<string> &names)
{
    if (!seen.insert(message).second)
        return;
    for (int i = 0; i < message->field_count(); i++) {
        const auto *field = message->field(i);

        names.insert(field->json_name());
        if (field->message_type())
            collect_fields(field->message_type(), seen, names);
    }
}

/* "name: Cannot find field." says neither of what, nor what may have been meant. */
static bool refuse_field(const struct grpc_schema *s, const char *type, const string &text,
                         size_t end, struct complaint *why)
{
    string before = text.substr(0, end);
    size_t space = before.rfind(' ');
    string field = space == string::npos ? before : before.substr(space + 1);
    string place = space == string::npos ? "" : before.substr(0, space);
    std::set<const pb::Descriptor *> seen;
    std::set<string> names;
    const char *nearest = nullptr;
    size_t best = SIZE_MAX;
    char shown[TEXT_SHOWN_MAX], where[TEXT_SHOWN_MAX];

    while (!place.empty() && (place.back() == ':' || place.back() == ')'))
        place.pop_back();
    if (!place.empty() && place[0] == '(')
        place.erase(0, 1);
    if (const auto *message = s->pool.FindMessageTypeByName(type))
        collect_fields(message, seen, names);
    for (const auto &name : names)
        if (text_is_nearer(field.c_str(), name.c_str(), &best))
            nearest = name.c_str();
    text_show(shown, sizeof shown, field.c_str());
    text_show(where, sizeof where, place.c_str());
    return complain(why, "%.150s has no field \"%s\"%s%s%s%s%s", type, shown,
                    place.empty() ? "" : " in ", where, nearest ? " (did you mean " : "",
                    nearest ? nearest : "", nearest ? "?)" : "");
}

/* Of several lines the second shows where. */
static bool refuse_json(const struct grpc_schema *s, const char *type, const string &text,
                        struct complaint *why)
{
    size_t end = text.find(": Cannot find field."), line = text.find('\n');
    char shown[TEXT_SHOWN_MAX];

    if (end != string::npos)
        return refuse_field(s, type, text, end, why);
    if (line == string::npos)
        return complain(why, "is no %.150s: %s", type,
                        text_show(shown, sizeof shown, text.c_str()));
    size_t at = text.rfind('\n') + 1, caret = text.size() - at;
    string beside = text.substr(line + 1, at > line + 2 ? at - line - 2 : 0);
    beside = caret > 0 && caret <= beside.size() ? beside.substr(caret - 1, 20) : "";
    return complain(why, "is not JSON: %.150s%s%s%s", text.substr(0, line).c_str(),
                    beside.empty() ? "" : " At \"",
                    beside.empty() ? "" : text_show(shown, sizeof shown, beside.c_str()),
                    beside.empty() ? "" : "\"");
}

extern "C" {

bool grpc_schema_read(struct grpc_schema *s, const char *type, const struct bytes *json,
                      struct bytes *ret, struct complaint *why)
{
    string binary;
    auto status = pb::util::JsonToBinaryString(s->resolver.get(), string(prefix) + type,
                                               string(json->data, json->len), &binary,
                                               pb::util::JsonParseOptions());

    if (!status.ok())
        return refuse_json(s, type, string(status.message()), why);
    bytes_add(ret, binary.data(), binary.size());
    return true;
}

bool grpc_schema_write(struct grpc_schema *s, const char *type, const void *data, size_t len,
                       const struct grpc_style *style, struct bytes *ret, const char **ret_unknown,
                       struct complaint *why)
{
    const auto *message = s->pool.FindMessageTypeByName(type);
    pb::util::JsonPrintOptions options;
    string binary(static_cast<const char *>(data), len), text;

    *ret_unknown = nullptr;
    if (!message)
        message = s->details.FindMessageTypeByName(type);
    if (message) {
        std::unique_ptr<pb::Message> parsed(s->factory.GetPrototype(message)->New());

        if (!parsed->ParsePartialFromString(binary))
            return complain(why, "is no %.200s", type);
    }
    options.add_whitespace = style->pretty;
    options.always_print_primitive_fields = style->defaults;
    s->resolver->unknown.clear();
    auto status = pb::util::BinaryToJsonString(s->resolver.get(), string(prefix) + type, binary,
                                               &text, options);
    if (status.ok()) {
        bytes_add(ret, text.data(), text.size());
        return true;
    }
    s->unknown = s->resolver->unknown;
    if (!s->unknown.empty())
        *ret_unknown = s->unknown.c_str();
    return refuse(why, string(status.message()));
}

void grpc_schema_forgo(struct grpc_schema *s, const char *type)
{
    s->resolver->forgone.insert(type);
}

} // extern "C"
