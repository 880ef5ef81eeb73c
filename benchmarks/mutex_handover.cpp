// SPDX-License-Identifier: Apache-2.0
// Two tasks that take a mutex from each other. Asio has none; its peer is a channel of capacity 1
// with one token in it.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

/// While the other one waits, `unlock` gives the mutex to it, and `lock` waits until it is back.
coro<> contend(mutex& m, std::size_t times) {
    co_await m.lock();
    co_await yield_now();  // until the other one waits
    for (std::size_t i = 0; i < times; ++i) {
        m.unlock();
        co_await m.lock();
    }
    m.unlock();
}

double ours(std::size_t count, watching how) {
    mutex m;
    measured_loop loop(how);
    const auto each = count / 2 + 1;
    loop->create_task(contend(m, each));
    auto last = loop->create_task(contend(m, each));
    const stopwatch watch(stopwatch::kind::thread_processor);
    loop->run_until_complete(last);
    return watch.nanoseconds_per(2 * each);
}

using token = asio::experimental::channel<void(boost::system::error_code)>;

asio::awaitable<void> asio_contend(token& t, std::size_t times) {
    co_await t.async_receive(asio::deferred);
    co_await asio::post(asio::deferred);
    for (std::size_t i = 0; i < times; ++i) {
        t.try_send(boost::system::error_code());
        co_await t.async_receive(asio::deferred);
    }
    t.try_send(boost::system::error_code());
}

double peer(std::size_t count) {
    asio::io_context io(1);
    token t(io, 1);
    t.try_send(boost::system::error_code());
    const auto each = count / 2 + 1;
    asio::co_spawn(io, asio_contend(t, each), asio::detached);
    asio::co_spawn(io, asio_contend(t, each), asio::detached);
    const stopwatch watch(stopwatch::kind::thread_processor);
    io.run();
    return watch.nanoseconds_per(2 * each);
}

}  // namespace

const benchmark mutex_handover{
    "mutex_handover", "ns/handover", "boost::asio::experimental::channel", 1'000'000, ours, peer};

}  // namespace coroscope::benchmarks
