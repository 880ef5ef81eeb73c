// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/long_running.hpp>

#include "seconds_text.hpp"

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/task.hpp>

#include <exception>
#include <iostream>
#include <limits>

namespace coroscope::instrumentation {
namespace {

[[nodiscard]] std::string ending(run_outcome outcome) {
    return outcome == run_outcome::returned ? "\n" : ", " + std::string(to_string(outcome)) + "\n";
}

[[nodiscard]] std::string origin_text(std::span<const await_site> origin) {
    if (origin.empty()) { return "  origin not known\n"; }
    std::string text;
    for (const auto& site : origin) {
        text += "  from: " + coroscope::to_string(site) + " in " + function_name(site) + '\n';
    }
    return text;
}

void report_failed_handler(loop& in, const char* whose) noexcept {
    exception_context context;
    context.message = whose;
    context.exception = std::current_exception();
    in.call_exception_handler(context);
}

/// Waits for the end of one task, then goes.
class task_watch final : public coroscope::detail::completion_waiter {
public:
    task_watch(std::shared_ptr<const task_run_handler> handler,
               const coroscope::detail::task_core& task, time_point created) noexcept
        : handler_(std::move(handler)),
          task_(task),
          created_(created) {}

    void on_complete() noexcept override {
        auto& in = *task_.loop->self;
        try {
            tell(in);
        } catch (...) { report_failed_handler(in, "the handler of monitor_task_factory threw"); }
        delete this;
    }

private:
    void tell(const loop& in) const {
        if (*handler_ == nullptr && !in.debug()) { return; }
        task_run run;
        run.id = task_.id();
        run.name = display_name(task_.id(), task_.given_name());
        run.origin = task_.record().origin.load(std::memory_order_relaxed).sites();
        run.elapsed = in.time() - created_;
        run.outcome = outcome();
        if (*handler_ != nullptr) {
            (*handler_)(run);
        } else {
            std::cerr << log_text(run) << std::flush;
        }
    }
    [[nodiscard]] run_outcome outcome() const {
        switch (task_.status()) {
        case coroscope::detail::completion_status::exception: return run_outcome::threw;
        case coroscope::detail::completion_status::cancelled: return cancelled_or_destroyed();
        case coroscope::detail::completion_status::value:
        case coroscope::detail::completion_status::pending: break;
        }
        return run_outcome::returned;
    }
    [[nodiscard]] run_outcome cancelled_or_destroyed() const {
        if (task_.exception() == nullptr) { return run_outcome::cancelled; }
        try {
            std::rethrow_exception(task_.exception());
        } catch (const broken_loop_error&) { return run_outcome::destroyed; } catch (...) {
            return run_outcome::cancelled;
        }
    }

    std::shared_ptr<const task_run_handler> handler_;
    const coroscope::detail::task_core& task_;
    time_point created_;
};

}  // namespace

std::string_view to_string(run_outcome outcome) noexcept {
    switch (outcome) {
    case run_outcome::returned: return "returned";
    case run_outcome::threw: return "threw";
    case run_outcome::cancelled: return "cancelled";
    case run_outcome::destroyed: return "destroyed with its loop";
    }
    return "unknown";
}

std::vector<await_site> timed_call::origin(std::size_t most) const {
    std::vector<await_site> sites;
    const auto task = current_task();
    if (!task.valid()) { return sites; }
    sites = task.stack();
    const auto created = task.origin();
    sites.insert(sites.end(), created.begin(), created.end());
    if (sites.size() > most) { sites.resize(most); }
    return sites;
}

namespace detail {

time_point call_in_progress::now() noexcept {
    return coroscope::detail::running_loop->time->now();
}

void call_watch::tell(duration elapsed, run_outcome outcome) const noexcept {
    try {
        (*handler_)(timed_call(name_, elapsed, outcome));
    } catch (...) {
        report_failed_handler(*coroscope::detail::running_loop->self,
                              "the handler of time_it_factory threw");
    }
}

}  // namespace detail

loop::task_factory monitor_task_factory(task_run_handler handler, loop::task_factory make) {
    auto shared = std::make_shared<const task_run_handler>(std::move(handler));
    return [handler = std::move(shared), make = std::move(make)](
               loop& in, any_coro work, task_options& options) -> any_task {
        const auto created = in.time();
        auto made = make != nullptr ? make(in, std::move(work), options)
                                    : in.start_task(std::move(work), options);
        auto& task = made.core();
        auto watch = std::make_unique<task_watch>(handler, task, created);
        if (task.done()) {  // it was eager
            watch.release()->on_complete();
        } else {
            task.add_waiter(*watch.release());
        }
        return made;
    };
}

std::string log_text(const timed_call& call) {
    return "coroutine " + std::string(call.name()) + " took " + seconds(call.elapsed()) + " seconds"
           + ending(call.outcome())
           + origin_text(call.origin(std::numeric_limits<std::size_t>::max()));
}

std::string log_text(const task_run& run) {
    return "<task '" + run.name + "' id=" + std::to_string(run.id) + "> took "
           + seconds(run.elapsed) + " seconds to run" + ending(run.outcome)
           + origin_text(run.origin);
}

}  // namespace coroscope::instrumentation
