// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/request.hpp>

#include <coroscope/report/json_view.hpp>

namespace coroscope::profiler_server::protocol {

namespace {

constexpr const char* example = "; send an object like {\"command\":\"time_stats\"}";

refused_request refusal(std::optional<nlohmann::json> id, error_code code, std::string message) {
    return {std::move(id), {code, std::move(message), {}}};
}

}  // namespace

std::variant<request, refused_request> decode_request(std::string_view text) {
    nlohmann::json json;
    try {
        json = nlohmann::json::parse(text.begin(), text.end());
    } catch (const nlohmann::json::parse_error& error) {
        return refusal({}, error_code::malformed,
                       "not valid JSON at byte " + std::to_string(error.byte) + example);
    } catch (const nlohmann::json::exception&) {
        return refusal({}, error_code::malformed,
                       std::string("JSON with a number out of range") + example);
    }
    if (!json.is_object()) {
        return refusal({}, error_code::malformed,
                       std::string("not a JSON object but ") + json.type_name() + example);
    }
    request request;
    if (const auto id = json.find("id"); id != json.end()) {
        if (!id->is_string() && !id->is_number_integer()) {
            return refusal({}, error_code::malformed,
                           "id must be a string or a whole number; leave it out for one request "
                           "a connection");
        }
        request.id = *id;
    }
    const auto command = json.find("command");
    if (command == json.end() || command->is_null()) {
        return refusal(request.id, error_code::missing_command,
                       "the request has no command; name one of the known ones");
    }
    if (!command->is_string()) {
        return refusal(request.id, error_code::bad_argument,
                       "command must be a string; name one of the known ones");
    }
    request.command = command->get<std::string>();
    if (const auto arguments = json.find("arguments"); arguments != json.end()) {
        if (!arguments->is_object()) {
            return refusal(request.id, error_code::bad_argument,
                           "arguments must be an object; leave them out for the defaults");
        }
        request.arguments = std::move(*arguments);
    }
    return request;
}

std::string encode_request(const request& request) {
    nlohmann::json json{{"command", request.command}};
    if (request.id) { json["id"] = *request.id; }
    if (!request.arguments.empty()) { json["arguments"] = request.arguments; }
    return report::json_line(json);
}

}  // namespace coroscope::profiler_server::protocol
