// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_profiler.hpp>

#include "allocation_attribution.hpp"
#include "allocation_table.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>
#include <coroscope/instrumentation/detail/measured_memory.hpp>

#include <array>
#include <mutex>
#include <stdexcept>

#include <execinfo.h>
#include <pthread.h>

namespace coroscope::instrumentation {
namespace {

constinit std::mutex starting;
constinit bool one_is_started = false;

// A copy of the process is made while nobody is half through with anything, so that it may go on
// counting, and what it copied is whole.

void before_fork() {
    starting.lock();
    detail::process_allocations.hold();
}

void after_fork() {
    detail::process_allocations.let_go();
    starting.unlock();
}

/// Before others do: of handlers those for the time before a fork are called last to first, and
/// those for the time after it first to last, so that the others' run while nobody is kept out,
/// and may allocate.
[[gnu::constructor(101)]] void expect_forks() {
    ::pthread_atfork(&before_fork, &after_fork, &after_fork);
}

void prepare_process() {
    static const bool is_prepared = [] {
        std::array<void*, 1> address{};  // the first unwinding loads a library
        return ::backtrace(address.data(), 1) >= 0;
    }();
    static_cast<void>(is_prepared);
}

}  // namespace

void detail::count_allocations() {
    {
        const std::lock_guard lock(starting);
        if (one_is_started) { return; }
    }
    static memory_profiler for_calls;
    if (!for_calls.is_started()) { for_calls.start(); }
}

memory_profiler::memory_profiler(const memory_profiler_options& options) : options_(options) {}

memory_profiler::~memory_profiler() {
    stop();
}

void memory_profiler::start() {
    if (hooked().empty()) {
        throw std::logic_error(
            "memory_profiler: nothing tells it of allocations; link coroscope::memory_hooks and "
            "call hook_memory() before start()");
    }
    const std::lock_guard lock(starting);
    if (one_is_started) {
        throw std::logic_error(
            "memory_profiler: one is started already in this process; stop it "
            "before the next one starts");
    }
    prepare_process();
    detail::set_wanted_calls(options_.calls);
    detail::process_allocations.start(options_.sample_period);
    one_is_started = true;
    is_started_ = true;
}

void memory_profiler::stop() noexcept {
    const std::lock_guard lock(starting);
    if (!is_started_.exchange(false)) { return; }
    detail::process_allocations.stop();
    one_is_started = false;
}

memory_snapshot memory_profiler::snapshot() const {
    const detail::unwatched_memory mine;
    memory_snapshot made;
    detail::process_allocations.read(made);
    made.note = hooked();
    return made;
}

std::string_view memory_profiler::hooked() noexcept {
    const auto* const name = detail::memory_hooks_name.load(std::memory_order_acquire);
    return name != nullptr ? name : "";
}

frame_memory memory_profiler::frames() const noexcept {
    return {frame_bytes_.load(std::memory_order_relaxed),
            frame_peak_.load(std::memory_order_relaxed),
            frames_made_.load(std::memory_order_relaxed)};
}

void memory_profiler::on_frame(std::ptrdiff_t bytes) noexcept {
    const auto live = frame_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (bytes > 0) { frames_made_.fetch_add(1, std::memory_order_relaxed); }
    auto peak = frame_peak_.load(std::memory_order_relaxed);
    while (live > peak
           && !frame_peak_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {}
}

}  // namespace coroscope::instrumentation
