// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

namespace coroscope::testkit {

/// See `patch`.
template <class T>
class [[nodiscard("what is patched is restored at once unless this has a name")]] patched {
public:
    template <class U>
    patched(T & target, U && replacement)
        : target_(target),
          original_(std::exchange(target, T(std::forward<U>(replacement)))) {}
    patched(const patched&) = delete;
    patched& operator=(const patched&) = delete;
    ~patched() {
        using std::swap;
        swap(target_, original_);
    }
    /// What is restored in the end; for replacements that call it.
    [[nodiscard]] T& original() noexcept {
        return original_;
    }

private:
    T& target_;
    T original_;
};

/// Puts something else into a variable for a scope: an injected function (`std::function`, function
/// pointer, member), or whatever the code under test reads. Restored when the scope ends, also by
/// an exception or because the test's task is cancelled.
///
///     const auto patched = patch(client.fetch, fetch_mock);
///
/// Patches of one variable must end in the reverse order of their beginning, as scopes do.
/// **Lifetime**: ends before the variable does. **Thread safety**: the variable's.
template <class T, class U>
    requires(std::constructible_from<T, U>&& std::is_swappable_v<T>&& std::assignable_from<T&, T>)
[[nodiscard("what is patched is restored at once unless this has a name")]] patched<T> patch(
    T& target, U&& replacement) {
    return patched<T>(target, std::forward<U>(replacement));
}

}  // namespace coroscope::testkit
