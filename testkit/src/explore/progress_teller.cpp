// SPDX-License-Identifier: Apache-2.0
#include "progress_teller.hpp"

#include "task_report.hpp"

#include <coroscope/runtime/detail/tick_clock.hpp>

#include <chrono>
#include <iostream>
#include <string>

namespace coroscope::testkit::detail {

using coroscope::detail::tick_clock;

progress_teller::progress_teller(const explore_options& options, const search_state& state)
    : options_(options),
      state_(state),
      began_(tick_clock::now()),
      next_(began_ + interval()) {}

std::uint64_t progress_teller::interval() const {
    return tick_clock::to_ticks(options_.progress_interval);
}

void progress_teller::operator()() {
    const auto now = tick_clock::now();
    if (now < next_) { return; }
    next_ = now + interval();
    exploration_progress progress;
    progress.executions = state_.executions.load(std::memory_order_relaxed);
    progress.most_executions = options_.max_executions;
    progress.elapsed = tick_clock::to_duration(tick_clock::between(began_, now));
    if (options_.on_progress != nullptr) {
        options_.on_progress(progress);
        return;
    }
    std::cerr << "coroscope: explored " + std::to_string(progress.executions) + " executions of '"
                     + options_.test.name + "', at most " + std::to_string(progress.most_executions)
                     + ", in " + seconds(std::chrono::round<std::chrono::seconds>(progress.elapsed))
                     + "\n"
              << std::flush;
}

}  // namespace coroscope::testkit::detail
