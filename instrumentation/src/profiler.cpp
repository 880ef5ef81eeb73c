// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/profiler.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <ostream>
#include <string>
#include <utility>

namespace coroscope::instrumentation {
namespace {

constexpr std::string_view other_names = "(other)";

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
            *options_.log << log_text(read())
                          << log_text(read_memory(options_.key_type, options_.filter));
        } catch (...) { return; }  // no memory, or a stream that throws: nobody to tell
    }

    std::atomic<bool>& is_on() noexcept { return *is_on_; }

    std::shared_ptr<detail::call_statistics> find(std::string_view name) {
        return find_in(rows_, name, [this] {
            return detail::call_statistics::make(options_.recent_calls, is_on_);
        });
    }

    std::shared_ptr<detail::memory_statistics> find_memory(std::string_view name) {
        return find_in(memory_, name, [this] {
            return std::make_shared<detail::memory_statistics>(options_.recent_calls, is_on_);
        });
    }

    [[nodiscard]] const profiler_options& options() const noexcept { return options_; }

    report::memory_table read_memory(memory_key by, const memory_filter& filter) const {
        report::memory_table table;
        for (const auto& [name, row] : copy_of(memory_)) {
            auto stats = row->read(by, filter);
            if (stats.calls != 0) { table.emplace(name, std::move(stats)); }
        }
        return table;
    }

    report::time_table read() const {
        report::time_table table;
        for (const auto& [name, row] : copy_of(rows_)) {
            auto stats = row->read();
            if (stats.calls != 0) { table.emplace(name, std::move(stats)); }
        }
        return table;
    }

private:
    /// The row of that name, made where it is new; that of all others where there are too many.
    template <class Rows, class Make>
    [[nodiscard]] typename Rows::mapped_type find_in(Rows& rows, std::string_view name, Make make) {
        const std::lock_guard lock(mutex_);
        if (const auto found = rows.find(name); found != rows.end()) { return found->second; }
        const bool is_full = rows.size() >= options_.max_names;
        auto& row = rows[std::string(is_full ? other_names : name)];
        if (row == nullptr) { row = make(); }
        return row;
    }

    /// To read a row may take long, and functions are looked up by loops meanwhile.
    template <class Rows>
    [[nodiscard]] Rows copy_of(const Rows& rows) const {
        const std::lock_guard lock(mutex_);
        return rows;
    }

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

report::memory_table profiler::memory_stats() const {
    const auto& options = implementation_->options();
    return memory_stats(options.key_type, options.filter);
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
        detail::merge_calls(into[name], stats);
    }
}

std::shared_ptr<detail::call_statistics> profiler::statistics(std::string_view name) {
    return implementation_->find(name);
}

}  // namespace coroscope::instrumentation
