// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coroscope {

/// Several exceptions thrown as one: what a `task_group` throws when its tasks failed.
///
/// `what()` lists them, one a line, groups within it indented. There is no `except*` in C++;
/// `split<E>()` does its work. **Thread safety**: immutable; copies share the exceptions.
///
///     try {
///         co_await group.run(body(group));
///     } catch (const coroscope::exception_group& errors) {
///         auto [refused, rest] = errors.split<connection_refused>();
///         if (rest) { throw *rest; }
///     }
class exception_group : public std::runtime_error {
public:
    /// Throws `std::invalid_argument` for no exceptions or a null one.
    exception_group(const std::string& message, std::vector<std::exception_ptr> exceptions);

    /// Without the list.
    [[nodiscard]] const std::string& message() const noexcept { return parts_->message; }
    [[nodiscard]] const std::vector<std::exception_ptr>& exceptions() const noexcept {
        return parts_->exceptions;
    }

    /// Whether one of them, or of those in groups within it, is an `E`.
    template <class E>
    [[nodiscard]] bool contains() const {
        return split<E>().first.has_value();
    }
    /// Those that are `E`s and the others, each with the nesting that they had; none: null.
    template <class E>
    [[nodiscard]] std::pair<std::optional<exception_group>, std::optional<exception_group>> split()
        const {
        return split_by(is<E>);
    }

private:
    using predicate = bool (*)(const std::exception_ptr&);
    using halves = std::pair<std::optional<exception_group>, std::optional<exception_group>>;
    struct parts {
        std::string message;
        std::vector<std::exception_ptr> exceptions;
    };

    template <class E>
    [[nodiscard]] static bool is(const std::exception_ptr& exception) {
        try {
            std::rethrow_exception(exception);
        } catch (const E&) { return true; } catch (...) {
            return false;
        }
    }
    [[nodiscard]] halves split_by(predicate matches) const;

    std::shared_ptr<const parts> parts_;
};

}  // namespace coroscope
