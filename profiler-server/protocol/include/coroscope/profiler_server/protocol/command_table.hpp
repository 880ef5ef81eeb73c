// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/protocol/reply.hpp>
#include <coroscope/profiler_server/protocol/request.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coroscope::profiler_server::protocol {

/// What a handler throws about the arguments it was given. The message says what was expected.
class bad_argument : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// A handler's result. Statistics that are empty are an empty result, not an error.
struct answer {
    nlohmann::json result;
    std::uint64_t omitted = 0;  ///< elements that a limit kept out
};

/// The commands that a server knows: one row each.
///
/// **Thread safety**: filled once; afterwards `execute` may be called from several threads if the
/// handlers may.
class command_table {
public:
    using handler = std::function<answer(const nlohmann::json& arguments)>;

    /// Adds a row. Throws `std::logic_error` if there is one of this name.
    void add(std::string name, handler run);

    /// In the order in which they were added.
    [[nodiscard]] std::vector<std::string> names() const;

    /// Runs the request's handler. What handlers throw becomes the reply's error.
    [[nodiscard]] reply execute(const request& request) const;

private:
    std::vector<std::pair<std::string, handler>> rows_;
};

/// A whole number from 1 to `most` among the arguments, or `otherwise` where it is absent. Throws
/// `bad_argument`.
[[nodiscard]] std::uint64_t count_argument(const nlohmann::json& arguments, std::string_view name,
                                           std::uint64_t otherwise, std::uint64_t most);

/// `true` or `false` among the arguments, or false where it is absent. Throws `bad_argument`.
[[nodiscard]] bool flag_argument(const nlohmann::json& arguments, std::string_view name);

}  // namespace coroscope::profiler_server::protocol
