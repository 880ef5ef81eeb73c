// SPDX-License-Identifier: Apache-2.0
#include "watchdog.hpp"

#include "environment_variable.hpp"
#include "task_report.hpp"

#include <coroscope/instrumentation/stall_watchdog.hpp>
#include <coroscope/instrumentation/thread_stack.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <unistd.h>

namespace coroscope::testkit::detail {
namespace {

using real_clock = std::chrono::steady_clock;

struct watched_test {
    std::uint64_t id = 0;
    real_clock::time_point deadline{};
    duration limit{};
    std::uint32_t loop_id = 0;
    std::weak_ptr<coroscope::detail::inbox> mail;
    std::string description;
    instrumentation::observable_thread thread;
    std::function<void()> on_limit;
    bool was_asked = false;
};

void write_to_stderr(const std::string& text) noexcept {
    const char* next = text.data();
    auto left = text.size();
    while (left > 0) {
        const auto written = ::write(STDERR_FILENO, next, left);
        if (written <= 0) { return; }
        next += written;
        left -= static_cast<std::size_t>(written);
    }
}

/// Does what may wait for a lock that the stuck thread holds; gives up after a while.
void attempt(std::chrono::seconds at_most, std::function<void()> what) {
    struct shared {
        std::mutex mutex;
        std::condition_variable changed;
        bool done = false;
    };
    const auto state = std::make_shared<shared>();
    std::thread([state, work = std::move(what)] {
        work();
        const std::lock_guard lock(state->mutex);
        state->done = true;
        state->changed.notify_all();
    }).detach();
    std::unique_lock lock(state->mutex);
    state->changed.wait_for(lock, at_most, [&] { return state->done; });
}

void write_native_stack(const instrumentation::observable_thread& thread) {
    const auto seen = thread.take_stack(std::chrono::seconds(10));
    write_to_stderr(seen.stack.has_value()
                        ? "  Its thread is here:\n" + instrumentation::stack_text(*seen.stack)
                        : "  There is no native stack of its thread: " + seen.trouble + "\n");
}

[[noreturn]] void end_process(const watched_test& test) {
    write_to_stderr("\ncoroscope: " + test.description + " has used up its time limit of " +
                    seconds(test.limit) +
                    " (real time), and its thread does not come back: it computes, or blocks "
                    "without co_await. Its tasks:" +
                    dump_tasks(test.loop_id) + "\n");
    attempt(std::chrono::seconds(20), [thread = test.thread] { write_native_stack(thread); });
    write_to_stderr(
        "  The process ends now. COROSCOPE_TEST_TIME_LIMIT (seconds, 0 for none) changes the "
        "limit.\n");
    attempt(std::chrono::seconds(2), [] {  // what the program has printed must not be lost
        std::cout.flush();
        static_cast<void>(std::fflush(nullptr));
    });
    std::_Exit(status_of_timeout);
}

/// Never destroyed: its thread goes on to the end of the process.
class watchdog {
public:
    static watchdog& instance() {
        static auto* const only = new watchdog;
        return *only;
    }

    std::uint64_t add(watched_test test) {
        const std::lock_guard lock(mutex_);
        if (!is_started_) {
            std::thread([this] { watch(); }).detach();
            is_started_ = true;
        }
        test.id = ++last_id_;
        tests_.push_back(std::move(test));
        changed_.notify_all();
        return last_id_;
    }

    void restart(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        const auto test = std::ranges::find(tests_, id, &watched_test::id);
        if (test->was_asked) { return; }
        test->deadline = real_clock::now() + test->limit;
    }

    void remove(std::uint64_t id) noexcept {
        const std::lock_guard lock(mutex_);
        std::erase_if(tests_, [id](const auto& test) { return test.id == id; });
    }

private:
    void watch() {
        std::unique_lock lock(mutex_);
        for (;;) {
            const auto next = std::ranges::min_element(tests_, {}, &watched_test::deadline);
            if (next == tests_.end()) {
                changed_.wait(lock);
            } else if (const auto deadline = next->deadline; real_clock::now() < deadline) {
                changed_.wait_until(lock, deadline);
            } else {
                ask_or_end(*next);
            }
        }
    }

    static void ask_or_end(watched_test& test) {
        if (test.was_asked) { end_process(test); }
        test.was_asked = true;
        test.deadline += grace_after_limit;
        if (const auto mail = test.mail.lock()) {
            coroscope::detail::post_mail(*mail, test.on_limit);
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<watched_test> tests_;
    std::uint64_t last_id_ = 0;
    bool is_started_ = false;
};

}  // namespace

time_guard::time_guard(duration limit, const loop& watched, std::string description,
                       std::function<void()> on_limit) {
    if (limit == duration::zero()) { return; }
    watched_test test;
    test.deadline = real_clock::now() + limit;
    test.limit = limit;
    test.loop_id = watched.id();
    test.mail = watched.core().mail;
    test.description = std::move(description);
    test.thread = instrumentation::observable_thread::current();
    test.on_limit = std::move(on_limit);
    id_ = watchdog::instance().add(std::move(test));
}

time_guard::~time_guard() {
    if (id_ != 0) { watchdog::instance().remove(id_); }
}

void time_guard::restart() {
    if (id_ != 0) { watchdog::instance().restart(id_); }
}

duration effective_time_limit(const std::optional<duration>& option) {
    constexpr double longest = 1e9;  // seconds; some thirty years
    const auto text = variable("COROSCOPE_TEST_TIME_LIMIT");
    if (text.empty()) {
        const auto limit = option.value_or(std::chrono::seconds(10));
        if (limit < duration::zero()) {
            throw std::invalid_argument("test_options::time_limit must not be negative");
        }
        return std::min<duration>(limit, std::chrono::seconds(1'000'000'000));
    }
    double value = 0;
    const auto* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || !(value >= 0) || value > longest) {
        throw std::invalid_argument("COROSCOPE_TEST_TIME_LIMIT is '" + std::string(text) +
                                    "'; it must be a number of seconds, such as 10 or 0.5, or 0 "
                                    "for no limit");
    }
    return std::chrono::duration_cast<duration>(std::chrono::duration<double>(value));
}

}  // namespace coroscope::testkit::detail
