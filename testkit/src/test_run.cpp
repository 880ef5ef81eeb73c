// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/fault.hpp>
#include <coroscope/testkit/test_run.hpp>

#include "task_report.hpp"
#include "test_environment.hpp"

#include <coroscope/testkit/fixture.hpp>

#include <ostream>
#include <sstream>

namespace coroscope::testkit {

const char* to_string(failure_kind kind) noexcept {
    switch (kind) {
    case failure_kind::exception: return "exception";
    case failure_kind::assertion: return "assertion";
    case failure_kind::unretrieved: return "unretrieved exception";
    case failure_kind::between_tests: return "exception between tests";
    case failure_kind::deadlock: return "deadlock";
    case failure_kind::leaked_task: return "leaked task";
    case failure_kind::leaked_job: return "leaked job";
    case failure_kind::leaked_socket: return "leaked socket";
    case failure_kind::leaked_timer: return "leaked timer";
    case failure_kind::leaked_memory: return "leaked memory";
    case failure_kind::runaway: return "runaway";
    case failure_kind::time_limit: return "time limit";
    case failure_kind::stopped: return "stopped";
    case failure_kind::not_cancellable: return "not cancellable";
    case failure_kind::scheduling: return "scheduling";
    case failure_kind::clock: return "clock";
    case failure_kind::rule: return "rule";
    case failure_kind::nondeterminism: return "nondeterminism";
    case failure_kind::schedule: return "schedule";
    case failure_kind::mock: return "mock";
    case failure_kind::outcome: return "outcome";
    case failure_kind::race: return "race";
    }
    return "?";
}

std::ostream& operator<<(std::ostream& out, const test_result& result) {
    if (result.ok()) { return out << "ok"; }
    for (const auto& failure : result.failures) {
        out << failure.message << '\n';
    }
    for (const auto& note : result.notes) {
        out << "note: " << note << '\n';
    }
    return out << detail::facts_of(result);
}

std::string to_string(const test_result& result) {
    std::ostringstream text;
    text << result;
    return text.str();
}

test_context& this_test() {
    auto* current = detail::test_environment::current();
    if (current == nullptr) {
        throw std::logic_error(
            "no test runs on this thread: this_test, background and settle are for code that "
            "run_test or CO_TEST_CASE runs");
    }
    return *current;
}

bool fault_point(std::string_view name) {
    auto* current = detail::test_environment::current();
    return current != nullptr && current->decide_fault(name);
}

namespace detail {

void mark_background(const task_handle& t) {
    test_environment::current()->mark_background(t);
}

void note_body_failure(const std::exception_ptr& failure) {
    test_environment::current()->note_body_failure(failure);
}

void note_tear_down_failure(const std::exception_ptr& failure) {
    test_environment::current()->note_tear_down_failure(failure);
}

std::string facts_of(const test_result& result) {
    return facts(result.virtual_elapsed, result.seed);
}

std::string describe_running_test() {
    const auto* running = test_environment::current();
    return running != nullptr ? running->describe() : std::string();
}

bool keeps_assertions() noexcept {
    const auto* current = test_environment::current();
    return current != nullptr && current->keeps_assertions();
}

void keep_assertion(std::string text) {
    test_environment::current()->keep_assertion(std::move(text));
}

test_result run_test(const std::function<coro<>()>& body, const test_options& options,
                     await_site where) {
    if (coroscope::detail::running_loop != nullptr) {
        throw std::logic_error("run_test was called inside a running loop (" + to_string(where)
                               + "); co_await the coroutine instead");
    }
    test_environment environment(options, where);
    return environment.run(body);
}

}  // namespace detail
}  // namespace coroscope::testkit
