// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/checkpoints.hpp>

#include "test_environment.hpp"

#include <coroscope/runtime/detail/task_core.hpp>

#include <exception>
#include <stdexcept>
#include <string>

namespace coroscope::testkit {
namespace detail {
namespace {

[[nodiscard]] const coroscope::detail::task_core* present_task() noexcept {
    const auto* core = coroscope::detail::running_loop;
    return core != nullptr ? core->current.get() : nullptr;
}

[[nodiscard]] std::uint32_t sequence_of(const coroscope::detail::task_core& task) noexcept {
    return static_cast<std::uint32_t>(task.record().sequence.load(std::memory_order_relaxed));
}

}  // namespace

suspension_count::suspension_count(const char* who, await_site where) : where_(where) {
    const auto* task = present_task();
    if (task == nullptr || test_environment::current() == nullptr) {
        throw std::logic_error(std::string(who) + " (" + to_string(where)
                               + ") is for tasks of a test that run_test or CO_TEST_CASE runs");
    }
    task_ = task->id();
    sequence_ = sequence_of(*task);
}

bool suspension_count::is_in_task() const noexcept {
    const auto* task = present_task();
    return task != nullptr && task->id() == task_;
}

bool suspension_count::has_grown() const noexcept {
    return is_in_task() && sequence_of(*present_task()) != sequence_;
}

void fail_checkpoints(const suspension_count& since, const char* what) noexcept {
    auto* test = test_environment::current();
    if (test == nullptr) { return; }
    test->fail(
        {failure_kind::scheduling,
         std::string(what) + " between " + to_string(since.where()) + " and the end of its scope",
         nullptr, since.where()});
}

}  // namespace detail

assert_checkpoints::assert_checkpoints(await_site where)
    : before_("assert_checkpoints", where),
      exceptions_(std::uncaught_exceptions()) {}

assert_checkpoints::~assert_checkpoints() {
    if (std::uncaught_exceptions() > exceptions_) { return; }
    if (before_.is_in_task() && !before_.has_grown()) {
        detail::fail_checkpoints(before_, "assert_checkpoints: the task was never suspended");
    }
}

assert_no_checkpoints::assert_no_checkpoints(await_site where)
    : before_("assert_no_checkpoints", where) {}

assert_no_checkpoints::~assert_no_checkpoints() {
    if (before_.has_grown()) {
        detail::fail_checkpoints(before_,
                                 "assert_no_checkpoints: the task was suspended, and others ran,");
    }
}

}  // namespace coroscope::testkit
