// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/error.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace coroscope::profiler_server::protocol {

namespace {

constexpr std::array code_names{std::pair{error_code::malformed, "malformed"},
                                std::pair{error_code::missing_command, "missing_command"},
                                std::pair{error_code::unknown_command, "unknown_command"},
                                std::pair{error_code::bad_argument, "bad_argument"},
                                std::pair{error_code::frame_too_large, "frame_too_large"},
                                std::pair{error_code::timeout, "timeout"},
                                std::pair{error_code::too_many_connections, "too_many_connections"},
                                std::pair{error_code::busy, "busy"},
                                std::pair{error_code::unavailable, "unavailable"},
                                std::pair{error_code::internal, "internal"}};

}  // namespace

std::string_view to_string(error_code code) {
    for (const auto& [value, name] : code_names) {
        if (value == code) { return name; }
    }
    return "other";
}

nlohmann::json to_json(const protocol_error& error) {
    nlohmann::json json{{"code", to_string(error.code)}, {"message", error.message}};
    if (!error.known.empty()) { json["known"] = error.known; }
    return json;
}

protocol_error read_protocol_error(const report::json_view& json) {
    protocol_error error;
    const auto code = json.at("code").text();
    error.code = error_code::other;
    for (const auto& [value, name] : code_names) {
        if (code == name) { error.code = value; }
    }
    error.message = json.at("message").text();
    if (const auto known = json.find("known")) {
        for (const auto& name : known->elements()) {
            error.known.push_back(name.text());
        }
    }
    return error;
}

}  // namespace coroscope::profiler_server::protocol
