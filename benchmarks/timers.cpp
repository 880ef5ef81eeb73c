// SPDX-License-Identifier: Apache-2.0
// A million timers with callbacks: call_at beside steady_timer::async_wait.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

constexpr auto spread = std::chrono::milliseconds(100);

/// Deadlines in pseudo-random order. All lie in the future while the timers are being armed, so
/// that each goes into the queue; the measurement then waits, with the watch stopped, until all
/// have passed.
class deadlines {
public:
    explicit deadlines(std::size_t count)
        : begin_(now() + std::chrono::milliseconds(20)
                 + std::chrono::nanoseconds(600) * static_cast<std::int64_t>(count)),
          offsets_(count) {
        std::mt19937_64 random(42);
        std::uniform_int_distribution<std::int64_t> in_spread(0, duration(spread).count());
        for (auto& offset : offsets_) {
            offset = duration(in_spread(random));
        }
    }
    [[nodiscard]] std::size_t size() const noexcept { return offsets_.size(); }
    [[nodiscard]] time_point operator[](std::size_t i) const noexcept {
        return begin_ + offsets_[i];
    }
    void wait_until_all_have_passed() const {
        std::this_thread::sleep_until(begin_ + spread + std::chrono::milliseconds(1));
    }

private:
    [[nodiscard]] static time_point now() noexcept {
        return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
    }
    time_point begin_;
    std::vector<duration> offsets_;
};

double fire_ours(std::size_t count, watching how) {
    measured_loop loop(how);
    const deadlines at(count);
    auto left = count;
    auto* const target = &*loop;
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < count; ++i) {
        loop->call_at(at[i], [&left, target] {
            if (--left == 0) { target->stop(); }
        });
    }
    at.wait_until_all_have_passed();
    loop->run_forever();
    return watch.nanoseconds_per(count);
}

double fire_peer(std::size_t count) {
    asio::io_context io(1);
    const deadlines at(count);
    auto left = count;
    std::vector<asio::steady_timer> timers;
    timers.reserve(count);
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < count; ++i) {
        timers.emplace_back(io, at[i]);
        timers.back().async_wait([&left](const boost::system::error_code&) { --left; });
    }
    at.wait_until_all_have_passed();
    io.run();
    return watch.nanoseconds_per(count);
}

double cancel_ours(std::size_t count, watching how) {
    measured_loop loop(how);
    const deadlines at(count);
    std::vector<timer_handle> timers;
    timers.reserve(count);
    std::size_t fired = 0;
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < count; ++i) {
        timers.push_back(loop->call_at(at[i], [&fired] { ++fired; }));
    }
    for (auto& timer : timers) {
        timer.cancel();
    }
    loop->call_soon([target = &*loop] { target->stop(); });
    loop->run_forever();
    return watch.nanoseconds_per(count);
}

double cancel_peer(std::size_t count) {
    asio::io_context io(1);
    const deadlines at(count);
    std::vector<asio::steady_timer> timers;
    timers.reserve(count);
    std::size_t fired = 0;
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < count; ++i) {
        timers.emplace_back(io, at[i]);
        timers.back().async_wait([&fired](const boost::system::error_code& e) {
            if (!e) { ++fired; }
        });
    }
    for (auto& timer : timers) {
        timer.cancel();
    }
    io.run();  // the handlers, with operation_aborted
    return watch.nanoseconds_per(count);
}

}  // namespace

const benchmark timers_1m{"timers_1m", "ns/timer", "boost::asio::steady_timer",
                          1'000'000,   fire_ours,  fire_peer};
const benchmark timer_cancel_1m{"timer_cancel_1m", "ns/timer",  "boost::asio::steady_timer",
                                1'000'000,         cancel_ours, cancel_peer};

}  // namespace coroscope::benchmarks
