// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exception_group.hpp>

#include <coroscope/runtime/exception_context.hpp>

namespace coroscope {
namespace {

/// The group that a pointer holds, if it holds one.
[[nodiscard]] std::optional<exception_group> as_group(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const exception_group& group) { return group; } catch (...) {
        return std::nullopt;
    }
}

[[nodiscard]] std::string indented(const std::string& lines) {
    std::string out;
    for (const char c : lines) {
        out += c;
        if (c == '\n') { out += "   "; }
    }
    return out;
}

[[nodiscard]] std::string listing(const std::string& message,
                                  const std::vector<std::exception_ptr>& exceptions) {
    if (exceptions.empty()) {
        throw std::invalid_argument("an exception_group was made of no exceptions (" + message
                                    + "); throw it only if there are some");
    }
    const auto count = exceptions.size();
    std::string text =
        message + " (" + std::to_string(count) + (count == 1 ? " exception)" : " exceptions)");
    for (std::size_t i = 0; i < count; ++i) {
        if (exceptions[i] == nullptr) {
            throw std::invalid_argument("an exception_group was given a null exception (" + message
                                        + ")");
        }
        text += "\n" + std::to_string(i + 1) + ". " + indented(describe(exceptions[i]));
    }
    return text;
}

}  // namespace

exception_group::exception_group(const std::string& message,
                                 std::vector<std::exception_ptr> exceptions)
    : std::runtime_error(listing(message, exceptions)),
      parts_(std::make_shared<const parts>(parts{message, std::move(exceptions)})) {}

exception_group::halves exception_group::split_by(predicate matches) const {
    std::vector<std::exception_ptr> matching;
    std::vector<std::exception_ptr> others;
    for (const auto& each : exceptions()) {
        const auto group = as_group(each);
        if (!group.has_value()) {
            (matches(each) ? matching : others).push_back(each);
            continue;
        }
        const auto [inside, outside] = group->split_by(matches);
        if (inside.has_value()) { matching.push_back(std::make_exception_ptr(*inside)); }
        if (outside.has_value()) { others.push_back(std::make_exception_ptr(*outside)); }
    }
    halves result;
    if (!matching.empty()) { result.first.emplace(message(), std::move(matching)); }
    if (!others.empty()) { result.second.emplace(message(), std::move(others)); }
    return result;
}

}  // namespace coroscope
