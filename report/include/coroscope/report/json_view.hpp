// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::report {

/// A JSON value together with the path that leads to it, for reading strictly and complaining well.
///
/// Every reader throws `report_error` with the path, what was found and what was expected. Members
/// that nobody asks for are ignored, so that a newer writer may add some.
///
/// **Lifetime**: refers to the JSON value, which must outlive the view.
class json_view {
public:
    explicit json_view(const nlohmann::json& value, std::string path = "$");

    [[nodiscard]] const nlohmann::json& value() const noexcept { return *value_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /// The member of an object; an error where it is missing or this is no object.
    [[nodiscard]] json_view at(std::string_view name) const;

    /// The member of an object, or nothing where it is missing or null.
    [[nodiscard]] std::optional<json_view> find(std::string_view name) const;

    /// The elements of an array, in order.
    [[nodiscard]] std::vector<json_view> elements() const;

    /// The members of an object, with their names, in the order of the names.
    [[nodiscard]] std::vector<std::pair<std::string, json_view>> members() const;

    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool boolean() const;

    /// A whole number that is not negative and fits the type.
    [[nodiscard]] std::uint64_t count() const;
    [[nodiscard]] std::uint32_t count32() const;

    /// A whole number, also below 0, that fits the type.
    [[nodiscard]] std::int64_t amount() const;

    /// A whole number of nanoseconds, not negative, up to 292 years.
    [[nodiscard]] std::chrono::nanoseconds nanoseconds() const;

    /// A whole number of nanoseconds since the Unix epoch, not negative.
    [[nodiscard]] std::chrono::system_clock::time_point unix_time() const;

    /// Throws: this value is not what was expected. `found` defaults to the value's type.
    [[noreturn]] void fail(const std::string& expected, const std::string& found = {}) const;

private:
    const nlohmann::json* value_;
    std::string path_;
};

/// Nanoseconds since the Unix epoch, as `json_view::unix_time` reads them.
[[nodiscard]] std::int64_t unix_nanoseconds(std::chrono::system_clock::time_point when);

/// The text of a JSON value on one line. Bytes that are not UTF-8, as users' names may hold, become
/// U+FFFD instead of an exception.
[[nodiscard]] std::string json_line(const nlohmann::json& value);

}  // namespace coroscope::report
