// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/protocol/error.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coroscope::profiler_server::protocol {

/// `{"id": 1, "command": "tasks", "result": […], "omitted": 5}`, or with `error` instead of
/// `result`.
struct reply {
    std::optional<nlohmann::json> id;  ///< as in the request
    std::string command;               ///< empty where the request named none that is known
    nlohmann::json result;             ///< null where there is an error
    std::uint64_t omitted = 0;         ///< elements that a limit kept out of the result
    std::optional<protocol_error> error;
};

/// The reply on one line, with its newline.
[[nodiscard]] std::string encode_reply(const reply& reply);

/// Reads one reply. Throws `report::report_error` where the text is no reply.
[[nodiscard]] reply decode_reply(std::string_view text);

}  // namespace coroscope::profiler_server::protocol
