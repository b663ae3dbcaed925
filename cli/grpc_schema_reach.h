/* SPDX-License-Identifier: MIT */
/*
 * How far a message reaches: the types that may be in it, and the messages that are in it, those of
 * Anys included. libprotobuf goes from one to the next by recursion, and for an Any begins to count
 * anew, copying what is in it; types and messages come from servers of any will.
 */
#ifndef CLI_GRPC_SCHEMA_REACH_H
#define CLI_GRPC_SCHEMA_REACH_H

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

class Reach
{
    using Descriptor = google::protobuf::Descriptor;
    using Message = google::protobuf::Message;
    using Pool = google::protobuf::DescriptorPool;

  public:
    Reach(const Pool *own, const Pool *details) : pools{own, details}
    {
    }

    /* All that a message of this type may have in it, and itself. */
    static std::set<const Descriptor *> types_in(const Descriptor *type)
    {
        std::set<const Descriptor *> seen = {type};
        std::vector<const Descriptor *> left = {type};

        while (!left.empty()) {
            const Descriptor *next = left.back();

            left.pop_back();
            for (int i = 0; i < next->field_count(); i++) {
                const Descriptor *inner = next->field(i)->message_type();

                if (inner && seen.insert(inner).second)
                    left.push_back(inner);
            }
        }
        return seen;
    }

    /* What libprotobuf's JSON takes for a type of that name: its own, however others define it. */
    const Descriptor *find(const std::string &name) const
    {
        const Descriptor *found = nullptr;

        if (name.compare(0, 16, "google.protobuf.") == 0)
            found = Pool::generated_pool()->FindMessageTypeByName(name);
        for (size_t i = 0; !found && i < 2; i++)
            found = pools[i]->FindMessageTypeByName(name);
        return found;
    }

    /* Whether bytes are a message of that type, and one that can be shown; if not, what is wrong. */
    bool check(const Descriptor *type, const std::string &binary, std::string *why, int depth = 0)
    {
        const Facts &facts = facts_of(type);

        if (facts.too_many)
            return *why = "it may have more types in it than " + std::to_string(types_max), false;
        std::unique_ptr<Message> message(factory.GetPrototype(type)->New());
        if (!message->ParsePartialFromString(binary))
            return *why = "it is no " + type->full_name(), false;
        return !facts.has_any || check_within(*message, why, depth);
    }

  private:
    struct Facts {
        bool too_many, has_any;
    };

    static constexpr size_t types_max = 5000; /* some 500 bytes of stack each */
    static constexpr int depth_max = 200;     /* messages within each other */

    const Pool *pools[2];
    google::protobuf::DynamicMessageFactory factory;
    std::map<const Descriptor *, Facts> known;

    const Facts &facts_of(const Descriptor *type)
    {
        auto at = known.find(type);

        if (at != known.end())
            return at->second;
        auto types = types_in(type);
        Facts facts = {types.size() > types_max, false};
        for (const Descriptor *inner : types) {
            const Descriptor *shown = find(inner->full_name());

            if (!facts.has_any && shown && is_own(shown))
                facts.has_any = types_in(shown).count(any()) > 0;
        }
        return known[type] = facts;
    }

    static bool is_own(const Descriptor *type)
    {
        return type->file()->pool() == Pool::generated_pool();
    }

    static const Descriptor *any()
    {
        return google::protobuf::Any::descriptor();
    }

    bool check_within(const Message &message, std::string *why, int depth)
    {
        const Descriptor *type = message.GetDescriptor(), *shown = find(type->full_name());
        const auto *reflection = message.GetReflection();
        std::vector<const google::protobuf::FieldDescriptor *> fields;
        bool good = depth <= depth_max;

        if (!good)
            *why = "it has messages within each other, more than " + std::to_string(depth_max);
        else if (shown == any())
            return check_any(message, why, depth);
        else if (shown && shown != type && facts_of(shown).has_any)
            return check(shown, message.SerializePartialAsString(), why, depth + 1);
        reflection->ListFields(message, &fields);
        for (const auto *field : fields) {
            int n = !field->message_type() ? 0
                    : field->is_repeated() ? reflection->FieldSize(message, field)
                                           : 1;

            for (int i = 0; good && i < n; i++)
                good = check_within(field->is_repeated()
                                        ? reflection->GetRepeatedMessage(message, field, i)
                                        : reflection->GetMessage(message, field),
                                    why, depth + 1);
        }
        return good;
    }

    /* One whose type nobody knows, or whose bytes are none, has nothing in it. */
    bool check_any(const Message &message, std::string *why, int depth)
    {
        google::protobuf::Any packed;
        const Descriptor *inner = nullptr;

        if (packed.ParsePartialFromString(message.SerializePartialAsString()))
            inner = find(packed.type_url().substr(packed.type_url().rfind('/') + 1));
        return !inner || check(inner, packed.value(), why, depth + 1);
    }
};

#endif
