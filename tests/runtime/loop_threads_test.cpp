// SPDX-License-Identifier: Apache-2.0
// What other threads may do with a loop, and what debug mode says of the rest.
#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using coroscope::coro;
using namespace std::chrono_literals;

namespace {

coro<> forever() {
    co_await coroscope::sleep_for(coroscope::duration::max());
}

/// A loop that runs in a thread of its own until it is stopped.
class running_loop {
public:
    explicit running_loop(coroscope::loop_options options = {}) : loop(options) {
        loop.call_soon([this] { started_.set_value(); });
        thread_ = std::thread([this] { loop.run_forever(); });
        started_.get_future().wait();
    }
    running_loop(const running_loop&) = delete;
    running_loop& operator=(const running_loop&) = delete;
    ~running_loop() {
        loop.stop_threadsafe();
        thread_.join();
    }
    /// Runs `f` on the loop's thread and waits for it.
    void do_there(const std::function<void()>& f) {
        std::promise<void> done;
        loop.call_soon_threadsafe([&] {
            f();
            done.set_value();
        });
        done.get_future().wait();
    }
    coroscope::loop loop;

private:
    std::promise<void> started_;
    std::thread thread_;
};

}  // namespace

TEST_CASE("call_soon_threadsafe from many threads runs everything, each thread's in order",
          "[threads]") {
    constexpr int threads = 4;
    constexpr int each = 2000;
    coroscope::loop l;
    std::vector<std::vector<int>> seen(threads);
    int total = 0;
    std::latch ready(threads);
    std::vector<std::thread> senders;
    for (std::size_t who = 0; who < threads; ++who) {
        senders.emplace_back([&, who] {
            ready.arrive_and_wait();
            for (int i = 0; i < each; ++i) {
                l.call_soon_threadsafe([&, who, i] {
                    seen[who].push_back(i);
                    if (++total == threads * each) { l.stop(); }
                });
            }
        });
    }
    l.run_forever();
    for (auto& t : senders) {
        t.join();
    }
    for (const auto& of_one : seen) {
        CHECK(of_one.size() == each);
        CHECK(std::is_sorted(of_one.begin(), of_one.end()));
    }
}

TEST_CASE("a loop that sleeps is woken by another thread, again and again", "[threads]") {
    running_loop r;
    r.do_there([&] { r.loop.call_later(10min, [] {}); });
    for (int i = 0; i < 200; ++i) {
        r.do_there([] {});
    }
    CHECK(r.loop.statistics().callbacks >= 200);
}

TEST_CASE("stop_threadsafe ends a sleeping loop, and an idle loop's next run", "[threads]") {
    {
        running_loop r;  // its destructor stops it
        CHECK(r.loop.is_running());
    }
    coroscope::loop l;
    l.stop_threadsafe();
    l.run_forever();
    CHECK(l.state() == coroscope::loop_state::idle);
}

TEST_CASE("a future is set through call_soon_threadsafe and its awaiter goes on", "[threads]") {
    coroscope::loop l;
    auto f = l.create_future<int>();
    auto body = [](coroscope::future<int> from) -> coro<int> {
        const int n = co_await from;
        co_return n;
    };
    std::thread setter([&] { l.call_soon_threadsafe([&] { f.set_result(6); }); });
    CHECK(l.run_until_complete(body(f)) == 6);
    setter.join();
}

TEST_CASE("closing a loop races with call_soon_threadsafe: each call is run, dropped or refused",
          "[threads]") {
    for (int round = 0; round < 30; ++round) {
        auto token = std::make_shared<int>();
        auto l = std::make_unique<coroscope::loop>();
        std::latch begun(2);
        std::thread sender([&] {
            begun.arrive_and_wait();
            try {
                for (int i = 0; i < 1000; ++i) {
                    l->call_soon_threadsafe([token] {});
                }
            } catch (const coroscope::invalid_state_error&) {}  // NOLINT(bugprone-empty-catch)
        });
        begun.arrive_and_wait();
        l->stop();
        l->run_forever();
        l->close();
        sender.join();
        CHECK(token.use_count() == 1);
    }
}

TEST_CASE("in debug mode calls from the wrong thread are clear errors", "[threads]") {
    coroscope::loop_options options;
    options.debug = true;
    running_loop r(options);
    coroscope::task<> t;
    coroscope::future<int> f;
    r.do_there([&] {
        t = r.loop.create_task(forever());
        f = r.loop.create_future<int>();
    });
    const std::vector<std::function<void()>> wrong{
        [&] { r.loop.call_soon([] {}); },
        [&] { r.loop.call_later(1s, [] {}); },
        [&] { r.loop.call_at(r.loop.time(), [] {}); },
        [&] { r.loop.create_task(forever()); },
        [&] { static_cast<void>(r.loop.create_future<int>()); },
        [&] { r.loop.run_in_executor([] {}); },
        [&] { r.loop.stop(); },
        [&] { f.set_result(1); },
        [&] { f.set_exception(std::runtime_error("x")); },
        [&] { f.cancel(); },
        [&] { t.cancel(); },
    };
    for (std::size_t i = 0; i < wrong.size(); ++i) {
        INFO("call " << i);
        CHECK_THROWS_WITH(wrong[i](), Catch::Contains("was called from thread")
                                          && Catch::Contains("call_soon_threadsafe"));
    }
    CHECK_THROWS_AS(r.loop.run_forever(), coroscope::invalid_state_error);
    CHECK_THROWS_AS(r.loop.close(), coroscope::invalid_state_error);
    r.do_there([&] {
        CHECK_FALSE(t.done());
        CHECK_FALSE(f.done());
        t.cancel();
    });
    r.do_there([&] {
        t = {};
        f = {};
    });
}

TEST_CASE("in debug mode an idle loop may be used from any one thread", "[threads]") {
    coroscope::loop_options options;
    options.debug = true;
    virtual_loop v(options);
    bool ran = false;
    std::thread([&] { v.loop.call_soon([&] { ran = true; }); }).join();
    std::thread([&] { v.loop.run_forever(); }).join();
    CHECK(ran);
}

TEST_CASE("statistics, state and id are read from other threads while a loop runs", "[threads]") {
    running_loop r;
    std::atomic<bool> enough = false;
    std::thread reader([&] {
        std::uint64_t last = 0;
        while (!enough) {
            const auto s = r.loop.statistics();
            CHECK(s.callbacks >= last);
            last = s.callbacks;
            CHECK(r.loop.id() != 0);
            CHECK(r.loop.is_running());
            CHECK_FALSE(r.loop.is_closed());
        }
    });
    for (int i = 0; i < 300; ++i) {
        r.do_there([] {});
    }
    enough = true;
    reader.join();
}

TEST_CASE("a sleeping loop is woken by I/O and by its next timer", "[threads]") {
    coroscope::loop l;
    boost::asio::local::stream_protocol::socket a(l.io_context());
    boost::asio::local::stream_protocol::socket b(l.io_context());
    boost::asio::local::connect_pair(a, b);
    auto body = [](boost::asio::local::stream_protocol::socket& from) -> coro<char> {
        char letter = 0;
        auto to_letter = boost::asio::buffer(&letter, 1);
        co_await from.async_read_some(to_letter, coroscope::use_coro);
        co_await coroscope::sleep_for(1ms);
        co_return letter;
    };
    auto t = l.create_task(body(a));
    std::thread writer([&] {
        const char letter = 'w';
        static_cast<void>(::write(b.native_handle(), &letter, 1));
    });
    CHECK(l.run_until_complete(t) == 'w');
    writer.join();
    CHECK(l.statistics().idle > 0ns);
}
