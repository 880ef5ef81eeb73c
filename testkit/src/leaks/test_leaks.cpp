// SPDX-License-Identifier: Apache-2.0
#include "open_sockets.hpp"
#include "task_report.hpp"
#include "test_environment.hpp"

#include <coroscope/runtime/handle.hpp>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

// What a test must not leave behind.

namespace coroscope::testkit::detail {
namespace {

using coroscope::detail::timer_node;

constexpr auto most_patience_with_io = std::chrono::milliseconds(100);

}  // namespace

/// When the body has ended, and what was about to end.
void test_environment::report_leaks() {
    report_tasks();
    report_jobs();
    report_timers();
}

void test_environment::report_tasks() {
    for (const auto& task : blocked_tasks(*loop_)) {
        const auto id = task.view.id;
        if (id == body_id_ || is_background(id)) { continue; }
        auto text = "a task was still alive when the test had ended: " + to_text(task);
        if (body_ended_well_) {
            fail({failure_kind::leaked_task,
                  text + "\n    await it, cancel it, or start it with testkit::background", nullptr,
                  task.view.created_at});
        } else if (!gave_up_) {
            result_.notes.push_back(std::move(text));
        }
    }
}

void test_environment::report_jobs() {
    const auto jobs = loop_->core().jobs;
    if (jobs > 0 && body_ended_well_) {
        fail({failure_kind::leaked_job,
              std::to_string(jobs) + (jobs == 1 ? " job was" : " jobs were")
                  + " still in an executor when the test had ended; await what run_in_executor "
                    "returned",
              nullptr,
              {}});
    }
}

void test_environment::report_timers() {
    if (!options_.strict_timers || !body_ended_well_) { return; }
    std::vector<const coroscope::detail::handle_state*> armed;
    loop_->core().timers.for_each([&armed](const timer_node& node) {
        // A task that sleeps is a leaked task, if anything.
        if (!node.target.is_task()) { armed.push_back(node.target.handle()); }
    });
    std::ranges::sort(armed, {}, [](const auto* each) { return std::pair(each->when, each->id); });
    for (const auto* each : armed) {
        fail({failure_kind::leaked_timer,
              "a callback was still to come when the test had ended, at "
                  + seconds(each->when.time_since_epoch()) + ": armed at "
                  + to_string(each->created_at)
                  + "\n    cancel its timer_handle, or leave out test_options::strict_timers",
              nullptr, each->created_at});
    }
}

/// Streams that were dropped may still be sending, and close when they have sent all; they are
/// given as much real time as I/O may hold virtual time.
void test_environment::report_sockets() {
    if (!body_ended_well_ || must_stop_) { return; }
    auto left = open_sockets(*loop_);
    const auto patience = std::chrono::steady_clock::now() + most_patience_with_io;
    while (!left.empty() && loop_->core().io_operations > 0
           && std::chrono::steady_clock::now() < patience) {
        run_grace_round();
        left = open_sockets(*loop_);
    }
    for (const auto& socket : left) {
        fail({failure_kind::leaked_socket,
              "a socket was still open when the test and all of its tasks had ended: " + socket
                  + "; close it, or let the object that owns it end with the test's body",
              nullptr,
              {}});
    }
}

void test_environment::report_heap(std::uint32_t loop_id) {
    if (heap_ == nullptr || !body_ended_well_) { return; }
    for (const auto& place : heap_->left_by(loop_id)) {
        fail({failure_kind::leaked_memory,
              "memory that a task of the test allocated is still there: " + place
                  + "; free it, or leave out test_options::check_heap",
              nullptr,
              {}});
    }
}

void test_environment::report_findings() {
    if (lints_ == nullptr) { return; }
    for (const auto& found : lints_->findings()) {
        fail({failure_kind::rule, found.rule + ": " + found.message, nullptr, {}});
    }
}

}  // namespace coroscope::testkit::detail
