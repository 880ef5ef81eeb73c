// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/protocol/error.hpp>

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace coroscope::profiler_server::protocol {

/// `{"id": 1, "command": "tasks", "arguments": {"limit": 100}}`.
struct request {
    /// A string or a whole number that the reply repeats. Without one the connection is closed
    /// after the reply.
    std::optional<nlohmann::json> id;
    std::string command;
    nlohmann::json arguments = nlohmann::json::object();  ///< always an object
};

/// A request that could not be understood, with as much of it as could.
struct refused_request {
    std::optional<nlohmann::json> id;
    protocol_error error;
};

/// Reads one request. Members that are not known are ignored. Never throws because of the text.
[[nodiscard]] std::variant<request, refused_request> decode_request(std::string_view text);

/// The request on one line, without a newline.
[[nodiscard]] std::string encode_request(const request& request);

}  // namespace coroscope::profiler_server::protocol
