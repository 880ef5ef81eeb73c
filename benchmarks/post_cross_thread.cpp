// SPDX-License-Identifier: Apache-2.0
// Another thread gives callbacks to a running loop as fast as it can.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "pinning.hpp"
#include "stopwatch.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <thread>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    auto* const target = &*loop;
    auto left = count;
    const stopwatch watch(stopwatch::kind::wall);
    std::thread poster([target, &left, count] {
        pin_loading_thread();
        for (std::size_t i = 0; i < count; ++i) {
            target->call_soon_threadsafe([target, &left] {
                if (--left == 0) { target->stop(); }
            });
        }
    });
    loop->run_forever();
    const auto result = watch.nanoseconds_per(count);
    poster.join();
    return result;
}

double peer(std::size_t count) {
    asio::io_context io;  // two threads use it: no concurrency hint
    const auto guard = asio::make_work_guard(io);
    auto left = count;
    const stopwatch watch(stopwatch::kind::wall);
    std::thread poster([&io, &left, count] {
        pin_loading_thread();
        for (std::size_t i = 0; i < count; ++i) {
            asio::post(io, [&io, &left] {
                if (--left == 0) { io.stop(); }
            });
        }
    });
    io.run();
    const auto result = watch.nanoseconds_per(count);
    poster.join();
    return result;
}

}  // namespace

const benchmark post_cross_thread{
    "post_cross_thread", "ns/post", "boost::asio::post", 500'000, ours, peer};

}  // namespace coroscope::benchmarks
