// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/reply.hpp>

#include <coroscope/report/error.hpp>
#include <coroscope/report/json_view.hpp>

namespace coroscope::profiler_server::protocol {

namespace {

// Written by hand around the result, which may be large and is not copied.
std::string member(const char* name, const nlohmann::json& value) {
    return std::string("\"") + name + "\":" + report::json_line(value);
}

}  // namespace

std::string encode_reply(const reply& reply) {
    std::string text = "{";
    if (reply.id) { text += member("id", *reply.id) + ","; }
    if (!reply.command.empty()) { text += member("command", reply.command) + ","; }
    if (reply.omitted > 0) { text += member("omitted", reply.omitted) + ","; }
    text += reply.error ? member("error", to_json(*reply.error)) : member("result", reply.result);
    text += "}\n";
    return text;
}

reply decode_reply(std::string_view text) {
    nlohmann::json json;
    try {
        json = nlohmann::json::parse(text.begin(), text.end());
    } catch (const nlohmann::json::exception&) {
        throw report::report_error("", "the reply is not valid JSON",
                                   "check that this is a coroscope endpoint");
    }
    const report::json_view view(json);
    reply reply;
    if (const auto id = view.find("id")) { reply.id = id->value(); }
    if (const auto command = view.find("command")) { reply.command = command->text(); }
    if (const auto omitted = view.find("omitted")) { reply.omitted = omitted->count(); }
    if (const auto error = view.find("error")) {
        reply.error = read_protocol_error(*error);
    } else {
        (void)view.at("result");
        reply.result = std::move(json["result"]);
    }
    return reply;
}

}  // namespace coroscope::profiler_server::protocol
