// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/assertion_error.hpp>

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coroscope::testkit {

namespace detail {

/// Waits for an instant of the loop's time. No sleep: those may be intercepted.
[[nodiscard]] coro<> reach(time_point instant);
[[nodiscard]] coro<> let_pass(duration length);

/// A place in the code, and whose task was there: `client.cpp:31, in task 2 (client)`.
struct place_in_task {
    await_site site{};
    std::string text;
};

/// A call of a mock. What its arguments were is added for each mock's types.
class mock_call {
public:
    mock_call() = default;
    mock_call(const mock_call&) = delete;
    mock_call& operator=(const mock_call&) = delete;
    virtual ~mock_call() = default;
    /// `("a", 1)`.
    [[nodiscard]] virtual std::string arguments() const = 0;

    place_in_task place;
    bool is_awaited = false;
};

/// The same call, awaited.
struct mock_await {
    std::shared_ptr<mock_call> call;
    place_in_task place;
    time_point at;  ///< in the loop's time
};

/// Awaits of several mocks, in their order.
struct mock_order {
    struct entry {
        std::string mock;
        mock_await what;
        [[nodiscard]] std::string text() const { return mock + what.call->arguments(); }
    };
    std::vector<entry> entries;
};

/// A mock without its types: what was called and awaited, and how that is asserted.
class mock_core {
public:
    explicit mock_core(std::string name) : name_(std::move(name)) {}

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::vector<std::shared_ptr<mock_call>>& calls() const noexcept {
        return calls_;
    }
    [[nodiscard]] const std::vector<mock_await>& awaits() const noexcept { return awaits_; }
    void forget() noexcept;
    void add_order(std::shared_ptr<mock_order> order) { orders_.push_back(std::move(order)); }

    void note_call(std::shared_ptr<mock_call> call, await_site where);
    void note_await(const std::shared_ptr<mock_call>& call);
    /// Called by a coroutine that goes away before it was awaited.
    void note_dropped(const mock_call& call) const noexcept;
    /// There is no answer (left) for an await: throws, and fails the test.
    [[noreturn]] void fail_without_answer() const;

    void assert_count(std::string_view verb, bool holds, std::string_view expected,
                      await_site where) const;
    void assert_all_awaited(await_site where) const;
    using matcher = std::function<bool(const mock_call&)>;
    void assert_last(const matcher& matches, const std::string& arguments, await_site where) const;
    void assert_once(const matcher& matches, const std::string& arguments, await_site where) const;
    void assert_any(const matcher& matches, const std::string& arguments, await_site where) const;
    void assert_in_order(const std::vector<matcher>& matchers,
                         const std::vector<std::string>& arguments, await_site where) const;
    [[nodiscard]] const mock_await& await_at(std::size_t n, await_site where) const;

private:
    [[noreturn]] void fail(std::string_view verb, const std::string& expected,
                           await_site where) const;
    [[nodiscard]] std::string history() const;

    std::string name_;
    std::vector<std::shared_ptr<mock_call>> calls_;
    std::vector<mock_await> awaits_;
    std::vector<std::shared_ptr<mock_order>> orders_;
};

/// Lies among the arguments of a mock's coroutine: tells whether they are destroyed unused.
class mock_ticket {
public:
    mock_ticket(std::shared_ptr<mock_core> core, std::shared_ptr<mock_call> call) noexcept
        : core_(std::move(core)),
          call_(std::move(call)) {}
    mock_ticket(mock_ticket&&) noexcept = default;
    mock_ticket& operator=(mock_ticket&&) = delete;
    ~mock_ticket();
    /// The coroutine runs.
    void use() {
        core_->note_await(call_);
        call_.reset();
    }

private:
    std::shared_ptr<mock_core> core_;
    std::shared_ptr<mock_call> call_;  ///< null once used, or moved on
};

}  // namespace detail

/// The order of awaits across mocks.
///
///     mock_log log;
///     log.watch(fetch, store);
///     ...
///     log.assert_order({"fetch(\"a\")", "store"});
///
/// **Thread safety**: the mocks'. **Lifetime**: mocks and log in any order.
class mock_log {
public:
    mock_log() : order_(std::make_shared<detail::mock_order>()) {}
    /// From now on, awaits of these are entered.
    template <class... Mocks>
    void watch(const Mocks&... mocks) {
        (mocks.core().add_order(order_), ...);
    }
    /// `fetch("a")` for each await, in order.
    [[nodiscard]] std::vector<std::string> entries() const;
    /// These came, in this order; others may have come before, between and after. Each is a mock's
    /// name, or its name and arguments as `entries` shows them. Throws `assertion_error`.
    void assert_order(const std::vector<std::string>& expected,
                      await_site where = await_site::current()) const;

private:
    std::shared_ptr<detail::mock_order> order_;
};

}  // namespace coroscope::testkit
