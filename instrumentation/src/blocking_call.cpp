// SPDX-License-Identifier: Apache-2.0
#include "lint_findings.hpp"

#include <coroscope/report/duration_text.hpp>

#include <algorithm>
#include <array>

namespace coroscope::instrumentation::detail {
namespace {

/// What to write instead of a system call that waits.
struct cure {
    std::string_view system_call;
    std::string_view what;
    std::string_view instead;
};

constexpr std::string_view descriptors =
    "make the descriptor non-blocking and await it (use_coro, open_read_pipe, stream), or move the "
    "call to to_thread";
constexpr std::string_view files = "use async_file, or move the call to run_in_executor";
constexpr std::string_view readiness =
    "await the operation itself, or use add_reader and add_writer";

constexpr std::array cures{
    cure{"nanosleep", "sleeps", "co_await sleep_for"},
    cure{"clock_nanosleep", "sleeps", "co_await sleep_for"},
    cure{"pause", "waits for a signal", "use add_signal_handler"},
    cure{"read", "reads from a blocking descriptor", descriptors},
    cure{"readv", "reads from a blocking descriptor", descriptors},
    cure{"pread64", "reads a file", files},
    cure{"write", "writes to a blocking descriptor", descriptors},
    cure{"writev", "writes to a blocking descriptor", descriptors},
    cure{"pwrite64", "writes a file", files},
    cure{"recvfrom", "receives from a blocking socket", descriptors},
    cure{"recvmsg", "receives from a blocking socket", descriptors},
    cure{"sendto", "sends to a blocking socket", descriptors},
    cure{"sendmsg", "sends to a blocking socket", descriptors},
    cure{"connect", "connects a blocking socket", "co_await open_connection"},
    cure{"accept", "accepts on a blocking socket", "use start_server"},
    cure{"accept4", "accepts on a blocking socket", "use start_server"},
    cure{"fsync", "writes a file through to the disk", files},
    cure{"fdatasync", "writes a file through to the disk", files},
    cure{"msync", "writes a mapping through to the disk", "move the call to run_in_executor"},
    cure{"futex", "waits for another thread (a lock, a condition, a std::future)",
         "await run_in_executor, wrap_future or a coroscope::mutex"},
    cure{"wait4", "waits for a process", "await process::wait"},
    cure{"waitid", "waits for a process", "await process::wait"},
    cure{"flock", "waits for a file lock", "move the call to run_in_executor"},
    cure{"fcntl", "waits for a file lock", "move the call to run_in_executor"},
    cure{"select", "waits for descriptors", readiness},
    cure{"pselect6", "waits for descriptors", readiness},
    cure{"poll", "waits for descriptors", readiness},
    cure{"ppoll", "waits for descriptors", readiness},
    cure{"epoll_wait", "waits for descriptors", readiness},
    cure{"epoll_pwait", "waits for descriptors", readiness},
};

constexpr cure resolving{"", "resolves a name", "co_await getaddrinfo"};

/// The call by its name, or by a function that is on the stack while it waits for something else.
[[nodiscard]] const cure* cure_for(const report::slow_step& step, std::string_view system_call) {
    if (system_call.empty()) { return nullptr; }
    if (step.stack) {
        const auto& frames = step.stack->frames;
        const bool resolves = std::any_of(frames.begin(), frames.end(), [](const auto& frame) {
            return frame.function.find("getaddrinfo") != std::string::npos
                   || frame.function.find("gethostbyname") != std::string::npos;
        });
        if (resolves) { return &resolving; }
    }
    const auto* found = std::find_if(cures.begin(), cures.end(), [&](const cure& each) {
        return each.system_call == system_call;
    });
    return found == cures.end() ? nullptr : found;
}

}  // namespace

bool blocks(const report::slow_step& step, std::string_view system_call) {
    return cure_for(step, system_call) != nullptr;
}

report::finding blocking_call(const report::slow_step& step, std::string_view system_call) {
    const auto* cure = cure_for(step, system_call);
    report::finding made;
    made.rule = to_string(lint_rule::blocking_call);
    made.severity = report::severity::warning;
    made.where = report::offending_position(step);
    made.fingerprint = make_fingerprint(made.rule, std::array{made.where}, system_call);
    made.message = (step.task_id != 0 ? task_text(step.task_id, step.name) : "a callback")
                   + std::string(" ") + std::string(cure->what) + " on the loop's thread, in "
                   + std::string(system_call) + ", for " + report::format_duration(step.wall) + ": "
                   + describe_span(step)
                   + ". Nothing else runs meanwhile: " + std::string(cure->instead) + ".";
    made.evidence.push_back({"system call", std::string(system_call), {}, {}});
    if (!step.created_at.empty()) {
        made.evidence.push_back({"created at", step.created_at.function, step.created_at, {}});
    }
    if (step.stack) { made.evidence.push_back({"stack", "", made.where, step.stack}); }
    return made;
}

}  // namespace coroscope::instrumentation::detail
