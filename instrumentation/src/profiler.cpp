// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/profiler.hpp>

#include <coroscope/report/duration_text.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <ostream>
#include <string>
#include <utility>

namespace coroscope::instrumentation {
namespace {

constexpr std::string_view other_names = "(other)";

void merge(report::time_stats& into, const report::time_stats& more) {
    into.min = std::min(into.min, more.min);
    into.max = std::max(into.max, more.max);
    into.last = more.last;
    into.total += more.total;
    into.busy += more.busy;
    into.calls += more.calls;
    into.returned += more.returned;
    into.threw += more.threw;
    into.cancelled += more.cancelled;
    into.lengths.merge(more.lengths);
    into.recent.insert(into.recent.end(), more.recent.begin(), more.recent.end());
    into.recent_dropped += more.recent_dropped;
}

}  // namespace

class profiler::implementation {
public:
    explicit implementation(const profiler_options& options)
        : options_(options),
          is_on_(std::make_shared<std::atomic<bool>>(!options.starts_stopped)) {}
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;
    ~implementation() {
        if (options_.log == nullptr) { return; }
        try {
            *options_.log << log_text(read());
        } catch (...) { return; }  // no memory, or a stream that throws: nobody to tell
    }

    std::atomic<bool>& is_on() noexcept { return *is_on_; }

    std::shared_ptr<detail::call_statistics> find(std::string_view name) {
        const std::lock_guard lock(mutex_);
        if (const auto found = rows_.find(name); found != rows_.end()) { return found->second; }
        const bool full = rows_.size() >= options_.max_names;
        auto& row = rows_[std::string(full ? other_names : name)];
        if (row == nullptr) {
            row = std::make_shared<detail::call_statistics>(options_.recent_calls, is_on_);
        }
        return row;
    }

    std::shared_ptr<detail::memory_statistics> find_memory(std::string_view name) {
        const std::lock_guard lock(mutex_);
        if (const auto found = memory_.find(name); found != memory_.end()) { return found->second; }
        const bool full = memory_.size() >= options_.max_names;
        auto& row = memory_[std::string(full ? other_names : name)];
        if (row == nullptr) {
            row = std::make_shared<detail::memory_statistics>(options_.recent_calls);
        }
        return row;
    }

    report::memory_table read_memory(memory_key by, const memory_filter& filter) const {
        report::memory_table table;
        const std::lock_guard lock(mutex_);
        for (const auto& [name, row] : memory_) {
            auto stats = row->read(by, filter);
            if (stats.calls != 0) { table.emplace(name, std::move(stats)); }
        }
        return table;
    }

    report::time_table read() const {
        report::time_table table;
        const std::lock_guard lock(mutex_);
        for (const auto& [name, row] : rows_) {
            auto stats = row->read();
            if (stats.calls != 0) { table.emplace(name, std::move(stats)); }
        }
        return table;
    }

private:
    profiler_options options_;
    std::shared_ptr<std::atomic<bool>> is_on_;
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<detail::call_statistics>, std::less<>> rows_;
    std::map<std::string, std::shared_ptr<detail::memory_statistics>, std::less<>> memory_;
};

profiler::profiler(const profiler_options& options)
    : implementation_(std::make_shared<implementation>(options)) {}

report::time_table profiler::time_stats() const {
    return implementation_->read();
}

void profiler::start() noexcept {
    implementation_->is_on() = true;
}

void profiler::stop() noexcept {
    implementation_->is_on() = false;
}

bool profiler::is_started() const noexcept {
    return implementation_->is_on();
}

profiler::started_scope profiler::started() {
    return started_scope(*this);
}

profiler::started_scope::started_scope(profiler p)
    : profiler_(std::move(p)),
      was_started_(profiler_.is_started()) {
    profiler_.start();
}

profiler::started_scope::~started_scope() {
    if (!was_started_) { profiler_.stop(); }
}

std::string log_text(const report::time_table& table) {
    using report::format_duration;
    std::string text;
    for (const auto& [name, stats] : table) {
        if (stats.recent_dropped != 0) {
            text += name + ": " + std::to_string(stats.recent_dropped) + " earlier calls\n";
        }
        for (const auto& call : stats.recent) {
            text += "function " + name + " was called at " + format_duration(call.start)
                    + " and took " + format_duration(call.delta) + '\n';
        }
        text += name + ": " + std::to_string(stats.calls) + " calls, " + std::to_string(stats.threw)
                + " threw, " + std::to_string(stats.cancelled) + " cancelled; total "
                + format_duration(stats.total) + ", busy " + format_duration(stats.busy) + "; p50 "
                + format_duration(stats.lengths.percentile(50)) + ", p90 "
                + format_duration(stats.lengths.percentile(90)) + ", p99 "
                + format_duration(stats.lengths.percentile(99)) + ", p99.9 "
                + format_duration(stats.lengths.percentile(99.9)) + ", p99.99 "
                + format_duration(stats.lengths.percentile(99.99)) + ", max "
                + format_duration(stats.max) + '\n';
    }
    return text;
}

report::memory_table profiler::memory_stats(memory_key by, const memory_filter& filter) const {
    return implementation_->read_memory(by, filter);
}

std::shared_ptr<detail::memory_statistics> profiler::memory_of(std::string_view name) {
    detail::count_allocations();
    return implementation_->find_memory(name);
}

void merge_times(report::time_table& into, const report::time_table& more) {
    for (const auto& [name, stats] : more) {
        const auto [row, is_new] = into.try_emplace(name, stats);
        if (!is_new) { merge(row->second, stats); }
    }
}

std::shared_ptr<detail::call_statistics> profiler::statistics(std::string_view name) {
    return implementation_->find(name);
}

}  // namespace coroscope::instrumentation
