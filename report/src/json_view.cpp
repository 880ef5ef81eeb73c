// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/json_view.hpp>

#include <coroscope/report/error.hpp>

#include <nlohmann/json.hpp>

#include <limits>
#include <utility>

namespace coroscope::report {

namespace {

constexpr std::string_view regenerate =
    "check that the program that wrote this and the one that reads it use the same coroscope "
    "version";

std::string shown(const nlohmann::json& value) {
    constexpr std::size_t longest = 40;
    if (value.is_structured() || value.is_null()) { return value.type_name(); }
    std::string text = json_line(value);
    if (text.size() > longest) { text = text.substr(0, longest) + "..."; }
    return std::string(value.type_name()) + " " + text;
}

template <typename Number>
Number whole_number(const json_view& view, const std::string& expected) {
    const auto& value = view.value();
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<Number>::max());
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        if (number <= most) { return static_cast<Number>(number); }
        view.fail(expected,
                  shown(value) + ", which is too large (at most " + std::to_string(most) + ")");
    }
    if (value.is_number_integer()) {  // programs that build JSON values from signed integers
        const auto number = value.get<std::int64_t>();
        if (number < 0) { view.fail(expected, "negative " + shown(value)); }
        if (static_cast<std::uint64_t>(number) <= most) { return static_cast<Number>(number); }
    }
    view.fail(expected);
}

}  // namespace

json_view::json_view(const nlohmann::json& value, std::string path)
    : value_(&value),
      path_(std::move(path)) {}

std::optional<json_view> json_view::find(std::string_view name) const {
    if (!value_->is_object()) { fail("an object"); }
    const auto member = value_->find(name);
    if (member == value_->end() || member->is_null()) { return std::nullopt; }
    return json_view(*member, path_ + "." + std::string(name));
}

json_view json_view::at(std::string_view name) const {
    if (auto member = find(name)) { return *std::move(member); }
    throw report_error(path_, "member \"" + std::string(name) + "\" is missing",
                       std::string(regenerate));
}

std::vector<json_view> json_view::elements() const {
    if (!value_->is_array()) { fail("an array"); }
    std::vector<json_view> elements;
    elements.reserve(value_->size());
    for (const auto& element : *value_) {
        elements.emplace_back(element, path_ + "[" + std::to_string(elements.size()) + "]");
    }
    return elements;
}

std::vector<std::pair<std::string, json_view>> json_view::members() const {
    if (!value_->is_object()) { fail("an object"); }
    std::vector<std::pair<std::string, json_view>> members;
    members.reserve(value_->size());
    for (const auto& [name, member] : value_->items()) {
        members.emplace_back(name, json_view(member, path_ + "." + name));
    }
    return members;
}

std::string json_view::text() const {
    if (!value_->is_string()) { fail("a string"); }
    return value_->get<std::string>();
}

bool json_view::boolean() const {
    if (!value_->is_boolean()) { fail("true or false"); }
    return value_->get<bool>();
}

std::uint64_t json_view::count() const {
    return whole_number<std::uint64_t>(*this, "a whole number from 0 up");
}

std::uint32_t json_view::count32() const {
    return whole_number<std::uint32_t>(*this, "a whole number from 0 up");
}

std::int64_t json_view::amount() const {
    if (value_->is_number_integer() && !value_->is_number_unsigned()) {
        return value_->get<std::int64_t>();
    }
    return whole_number<std::int64_t>(*this, "a whole number");
}

std::chrono::nanoseconds json_view::nanoseconds() const {
    return std::chrono::nanoseconds(
        whole_number<std::int64_t>(*this, "a whole number of nanoseconds from 0 up"));
}

std::chrono::system_clock::time_point json_view::unix_time() const {
    const std::chrono::nanoseconds since_epoch(
        whole_number<std::int64_t>(*this, "a whole number of nanoseconds since 1970"));
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch));
}

void json_view::fail(const std::string& expected, const std::string& found) const {
    throw report_error(
        path_, "expected " + expected + ", found " + (found.empty() ? shown(*value_) : found),
        std::string(regenerate));
}

std::int64_t unix_nanoseconds(std::chrono::system_clock::time_point when) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
}

std::string json_line(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace coroscope::report
