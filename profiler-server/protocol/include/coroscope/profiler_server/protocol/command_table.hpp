// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/protocol/reply.hpp>
#include <coroscope/profiler_server/protocol/request.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::profiler_server::protocol {

/// What a handler throws to refuse with that code. The message says what to do next.
class command_error : public std::runtime_error {
public:
    command_error(error_code code, const std::string& message)
        : std::runtime_error(message),
          code_(code) {}

    [[nodiscard]] error_code code() const noexcept { return code_; }

private:
    error_code code_;
};

/// What a handler throws about the arguments it was given. The message says what was expected.
class bad_argument : public command_error {
public:
    explicit bad_argument(const std::string& message)
        : command_error(error_code::bad_argument, message) {}
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
    using long_handler =
        std::function<answer(const nlohmann::json& arguments, const std::stop_token& stop)>;

    /// Adds a row. Throws `std::logic_error` if there is one of this name.
    void add(std::string name, handler run);
    /// Adds one whose answer takes long: to be executed where nobody else waits. It ends early when
    /// `stop` is requested: nobody wants the answer any more.
    void add_long(std::string name, long_handler run);

    /// In the order in which they were added.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] bool is_long(std::string_view name) const;

    /// Runs the request's handler. What handlers throw becomes the reply's error.
    [[nodiscard]] reply execute(const request& request, const std::stop_token& stop = {}) const;

private:
    struct entry {
        std::string name;
        long_handler run;
        bool is_long = false;
    };
    void add(entry added);
    [[nodiscard]] const entry* find(std::string_view name) const;

    std::vector<entry> rows_;
};

/// A whole number from 1 to `most` among the arguments, or `otherwise` where it is absent. Throws
/// `bad_argument`.
[[nodiscard]] std::uint64_t count_argument(const nlohmann::json& arguments, std::string_view name,
                                           std::uint64_t otherwise, std::uint64_t most);

/// A text among the arguments, or nothing where it is absent. Throws `bad_argument`.
[[nodiscard]] std::optional<std::string> text_argument(const nlohmann::json& arguments,
                                                       std::string_view name);

/// An array of texts among the arguments, or nothing where it is absent. Throws `bad_argument`.
[[nodiscard]] std::optional<std::vector<std::string>> texts_argument(
    const nlohmann::json& arguments, std::string_view name);

/// `true` or `false` among the arguments, or false where it is absent. Throws `bad_argument`.
[[nodiscard]] bool flag_argument(const nlohmann::json& arguments, std::string_view name);

}  // namespace coroscope::profiler_server::protocol
