// SPDX-License-Identifier: Apache-2.0
// Tasks that sleep: what each holds of resident memory, everything included: frame, task record,
// timer, the queues' share, the allocator's overhead. Each population lives in a process of its
// own, since a process keeps memory that was freed.
#include "benchmark.hpp"
#include "child_program.hpp"
#include "measured_loop.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>

#include <unistd.h>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

[[nodiscard]] double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double total = 0;
    double resident = 0;
    if (!(file >> total >> resident)) { throw std::runtime_error("cannot read /proc/self/statm"); }
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

coro<> sleeping() {
    co_await sleep_for(std::chrono::hours(1));
}

asio::awaitable<void> asio_sleeping() {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
    co_await timer.async_wait(asio::deferred);
}

[[nodiscard]] double measure_in_child(const std::string& what, std::size_t count) {
    return number_printed_by("exec '" + own_file() + "' --memory-of " + what + ' '
                             + std::to_string(count));
}

double ours(std::size_t count, watching how) {
    return measure_in_child(how == watching::observed ? "observed" : "bare", count);
}

double peer(std::size_t count) {
    return measure_in_child("asio", count);
}

}  // namespace

double memory_of_our_tasks(std::size_t count, watching how) {
    measured_loop loop(how);
    const auto before = resident_bytes();
    for (std::size_t i = 0; i < count; ++i) {
        loop->create_task(sleeping());
    }
    loop->call_soon([target = &*loop] { target->stop(); });
    loop->run_forever();
    const auto bytes = (resident_bytes() - before) / static_cast<double>(count);
    loop->set_exception_handler(
        [](auto&, const auto&) {});  // told of each task that close destroys
    return bytes;
}

double memory_of_asio_tasks(std::size_t count) {
    asio::io_context io(1);
    const auto before = resident_bytes();
    for (std::size_t i = 0; i < count; ++i) {
        asio::co_spawn(io, asio_sleeping(), asio::detached);
    }
    io.poll();
    return (resident_bytes() - before) / static_cast<double>(count);
}

const benchmark bytes_per_task{"bytes_per_task", "bytes/task", "boost::asio::awaitable",
                               100'000,          ours,         peer};

}  // namespace coroscope::benchmarks
