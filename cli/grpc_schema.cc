/* SPDX-License-Identifier: MIT */
/*
 * What services and messages look like, by libprotobuf. Files come from anywhere and in any order;
 * they wait until all that they import is there, and are then built into one pool. What protobuf
 * itself brings (google/protobuf/....proto) nobody has to give; nor the details of errors.
 */
extern "C" {
#include "grpc_schema.h"
#include "grpc_proto_text.h"
}

#include <algorithm>
#include <cstring>
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
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>

#include "grpc_details.h"
#include "grpc_schema_reach.h"
#include "grpc_schema_resolver.h"

namespace pb = google::protobuf;
using std::string;

namespace
{

const size_t imports_max = 500; /* of files within each other */

class Complaints : public pb::DescriptorPool::ErrorCollector,
                   public pb::compiler::MultiFileErrorCollector
{
  public:
    string first; /* thing that is wrong */

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

} // namespace

struct grpc_schema {
    std::map<string, pb::FileDescriptorProto> waiting;
    std::set<string> wanted;                       /* imported, and not looked for yet */
    std::vector<const pb::FileDescriptor *> files; /* built, without protobuf's own */
    pb::DescriptorPool pool, details;
    std::unique_ptr<Resolver> resolver;
    std::unique_ptr<Reach> reach;
    std::map<string, string> paths; /* of methods that were found: by their name */
    string missing, unknown;
};

/* ---- small things ---- */

static bool refuse(struct complaint *why, const string &text)
{
    return complain(why, "%.480s", text.c_str());
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
    return proto;
}

static void add(struct grpc_schema *s, pb::FileDescriptorProto proto)
{
    string name = proto.name();

    if (s->pool.FindFileByName(name))
        return;
    for (const auto &import : proto.dependency())
        s->wanted.insert(import);
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
    s->reach = std::make_unique<Reach>(&s->pool, &s->details);
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
    for (size_t i = 0; dirs->n == 0 && i < names->n; i++) { /* beside each other they are found */
        string name = names->items[i];

        if (name.find('/') != string::npos)
            tree.MapPath("", name.substr(0, name.rfind('/') + 1));
    }
    pb::compiler::SourceTreeDescriptorDatabase sources(&tree);
    pb::DescriptorPoolDatabase own(*pb::DescriptorPool::generated_pool());
    pb::MergedDescriptorDatabase all(&own, &sources);
    sources.RecordErrorsTo(&wrong);
    pb::DescriptorPool pool(&all, sources.GetValidationErrorCollector());

    for (size_t i = 0; i < names->n; i++) {
        string name = names->items[i], shadowing; /* "protos/a.proto" of protos is a.proto */
        const pb::FileDescriptor *file;

        tree.DiskFileToVirtualFile(name, &name, &shadowing);
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
    while (!s->wanted.empty()) {
        string name = *s->wanted.begin();

        if (!s->waiting.count(name) && !s->pool.FindFileByName(name)) {
            const auto *own = of_protobuf(name);

            if (!own) {
                s->missing = name;
                return s->missing.c_str();
            }
            add(s, copy(own));
        }
        s->wanted.erase(name);
    }
    return nullptr;
}

} // extern "C"

/* Those that it imports come first. `open` are being built: a ring of imports is an error. */
static bool build(struct grpc_schema *s, const string name, std::set<string> &open,
                  Complaints &wrong)
{
    auto at = s->waiting.find(name);

    if (at == s->waiting.end())
        return true;
    if (!open.insert(name).second || open.size() > imports_max) {
        wrong.first = name + (open.size() > imports_max ? " is imported through too many others"
                                                        : " imports itself, through others");
        return false;
    }
    pb::FileDescriptorProto file = at->second;
    for (const auto &import : file.dependency())
        if (!build(s, import, open, wrong))
            return false;
    const auto *built = s->pool.BuildFileCollectingErrors(file, &wrong);
    if (!built)
        return false;
    open.erase(name);
    s->waiting.erase(name);
    if (!of_protobuf(name))
        s->files.push_back(built);
    return true;
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
        open.clear();
        if (!build(s, s->waiting.begin()->first, open, wrong)) {
            s->waiting.clear();
            return refuse(why, wrong.first);
        }
    }
    return true;
}

/* ---- what there is ---- */

bool grpc_schema_has(const struct grpc_schema *s, const char *symbol)
{
    return s->pool.FindFileContainingSymbol(symbol) != nullptr;
}

bool grpc_schema_has_message(const struct grpc_schema *s, const char *type)
{
    return s->reach->find(type) != nullptr;
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

static string text_of(const pb::DescriptorPool &pool, const char *symbol, const char **kind)
{
    pb::DebugStringOptions how;

    how.include_comments = true;
    if (const auto *service = pool.FindServiceByName(symbol))
        return *kind = "a service", service->DebugStringWithOptions(how);
    if (const auto *method = pool.FindMethodByName(symbol))
        return *kind = "a method", text_of(method, how);
    if (const auto *message = pool.FindMessageTypeByName(symbol))
        return *kind = "a message", message->DebugStringWithOptions(how);
    if (const auto *type = pool.FindEnumTypeByName(symbol))
        return *kind = "an enum", type->DebugStringWithOptions(how);
    if (const auto *field = pool.FindFieldByName(symbol))
        return *kind = "a field", field->DebugStringWithOptions(how);
    if (const auto *field = pool.FindExtensionByName(symbol))
        return *kind = "an extension", field->DebugStringWithOptions(how);
    if (const auto *oneof = pool.FindOneofByName(symbol))
        return *kind = "a oneof", oneof->DebugStringWithOptions(how);
    if (const auto *value = pool.FindEnumValueByName(symbol))
        return *kind = "a value of an enum", value->DebugStringWithOptions(how);
    return "";
}

/* For people: a comment must not move the cursor. */
static string simpler(string text)
{
    std::replace(text.begin(), text.end(), '\0', ' ');
    text_tame(&text[0], "\n\t");
    grpc_proto_text_simplify(&text[0]);
    text.resize(strlen(text.c_str()));
    return text;
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
    const char *kind = nullptr;
    string text = simpler(text_of(s->pool, symbol, &kind)), file;

    if (!kind)
        return false;
    file = s->pool.FindFileContainingSymbol(symbol)->name();
    std::replace(file.begin(), file.end(), '\0', ' ');
    text_tame(&file[0], "");
    text = string("// ") + symbol + " is " + kind + " of " + file + "\n" + text;
    bytes_add(ret, text.data(), text.size());
    return true;
}

} // extern "C"

/* ---- messages ---- */

static const pb::FieldDescriptor *field_at(const struct grpc_schema *s, const char *type,
                                           const string &path)
{
    const auto *message = s->pool.FindMessageTypeByName(type);
    const pb::FieldDescriptor *field = nullptr;

    for (size_t at = 0; message && at <= path.size();) {
        size_t end = path.find('.', at), len = (end == string::npos ? path.size() : end) - at;
        string name = path.substr(at, len);

        name = name.substr(0, name.find('['));
        field = message->FindFieldByCamelcaseName(name);
        if (!field)
            field = message->FindFieldByName(name);
        message = field ? field->message_type() : nullptr;
        at += len + 1;
    }
    return field;
}

static string values_of(const pb::EnumDescriptor *type)
{
    string text;

    for (int i = 0; i < type->value_count() && text.size() < 120; i++)
        text += (i ? ", " : "") + type->value(i)->name();
    return text.size() < 120 ? text : text + ", ...";
}

extern "C" {

void grpc_schema_fields(const struct grpc_schema *s, const char *type, struct strings *ret)
{
    std::set<string> names;

    if (const auto *message = s->pool.FindMessageTypeByName(type))
        for (const auto *inner : Reach::types_in(message))
            for (int i = 0; i < inner->field_count(); i++)
                names.insert(inner->field(i)->json_name());
    for (const auto &name : names)
        give(ret, name);
}

bool grpc_schema_field_type(const struct grpc_schema *s, const char *type, const char *path,
                            struct bytes *ret)
{
    const auto *field = field_at(s, type, path);
    string text;

    if (!field)
        return false;
    if (field->enum_type())
        text = field->enum_type()->full_name() + " (" + values_of(field->enum_type()) + ")";
    else
        text = field->message_type() ? field->message_type()->full_name() : field->type_name();
    bytes_add(ret, text.data(), text.size());
    return true;
}

bool grpc_schema_read(struct grpc_schema *s, const char *type, const struct bytes *json,
                      struct bytes *ret, struct complaint *why)
{
    string binary;
    auto status = pb::util::JsonToBinaryString(s->resolver.get(), Resolver::url_of(type),
                                               string(json->data, json->len), &binary,
                                               pb::util::JsonParseOptions());

    if (!status.ok())
        return refuse(why, string(status.message()));
    bytes_add(ret, binary.data(), binary.size());
    return true;
}

bool grpc_schema_write(struct grpc_schema *s, const char *type, const void *data, size_t len,
                       const struct grpc_style *style, struct bytes *ret, const char **ret_unknown,
                       struct complaint *why)
{
    const auto *message = s->reach->find(type);
    pb::util::JsonPrintOptions options;
    string binary(static_cast<const char *>(data), len), text, wrong;

    *ret_unknown = nullptr;
    if (message && !s->reach->check(message, binary, &wrong))
        return refuse(why, wrong);
    options.add_whitespace = style->pretty;
    options.always_print_primitive_fields = style->defaults;
    s->resolver->unknown.clear();
    auto status = pb::util::BinaryToJsonString(s->resolver.get(), Resolver::url_of(type), binary,
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
    if (type)
        s->resolver->forgone.insert(type);
    else
        s->resolver->forgoes_all = true;
}

} // extern "C"
