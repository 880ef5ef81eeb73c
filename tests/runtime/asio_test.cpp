// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/asio.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <boost/asio.hpp>

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using boost::system::error_code;
using boost::system::system_error;
using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::use_coro;
using namespace std::chrono_literals;

namespace {

struct connected_pair {
    explicit connected_pair(coroscope::loop& l) : a(l.io_context()), b(l.io_context()) {
        asio::local::connect_pair(a, b);
    }
    stream_protocol::socket a;
    stream_protocol::socket b;
};

coro<std::string> read_up_to(stream_protocol::socket& from, std::size_t most) {
    std::string text(most, '\0');
    const auto n = co_await from.async_read_some(asio::buffer(text), use_coro);
    text.resize(n);
    co_return text;
}

/// Starts `work`, lets it reach its wait, and cancels it.
template <class T>
coroscope::task<T> start_and_cancel(virtual_loop& v, coro<T> work) {
    auto t = v.loop.create_task(std::move(work));
    v.loop.stop();
    v.loop.run_forever();
    CHECK(v.loop.core().io_operations == 1);
    t.cancel("no patience");
    return t;
}

/// An operation that hands its completion handler out, to be completed by the test.
struct manual_operation {
    using handler_type = std::function<void(error_code, int)>;
    handler_type* out;
    bool throws = false;
    template <class Handler>
    void operator()(Handler&& handler) const {
        if (throws) { throw std::runtime_error("cannot start"); }
        *out = handler_type(std::forward<Handler>(handler));
    }
};

auto start_manual(manual_operation operation) {
    return asio::async_initiate<const coroscope::use_coro_t, void(error_code, int)>(operation,
                                                                                    use_coro);
}

}  // namespace

TEST_CASE("an Asio timer can be awaited") {
    coroscope::loop l;
    auto body = [](coroscope::loop& in) -> coro<std::chrono::nanoseconds> {
        asio::steady_timer timer(in.io_context(), 2ms);
        const auto before = std::chrono::steady_clock::now();
        co_await timer.async_wait(use_coro);
        co_return std::chrono::steady_clock::now() - before;
    };
    CHECK(l.run_until_complete(body(l)) >= 1900us);
}

TEST_CASE("a read that waits gets what is written later") {
    virtual_loop v;
    connected_pair pair(v.loop);
    auto writer = [](stream_protocol::socket& to) -> coro<std::size_t> {
        co_await coroscope::yield_now();
        const auto n = co_await asio::async_write(to, asio::buffer("hello", 5), use_coro);
        co_return n;
    };
    auto reading = v.loop.create_task(read_up_to(pair.a, 100));
    auto writing = v.loop.create_task(writer(pair.b));
    CHECK(v.loop.run_until_complete(reading) == "hello");
    CHECK(v.loop.run_until_complete(writing) == 5);
    CHECK(v.loop.core().io_operations == 0);
}

TEST_CASE("a TCP echo over loopback works both ways") {
    virtual_loop v;
    auto serve = [](tcp::acceptor& from) -> coro<> {
        auto peer = co_await from.async_accept(use_coro);
        std::array<char, 64> buffer{};
        for (;;) {
            auto to_buffer = asio::buffer(buffer);
            const auto [ec, n] = co_await peer.async_read_some(to_buffer, asio::as_tuple(use_coro));
            if (ec) { break; }
            co_await asio::async_write(peer, asio::buffer(buffer.data(), n), use_coro);
        }
    };
    auto ask = [](coroscope::loop& l, tcp::endpoint where) -> coro<std::string> {
        tcp::socket socket(l.io_context());
        co_await socket.async_connect(where, use_coro);
        std::string all;
        for (int i = 0; i < 10; ++i) {
            const std::string sent = "line " + std::to_string(i);
            std::string got(sent.size(), '\0');
            co_await asio::async_write(socket, asio::buffer(sent), use_coro);
            co_await asio::async_read(socket, asio::buffer(got), use_coro);
            all += got;
        }
        co_return all;
    };
    tcp::acceptor acceptor(v.loop.io_context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    auto server = v.loop.create_task(serve(acceptor));
    const auto all = v.loop.run_until_complete(ask(v.loop, acceptor.local_endpoint()));
    CHECK(all.find("line 0line 1") == 0);
    CHECK(all.size() == 60);
    v.loop.run_until_complete(server);
}

TEST_CASE("an error code is thrown as system_error, and returned with as_tuple") {
    virtual_loop v;
    connected_pair pair(v.loop);
    pair.b.close();
    CHECK_THROWS_AS(v.loop.run_until_complete(read_up_to(pair.a, 10)), system_error);
    connected_pair fresh(v.loop);  // Asio does not promise to say "end of file" twice
    fresh.b.close();
    auto body = [](stream_protocol::socket& from) -> coro<bool> {
        std::array<char, 4> buffer{};
        auto to_buffer = asio::buffer(buffer);
        auto [ec, n] = co_await from.async_read_some(to_buffer, asio::as_tuple(use_coro));
        co_return ec == asio::error::eof&& n == 0;
    };
    CHECK(v.loop.run_until_complete(body(fresh.a)));
}

TEST_CASE("an operation does nothing until it is awaited") {
    virtual_loop v;
    connected_pair pair(v.loop);
    std::array<char, 4> buffer{};
    {
        auto operation = pair.a.async_read_some(asio::buffer(buffer), use_coro);
        CHECK(v.loop.core().io_operations == 0);
    }
    asio::write(pair.b, asio::buffer("x", 1));
    CHECK(v.loop.run_until_complete(read_up_to(pair.a, 4)) == "x");
}

TEST_CASE("cancelling the task ends the operation and throws cancelled_error") {
    virtual_loop v;
    connected_pair pair(v.loop);
    auto t = start_and_cancel(v, read_up_to(pair.a, 10));
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "no patience");
    CHECK(t.cancelled());
    CHECK(v.loop.core().io_operations == 0);
    asio::write(pair.b, asio::buffer("later", 5));
    CHECK(v.loop.run_until_complete(read_up_to(pair.a, 10)) == "later");
}

TEST_CASE("cancelling an operation with as_tuple throws cancelled_error, too") {
    virtual_loop v;
    connected_pair pair(v.loop);
    auto body = [](stream_protocol::socket& from) -> coro<int> {
        std::array<char, 4> buffer{};
        auto to_buffer = asio::buffer(buffer);
        auto [ec, n] = co_await from.async_read_some(to_buffer, asio::as_tuple(use_coro));
        co_return ec ? -1 : static_cast<int>(n);
    };
    auto t = start_and_cancel(v, body(pair.a));
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
}

TEST_CASE("operation_aborted that nobody's cancellation caused is an ordinary error") {
    virtual_loop v;
    connected_pair pair(v.loop);
    auto t = v.loop.create_task(read_up_to(pair.a, 10));
    v.loop.stop();
    v.loop.run_forever();
    pair.a.cancel();
    CHECK_THROWS_AS(v.loop.run_until_complete(t), system_error);
    CHECK_FALSE(t.cancelled());
}

TEST_CASE("a task that is being cancelled starts no operation") {
    virtual_loop v;
    manual_operation::handler_type handler;
    auto body = [](manual_operation::handler_type& out) -> coro<> {
        coroscope::current_task().cancel();
        co_await start_manual(manual_operation{&out});
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(body(handler)), cancelled_error);
    CHECK_FALSE(static_cast<bool>(handler));
    CHECK(v.loop.core().io_operations == 0);
}

TEST_CASE(
    "an operation that completes despite cancellation gives its result; the next await throws") {
    virtual_loop v;
    manual_operation::handler_type handler;
    auto body = [](manual_operation::handler_type& out, int& got) -> coro<> {
        got = co_await start_manual(manual_operation{&out});
        co_await coroscope::yield_now();
        got = -1;
    };
    int got = 0;
    auto t = start_and_cancel(v, body(handler, got));
    handler(error_code(), 17);
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(got == 17);
}

TEST_CASE("an operation whose start throws is an error at the await, and is not counted") {
    virtual_loop v;
    manual_operation::handler_type handler;
    auto body = [](manual_operation::handler_type& out) -> coro<std::string> {
        std::string what;
        auto failing = start_manual(manual_operation{&out, true});
        try {
            co_await std::move(failing);
        } catch (const std::runtime_error& e) { what = e.what(); }
        co_await coroscope::sleep_for(1s);
        co_return what;
    };
    CHECK(v.loop.run_until_complete(body(handler)) == "cannot start");
    CHECK(v.loop.core().io_operations == 0);
}

TEST_CASE("a frame may be destroyed while its operation is pending") {
    auto token = std::make_shared<int>();
    manual_operation::handler_type handler;
    {
        virtual_loop v;
        auto body = [](manual_operation::handler_type& out, std::shared_ptr<int>) -> coro<> {
            co_await start_manual(manual_operation{&out});
        };
        connected_pair pair(v.loop);
        v.loop.create_task(body(handler, token));
        v.loop.create_task(read_up_to(pair.a, 5));
        v.loop.stop();
        v.loop.run_forever();
        CHECK(v.loop.core().io_operations == 2);
        v.loop.close();
        CHECK(v.loop.core().io_operations == 0);
        CHECK(token.use_count() == 1);
    }
    handler(error_code(), 1);  // after the loop's end: nobody is woken
}

TEST_CASE("a handler that is dropped uncalled does not keep the operation's state") {
    virtual_loop v;
    manual_operation::handler_type handler;
    auto body = [](manual_operation::handler_type& out) -> coro<> {
        co_await start_manual(manual_operation{&out});
    };
    auto t = v.loop.create_task(body(handler));
    v.loop.stop();
    v.loop.run_forever();
    handler = {};
    v.loop.close();
    CHECK(t.cancelled());
}

TEST_CASE("an operation that completes inside its start resumes by the loop, not inline") {
    virtual_loop v;
    auto body = [](int& order) -> coro<int> {
        auto immediate = [](auto handler) {
            std::move(handler)(error_code(), 5);
        };
        auto operation = asio::async_initiate<const coroscope::use_coro_t, void(error_code, int)>(
            immediate, use_coro);
        coroscope::get_running_loop().call_soon([&order] { order *= 10; });
        const int n = co_await std::move(operation);
        order += 1;
        co_return n;
    };
    int order = 1;
    CHECK(v.loop.run_until_complete(body(order)) == 5);
    CHECK(order == 11);
}

TEST_CASE("an operation of another executor completes from its thread", "[threads]") {
    virtual_loop v;
    v.clock.waits_for_others = true;
    asio::thread_pool pool(2);
    auto body = [](asio::thread_pool& in) -> coro<bool> {
        const auto home = std::this_thread::get_id();
        bool always_home = true;
        for (int i = 0; i < 200; ++i) {
            co_await asio::post(in, use_coro);
            always_home = always_home && std::this_thread::get_id() == home;
        }
        co_return always_home;
    };
    auto a = v.loop.create_task(body(pool));
    auto b = v.loop.create_task(body(pool));
    CHECK(v.loop.run_until_complete(a));
    CHECK(v.loop.run_until_complete(b));
    pool.join();
}

TEST_CASE("closing a loop races with completions of another executor", "[threads]") {
    for (int round = 0; round < 20; ++round) {
        asio::thread_pool pool(2);
        {
            virtual_loop v;
            auto body = [](asio::thread_pool& in) -> coro<> {
                co_await asio::post(in, use_coro);
            };
            for (int i = 0; i < 50; ++i) {
                v.loop.create_task(body(pool));
            }
            v.loop.stop();
            v.loop.run_forever();
        }
        pool.join();
    }
    SUCCEED("nothing crashed");
}

TEST_CASE("wait_for ends an operation that takes too long") {
    coroscope::loop l;
    auto body = [](coroscope::loop& in) -> coro<bool> {
        connected_pair pair(in);
        bool late = false;
        try {
            co_await coroscope::wait_for(read_up_to(pair.a, 5), 1ms);
        } catch (const coroscope::timeout_error&) { late = true; }
        asio::write(pair.b, asio::buffer("after", 5));
        const auto text = co_await read_up_to(pair.a, 5);
        co_return late&& text == "after";
    };
    CHECK(l.run_until_complete(body(l)));
}

TEST_CASE("use_coro can be an I/O object's default token") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<int> {
        auto timer = coroscope::use_coro_t::as_default_on_t<asio::steady_timer>(l.io_context());
        timer.expires_after(0ms);
        co_await timer.async_wait();
        co_return 1;
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 1);
}

TEST_CASE("handlers that one poll leaves are run by the next pass, not after a while") {
    constexpr int all = 100;
    coroscope::loop loop;
    int passes = 0;
    loop.run_until_complete([](int& between) -> coro<> {
        int handled = 0;
        for (int i = 0; i < all; ++i) {
            asio::post(coroscope::get_running_loop().io_context(), [&handled] { ++handled; });
        }
        while (handled < all) {
            co_await coroscope::yield_now();
            if (handled > 0) { ++between; }
        }
    }(passes));
    CHECK(passes > 1);  // tasks had their turn in between
    CHECK(passes < 20);
}

TEST_CASE("virtual time does not pass over handlers that are due") {
    constexpr int all = 100;
    virtual_loop v;
    int on_time = 0;
    for (int i = 0; i < all; ++i) {
        asio::post(v.loop.io_context(), [&] { on_time += v.clock.elapsed() == 0s ? 1 : 0; });
    }
    v.loop.run_until_complete([]() -> coro<> {
        co_await coroscope::sleep_for(1h);
    }());
    CHECK(on_time == all);
}
