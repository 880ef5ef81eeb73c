// SPDX-License-Identifier: Apache-2.0
// What annotated variables cost with a race detector: an access in the segment that made the last
// one, the same from several lines, their size, and an echo server that counts in some.
#include "benchmark.hpp"
#include "echo_load.hpp"
#include "stopwatch.hpp"

#include <coroscope/instrumentation/races/race_detector.hpp>
#include <coroscope/instrumentation/races/shared.hpp>

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace coroscope::benchmarks {
namespace {

using boost::asio::ip::tcp;
using instrumentation::race_detector;
using instrumentation::shared;

constexpr std::size_t accesses = 50'000'000;
constexpr std::size_t round_trips = 60'000;
constexpr std::size_t connections = 50;
using counter = shared<std::uint64_t>;

/// Three accesses a turn.
coro<> access_often(counter& n, counter& sum, std::size_t count) {
    for (std::size_t i = 0; i < count / 3; ++i) {
        n.set(i);
        sum.set(n.get());
    }
    co_return;
}

/// Four, each from another line than the one before.
coro<> access_from_lines(counter& n, counter& sum, std::size_t count) {
    for (std::size_t i = 0; i < count / 4; ++i) {
        n.set(i);
        n.set(i + 1);
        const auto first = n.get();
        sum.set(first);
    }
    co_return;
}

double cost_of(coro<> (*work)(counter&, counter&, std::size_t), std::size_t count) {
    race_detector races;
    loop l;
    races.attach_to(l);
    counter n(0, "n");
    counter sum(0, "sum");
    auto task = l.create_task(work(n, sum, count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l.run_until_complete(task);
    return watch.nanoseconds_per(count);
}

double one_line(std::size_t count) {
    return cost_of(access_often, count);
}
double several_lines(std::size_t count) {
    return cost_of(access_from_lines, count);
}
double bytes_of_one(std::size_t) {
    return sizeof(counter);
}

struct statistics {
    counter received{0, "received"};
    counter bytes{0, "bytes"};
};

coro<> session(tcp::socket socket, statistics& total) {
    std::array<char, 1024> data;
    try {
        for (;;) {
            const auto bytes = co_await socket.async_read_some(boost::asio::buffer(data), use_coro);
            total.received.update([](auto& n) { ++n; });
            total.bytes.set(total.bytes.get() + bytes);
            co_await boost::asio::async_write(socket, boost::asio::buffer(data, bytes), use_coro);
        }
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch)
        // The client has closed the connection.
    }
}

coro<> serve(tcp::acceptor& acceptor, statistics& total) {
    std::vector<task<>> sessions;
    for (std::size_t i = 0; i < connections; ++i) {
        auto socket = co_await acceptor.async_accept(use_coro);
        socket.set_option(tcp::no_delay(true));
        sessions.push_back(get_running_loop().create_task(session(std::move(socket), total)));
    }
    for (const auto& each : sessions) {
        co_await each;
    }
}

double round_trip(std::size_t count, bool with_detector) {
    race_detector races;
    loop l;
    if (with_detector) { races.attach_to(l); }
    statistics total;
    tcp::acceptor acceptor(l.io_context(),
                           tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
    auto server = l.create_task(serve(acceptor, total));
    echo_load load(acceptor.local_endpoint().port(), connections, count);
    l.run_until_complete(server);
    return load.nanoseconds_per_round_trip();
}

double echo_slowdown(std::size_t count) {
    const auto without = round_trip(count, false);
    return round_trip(count, true) / without;
}

template <int Tenths>
double mark(std::size_t) {
    return Tenths / 10.0;
}

}  // namespace

const comparison shared_access{"shared_access", "ns/access", "what it may take",     accesses,
                               one_line,        mark<30>,    comparison::kind::ratio};
const comparison shared_access_site{
    "shared_access_site", "ns/access", "what it may take",     accesses,
    several_lines,        mark<100>,   comparison::kind::ratio};
const comparison shared_bytes{"shared_bytes", "bytes",   "what it may take",     1,
                              bytes_of_one,   mark<480>, comparison::kind::ratio};
const comparison echo_annotated{
    "echo_annotated", "times as long", "what it may take",     round_trips,
    echo_slowdown,    mark<13>,        comparison::kind::ratio};

}  // namespace coroscope::benchmarks
