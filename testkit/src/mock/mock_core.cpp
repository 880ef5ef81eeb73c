// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/detail/mock_core.hpp>

#include "task_report.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

constexpr std::size_t most_shown = 100;

[[nodiscard]] std::string in_task(const coroscope::detail::task_core& task) {
    return ", in task " + std::to_string(task.id()) + " ("
           + display_name(task.id(), task.given_name()) + ")";
}

[[nodiscard]] const coroscope::detail::task_core* running_task() noexcept {
    const auto* core = coroscope::detail::running_loop;
    return core != nullptr ? core->current.get() : nullptr;
}

/// A mock called through a `std::function` sees the line in the standard library that calls it.
[[nodiscard]] bool is_library_line(const await_site& site) noexcept {
    const std::string_view file = site.file_name();
    return file.find("/bits/") != file.npos || file.find("/__functional/") != file.npos;
}

[[nodiscard]] place_in_task place_of_call(await_site where) {
    const auto* task = running_task();
    place_in_task place;
    if (!is_library_line(where)) {
        place.site = where;
        place.text = to_string(where);
    } else {
        place.text = "a std::function";
        const auto* frame = task != nullptr ? task->top : nullptr;
        if (frame != nullptr && frame->site.line() != 0) {
            place.site = frame->site;
            place.text += ", after " + to_string(place.site);
        }
    }
    if (task != nullptr) { place.text += in_task(*task); }
    return place;
}

/// Of the coroutine that runs now: where it was awaited, or made a task.
[[nodiscard]] place_in_task place_of_await() {
    const auto* task = running_task();
    if (task == nullptr) { return {}; }
    const auto* parent = task->top->parent;
    place_in_task place;
    place.site = parent != nullptr ? parent->site
                                   : task->record().origin.load(std::memory_order_relaxed).call();
    place.text = to_string(place.site) + in_task(*task);
    return place;
}

[[nodiscard]] time_point present() noexcept {
    const auto* core = coroscope::detail::running_loop;
    return core != nullptr ? core->time->now() : time_point();
}

[[nodiscard]] std::string counted(std::size_t n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

}  // namespace

void mock_core::forget() noexcept {
    calls_.clear();
    awaits_.clear();
}

void mock_core::note_call(std::shared_ptr<mock_call> call, await_site where) {
    call->place = place_of_call(where);
    calls_.push_back(std::move(call));
}

void mock_core::note_await(const std::shared_ptr<mock_call>& call) {
    call->is_awaited = true;
    awaits_.push_back({call, place_of_await(), present()});
    for (const auto& order : orders_) {
        order->entries.push_back({name_, awaits_.back()});
    }
}

void mock_core::note_dropped(const mock_call& call) const noexcept {
    fail_test("a call of the mock " + name_ + " was never awaited: " + name_ + call.arguments()
                  + "\n    called at " + call.place.text
                  + "\n    co_await what it returns, or give it to create_task",
              call.place.site);
}

void mock_core::fail_without_answer() const {
    const auto& last = awaits_.back();
    const auto given = awaits_.size() - 1;
    std::rethrow_exception(fail_test(
        "the mock " + name_ + " has no answer for " + name_ + last.call->arguments()
            + "\n    awaited at " + last.place.text + "\n    "
            + (given == 0 ? "give it one: returns, throws or side_effect"
                          : "it has answered " + counted(given, "await")
                                + " before; give it more, or one for all others: returns"),
        last.place.site));
}

mock_ticket::~mock_ticket() {
    if (call_ != nullptr && coroscope::detail::drops_unawaited) { core_->note_dropped(*call_); }
}

coro<> reach(time_point instant) {
    auto& loop = get_running_loop();
    auto reached = loop.create_future<>();
    auto timer = loop.call_at(instant, [reached]() mutable {
        if (!reached.done()) { reached.set_result(); }
    });
    try {
        co_await reached;
    } catch (...) {
        timer.cancel();
        throw;
    }
}

coro<> let_pass(duration length) {
    return reach(saturating_add(get_running_loop().time(), length));
}

// --- Assertions

std::string mock_core::history() const {
    std::string text = counted(awaits_.size(), "await");
    for (std::size_t i = 0; i < std::min(awaits_.size(), most_shown); ++i) {
        const auto& came = awaits_[i];
        text += "\n        " + std::to_string(i + 1) + ". " + came.call->arguments() + " at "
                + came.place.text + ", at " + seconds(came.at.time_since_epoch());
    }
    if (awaits_.size() > most_shown) {
        text += "\n        and " + std::to_string(awaits_.size() - most_shown) + " more";
    }
    for (const auto& call : calls_) {
        if (!call->is_awaited) {
            text +=
                "\n        called, not awaited: " + call->arguments() + " at " + call->place.text;
        }
    }
    return text;
}

void mock_core::fail(std::string_view verb, const std::string& expected, await_site where) const {
    throw assertion_error(name_ + ": " + std::string(verb) + " failed at " + to_string(where)
                          + "\n    expected: " + expected + "\n    came: " + history());
}

void mock_core::assert_count(std::string_view verb, bool holds, std::string_view expected,
                             await_site where) const {
    if (!holds) { fail(verb, std::string(expected), where); }
}

void mock_core::assert_all_awaited(await_site where) const {
    const auto is_awaited = [](const auto& call) {
        return call->is_awaited;
    };
    if (!std::ranges::all_of(calls_, is_awaited)) {
        fail("assert_all_awaited", "every call to be awaited", where);
    }
}

void mock_core::assert_last(const matcher& matches, const std::string& arguments,
                            await_site where) const {
    if (awaits_.empty() || !matches(*awaits_.back().call)) {
        fail("assert_awaited_with", "the last await to have " + arguments, where);
    }
}

void mock_core::assert_once(const matcher& matches, const std::string& arguments,
                            await_site where) const {
    if (awaits_.size() != 1 || !matches(*awaits_.front().call)) {
        fail("assert_awaited_once_with", "one await, with " + arguments, where);
    }
}

void mock_core::assert_any(const matcher& matches, const std::string& arguments,
                           await_site where) const {
    const auto is_it = [&](const mock_await& came) {
        return matches(*came.call);
    };
    if (std::ranges::none_of(awaits_, is_it)) {
        fail("assert_any_await", "an await with " + arguments, where);
    }
}

void mock_core::assert_in_order(const std::vector<matcher>& matchers,
                                const std::vector<std::string>& arguments, await_site where) const {
    std::size_t next = 0;
    for (const auto& came : awaits_) {
        if (next < matchers.size() && matchers[next](*came.call)) { ++next; }
    }
    if (next == matchers.size()) { return; }
    std::string expected = "awaits with";
    for (const auto& each : arguments) {
        expected += " " + each;
    }
    fail("assert_awaits_in_order", expected + " in this order; missing is " + arguments[next],
         where);
}

const mock_await& mock_core::await_at(std::size_t n, await_site where) const {
    if (n >= awaits_.size()) {
        fail("awaited_argument", "at least " + counted(n + 1, "await"), where);
    }
    return awaits_[n];
}

}  // namespace coroscope::testkit::detail

namespace coroscope::testkit {

std::vector<std::string> mock_log::entries() const {
    std::vector<std::string> texts;
    for (const auto& entry : order_->entries) {
        texts.push_back(entry.text());
    }
    return texts;
}

void mock_log::assert_order(const std::vector<std::string>& expected, await_site where) const {
    std::size_t next = 0;
    for (const auto& entry : order_->entries) {
        if (next < expected.size()
            && (expected[next] == entry.mock || expected[next] == entry.text())) {
            ++next;
        }
    }
    if (next == expected.size()) { return; }
    std::string text = "mock_log: assert_order failed at " + to_string(where) + "\n    expected:";
    for (const auto& each : expected) {
        text += "\n        " + each;
    }
    text += "\n    missing: " + expected[next] + "\n    came:";
    for (const auto& entry : order_->entries) {
        text += "\n        " + entry.text() + " at " + entry.what.place.text + ", at "
                + detail::seconds(entry.what.at.time_since_epoch());
    }
    throw assertion_error(text + (order_->entries.empty() ? " nothing" : ""));
}

}  // namespace coroscope::testkit
