// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/cpu_profiler.hpp>

#include "sample_sums.hpp"
#include "thread_roster.hpp"

#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace coroscope::instrumentation {
namespace {

constexpr int most_frequency = 10'000;

void check(bool is_right, const char* option, const std::string& range) {
    if (is_right) { return; }
    throw std::invalid_argument(std::string("cpu_profiler_options::") + option
                                + " is out of range; it must lie between " + range);
}

cpu_profiler_options checked(const cpu_profiler_options& options) {
    check(options.frequency >= 1 && options.frequency <= most_frequency, "frequency",
          "1 and " + std::to_string(most_frequency));
    check(options.signal_offset >= 0 && options.signal_offset <= SIGRTMAX - SIGRTMIN,
          "signal_offset", "0 and " + std::to_string(SIGRTMAX - SIGRTMIN));
    check(options.most_waiting >= 1 && options.most_waiting <= 1'000'000, "most_waiting",
          "1 and 1000000");
    check(options.most_stack_bytes >= 1024, "most_stack_bytes", "1024 and what memory there is");
    return options;
}

detail::sampling_settings settings_of(const cpu_profiler_options& options) {
    return {SIGRTMIN + options.signal_offset,
            std::chrono::nanoseconds(std::chrono::seconds(1)) / options.frequency,
            options.most_waiting, options.most_stack_bytes};
}

constexpr auto unsupported =
    "nothing is sampled on this architecture, nor under the thread sanitizer, which holds signals "
    "back";

}  // namespace

/// From start to stop. A thread adds samples up as they come.
class cpu_profiler::sampling final : public detail::sample_collector {
public:
    explicit sampling(const cpu_profiler_options& options)
        : settings_(settings_of(options)),
          sums_(options.most_stacks) {
        if (detail::handlers_see_registers) {
            detail::begin_sampling(settings_, *this);
        } else {
            note(unsupported);
        }
        try {
            adder_ = std::thread([this] { run(); });
        } catch (...) {
            detail::end_sampling(*this);
            throw;
        }
    }
    sampling(const sampling&) = delete;
    sampling& operator=(const sampling&) = delete;
    ~sampling() { end(); }

    [[nodiscard]] bool is_of_this_process() const noexcept { return process_ == ::getpid(); }

    [[nodiscard]] report::profile finish() {
        end();
        add_up();
        auto made = sums_.make_profile(settings_.period);
        made.duration = ended_ - began_;
        made.dropped = static_cast<std::uint64_t>(dropped_ + sums_.dropped());
        for (const auto& trouble : notes_) {
            made.note += (made.note.empty() ? "" : "; ") + trouble;
        }
        return made;
    }

    void add_thread(std::shared_ptr<detail::thread_samples> samples) override {
        const std::lock_guard lock(mutex_);
        threads_.push_back(std::move(samples));
    }
    void note(const std::string& trouble) override {
        const std::lock_guard lock(mutex_);
        notes_.insert(trouble);
    }

private:
    void end() {
        if (!adder_.joinable()) { return; }
        detail::end_sampling(*this);
        ended_ = std::chrono::steady_clock::now();
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        adder_.join();
    }

    void run() {
        sigset_t all;
        ::sigfillset(&all);  // signals to the process are for the program's own threads
        ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
        const auto pause = settings_.period * static_cast<std::int64_t>(settings_.room + 3) / 4;
        std::unique_lock lock(mutex_);
        while (!changed_.wait_for(lock, pause, [this] { return stopping_; })) {
            lock.unlock();
            add_up();
            lock.lock();
        }
    }

    void add_up() {
        std::vector<std::shared_ptr<detail::thread_samples>> threads;
        {
            const std::lock_guard lock(mutex_);
            threads = threads_;
        }
        for (const auto& thread : threads) {
            const bool has_ended = thread->has_ended.load();  // then this is all of it
            while (const auto* sample = thread->ring.front()) {
                sums_.add(*sample);
                thread->ring.pop();
            }
            if (!has_ended) { continue; }
            dropped_ += thread->ring.dropped();
            const std::lock_guard lock(mutex_);
            std::erase(threads_, thread);
        }
    }

    detail::sampling_settings settings_;
    pid_t process_ = ::getpid();
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point ended_{};
    // Of the thread, or of who has joined it:
    detail::sample_sums sums_;
    std::int64_t dropped_ = 0;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::shared_ptr<detail::thread_samples>> threads_;
    std::set<std::string> notes_;
    bool stopping_ = false;
    std::thread adder_;
};

struct cpu_profiler::state {
    mutable std::mutex mutex;
    std::unique_ptr<sampling> now;

    /// What a fork has copied cannot be ended: its thread is not here.
    void leave_parent() {
        if (now != nullptr && !now->is_of_this_process()) { static_cast<void>(now.release()); }
    }
};

cpu_profiler::cpu_profiler(cpu_profiler_options options)
    : options_(checked(options)),
      state_(std::make_unique<state>()) {}

cpu_profiler::~cpu_profiler() {
    state_->leave_parent();
}

void cpu_profiler::attach_to(loop& l) {
    l.add_observer(*this);
}

void cpu_profiler::detach_from(loop& l) noexcept {
    l.remove_observer(*this);
}

void cpu_profiler::sample_this_thread() noexcept {
    detail::enroll_this_thread();
}

// Sent when a run begins, on the thread that it runs on.
void cpu_profiler::on_slow_threshold(duration) noexcept {
    detail::enroll_this_thread();
}

void cpu_profiler::start() {
    const std::lock_guard lock(state_->mutex);
    state_->leave_parent();
    if (state_->now != nullptr) {
        throw already_sampled_error("cpu_profiler::start: it is started already; stop it first");
    }
    state_->now = std::make_unique<sampling>(options_);
}

report::profile cpu_profiler::stop() {
    const std::lock_guard lock(state_->mutex);
    state_->leave_parent();
    if (state_->now == nullptr) {
        report::profile_builder nothing("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
        auto empty = nothing.take();
        empty.note = "the profiler was not started in this process";
        return empty;
    }
    return std::exchange(state_->now, nullptr)->finish();
}

bool cpu_profiler::is_started() const noexcept {
    const std::lock_guard lock(state_->mutex);
    return state_->now != nullptr && state_->now->is_of_this_process();
}

report::profile cpu_profiler::collect(duration how_long, const std::stop_token& stop_early) {
    start();
    std::mutex mutex;
    std::condition_variable_any asked;
    std::unique_lock lock(mutex);
    static_cast<void>(asked.wait_for(lock, stop_early, how_long, [] { return false; }));
    return stop();
}

report::profile cpu_profiler::collect() {
    return collect(options_.collect_for);
}

}  // namespace coroscope::instrumentation
