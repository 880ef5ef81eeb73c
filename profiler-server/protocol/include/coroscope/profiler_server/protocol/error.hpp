// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace coroscope::profiler_server::protocol {

/// Why a request got no result.
enum class error_code {
    malformed,             ///< not one JSON object, or one with an `id` that cannot be
    missing_command,       ///< an object without `command`; lists the known ones
    unknown_command,       ///< lists the known ones
    bad_argument,          ///< a member of the wrong type or out of range
    frame_too_large,       ///< the request exceeds the limit; the connection is closed
    timeout,               ///< the request did not arrive in time; the connection is closed
    too_many_connections,  ///< refused; try again later
    busy,                  ///< what it takes is in use; try again later
    unavailable,           ///< this program has not what it takes; the message says what
    internal,              ///< the server could not find out; the message says why
    other,                 ///< a code that this client does not know
};

/// The error object of a reply: `{"code": …, "message": …, "known": […]}`.
struct protocol_error {
    error_code code = error_code::internal;
    std::string message;             ///< for people; ends with what to do next
    std::vector<std::string> known;  ///< commands to choose from, where that helps

    friend bool operator==(const protocol_error&, const protocol_error&) = default;
};

[[nodiscard]] std::string_view to_string(error_code code);
[[nodiscard]] nlohmann::json to_json(const protocol_error& error);
[[nodiscard]] protocol_error read_protocol_error(const report::json_view& json);

}  // namespace coroscope::profiler_server::protocol
