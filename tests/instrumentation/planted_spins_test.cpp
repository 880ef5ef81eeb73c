// SPDX-License-Identifier: Apache-2.0
// Ports of programs with a planted fault: those that spin. Each triggers the finding that names its
// fault and no other; its corrected twin triggers none.

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/wait.hpp>

#include "instrumentation/linted_loop.hpp"
#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// So that a broken rule fails its test instead of hanging it.
constexpr int too_many = 1'000'000;

// --- Ten workers and a queue: the original polls it.

struct factory {
    queue<int> work;
    event shutdown;
    std::vector<int> done;
};

coro<> produce(factory& f) {
    for (int item = 0; item < 500; ++item) {
        f.work.put_nowait(item);
        co_await sleep_for(0s);
    }
    f.shutdown.set();
}

coro<> poll_and_work(factory& f) {
    while (!f.shutdown.is_set() || !f.work.empty()) {
        bool got = false;
        int item = 0;
        try {
            item = f.work.get_nowait();
            got = true;
        } catch (const queue_empty&) {}
        if (got) {
            co_await sleep_for(1s);
            f.done.push_back(item);
        } else {
            co_await sleep_for(0s);
        }
    }
}

coro<> produce_and_shut_down(factory& f) {
    co_await produce(f);
    f.work.shutdown();
}

coro<> get_and_work(factory& f) {
    try {
        for (;;) {
            const int item = co_await f.work.get();
            co_await sleep_for(1s);
            f.done.push_back(item);
        }
    } catch (const queue_shutdown&) {}
}

coro<> run_factory(factory& f, coro<> (*producer)(factory&), coro<> (*worker)(factory&)) {
    std::vector<coro<>> all;
    all.push_back(producer(f));
    for (int i = 0; i < 10; ++i) {
        all.push_back(worker(f));
    }
    gather everybody(std::move(all));
    co_await everybody;
}

// --- Remote calls: the client tries until the method is registered.

struct registry {
    bool is_registered = false;
    event registered;
    void add() {
        is_registered = true;
        registered.set();
    }
    [[nodiscard]] double call(double f) const {
        if (!is_registered) { throw std::out_of_range("no such method"); }
        return f;
    }
};

coro<double> call_until_registered(registry& r) {
    for (int i = 0; i < too_many; ++i) {
        try {
            co_return r.call(3.4);
        } catch (const std::out_of_range&) {}
        co_await sleep_for(0s);
    }
    co_return 0;
}

coro<> register_after(registry& r, duration delay) {
    co_await sleep_for(delay);
    r.add();
}

coro<double> call_when_registered(registry& r) {
    co_await wait_for(r.registered.wait(), 10s);
    co_return r.call(3.4);
}

// --- The stock watcher: until the first notification, the quotes never yield.

struct market_exception : std::runtime_error {
    using runtime_error::runtime_error;
};

struct market {
    std::array<int, 3> prices{100, 10, 1000};
    mutex lock;
    std::array<condition, 3> below{condition(lock), condition(lock), condition(lock)};
};

coro<> alert(market& m, std::size_t stock) {
    const auto lock = co_await m.below[stock].scoped();
    const auto is_low = [&m, stock] {
        return m.prices[stock] < -50;
    };
    co_await m.below[stock].wait_for(is_low);
    throw market_exception("stock " + std::to_string(stock));
}

coro<> quote(market& m, bool yields) {
    std::size_t next = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto stock = next++ % m.prices.size();
        const int drop = 1 + i * 7 % 10;
        bool is_low = false;
        {
            const auto lock = co_await m.lock.scoped();
            m.prices[stock] -= drop;
            is_low = m.prices[stock] < -50;
            if (is_low) { m.below[stock].notify_all(); }
        }
        if (is_low || yields) { co_await sleep_for(100ms); }
    }
}

coro<bool> watch_market(market& m, bool yields) {
    const auto before = m.prices;
    bool was_alerted = false;
    gather everybody(alert(m, 0), alert(m, 1), alert(m, 2), quote(m, yields));
    try {
        co_await everybody;
    } catch (const market_exception&) {
        m.prices = before;
        was_alerted = true;
    }
    co_return was_alerted;
}

/// As `run` does at the end.
void cancel_rest(linted_loop& w) {
    for (auto& left : all_tasks(w.loop)) {
        left.cancel();
    }
    w.loop.run_forever();
}

// --- The profiling server: it reads until a request is complete, also at the stream's end.

coro<> read_request(stream& from, bool minds_end, const std::function<bool()>& gives_up) {
    std::string request;
    while (request.find('}') == std::string::npos && !gives_up()) {
        const auto part = co_await from.read(1024);
        if (part.empty() && minds_end) { break; }
        request += part;
    }
}

coro<> serve_half_a_request(bool minds_end, const std::function<bool()>& gives_up) {
    auto ends = co_await stream_pair::connect();
    ends.client.write("{\"command\": \"time");
    ends.client.write_eof();
    co_await read_request(ends.peer, minds_end, gives_up);
}

// --- The connection pool: a waiter posts itself anew in each tick.

struct connection_pool {
    explicit connection_pool(loop& l) : in(l) {}

    future<int> get() {
        auto given = in.create_future<int>();
        try_to_give(given);
        return given;
    }
    void try_to_give(future<int> to) {
        if (++tries < too_many && used == 3) {
            in.call_soon([this, to] { try_to_give(to); });
        } else {
            to.set_result(++used);
        }
    }
    future<int> get_in_turn() {
        auto given = in.create_future<int>();
        if (used < 3) {
            given.set_result(++used);
        } else {
            waiting.push_back(given);
        }
        return given;
    }
    void release() {
        --used;
        if (!waiting.empty()) {
            auto first = waiting.front();
            waiting.erase(waiting.begin());
            first.set_result(++used);
        }
    }

    loop& in;
    int used = 0;
    int tries = 0;
    std::vector<future<int>> waiting;
};

coro<> echo(connection_pool& pool, future<int> (connection_pool::*get)(), event& answered,
            int& echoed) {
    auto given = (pool.*get)();
    const int connection = co_await given;
    CHECK(connection <= 3);
    co_await answered.wait();
    ++echoed;
    pool.release();
}

coro<> echo_five(connection_pool& pool, future<int> (connection_pool::*get)(), event& answered,
                 int& echoed) {
    std::vector<coro<>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(echo(pool, get, answered, echoed));
    }
    gather everybody(std::move(all));
    co_await everybody;
}

}  // namespace

TEST_CASE("planted: workers that poll a queue") {
    linted_loop w;
    factory f;
    w.loop.run_until_complete(run_factory(f, produce, poll_and_work));
    CHECK(f.done.size() == 500);
    CHECK(w.v.clock.elapsed() == 50s);
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    const auto found = w.lints.findings()[0];
    CHECK(found.where.function.ends_with("poll_and_work"));
    CHECK(found.message.find("queue::get_nowait failed on queue") != std::string::npos);
    CHECK(found.message.ends_with("Await get() instead."));
}

TEST_CASE("planted, corrected: workers that wait for a queue") {
    linted_loop w;
    factory f;
    w.loop.run_until_complete(run_factory(f, produce_and_shut_down, get_and_work));
    CHECK(f.done.size() == 500);
    CHECK(w.v.clock.elapsed() == 50s);
    CHECK(w.rules().empty());
}

TEST_CASE("planted: a client that tries until the method is registered") {
    registry r;
    lint_options options;
    options.handler = [&r](const report::finding&) {
        r.add();  // no time passes meanwhile
    };
    linted_loop w(options);
    CHECK(w.loop.run_until_complete(call_until_registered(r)) == 3.4);
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    CHECK(w.lints.findings()[0].where.function.ends_with("call_until_registered"));
}

TEST_CASE("planted, corrected: a client that waits until the method is registered") {
    linted_loop w;
    registry r;
    static_cast<void>(w.loop.create_task(register_after(r, 3s)));
    CHECK(w.loop.run_until_complete(call_when_registered(r)) == 3.4);
    CHECK(w.v.clock.elapsed() == 3s);
    CHECK(w.rules().empty());
}

TEST_CASE("planted: quotes that never yield until the first notification") {
    linted_loop w;
    market m;
    CHECK(w.loop.run_until_complete(watch_market(m, false)));
    cancel_rest(w);
    REQUIRE(w.rules() == rule_list{"never-yields"});
    CHECK(w.lints.findings()[0].where.function.ends_with("quote"));
    CHECK(m.prices[0] == 100);
}

TEST_CASE("planted, corrected: quotes that sleep after each") {
    linted_loop w;
    market m;
    CHECK(w.loop.run_until_complete(watch_market(m, true)));
    cancel_rest(w);
    CHECK(w.rules().empty());
}

TEST_CASE("planted: a server that reads on at the end of the stream") {
    bool seen = false;
    int reads = 0;
    lint_options options;
    options.handler = [&seen](const report::finding&) {
        seen = true;
    };
    linted_loop w(options);
    const std::function<bool()> gives_up = [&] {
        return seen || ++reads > too_many;
    };
    w.loop.run_until_complete(serve_half_a_request(false, gives_up));
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    const auto found = w.lints.findings()[0];
    CHECK(found.where.function.ends_with("read_request"));
    CHECK(found.message.find(" reads on at the end of the stream from ") != std::string::npos);
    CHECK(found.message.ends_with(". An empty read is the end: leave the loop there."));
}

TEST_CASE("planted, corrected: a server that takes an empty read for the end") {
    linted_loop w;
    const std::function<bool()> gives_up = [] {
        return false;
    };
    w.loop.run_until_complete(serve_half_a_request(true, gives_up));
    CHECK(w.rules().empty());
}

TEST_CASE("planted: a waiter for a connection that posts itself anew in each tick") {
    event answered;
    lint_options options;
    options.handler = [&answered](const report::finding&) {
        answered.set();  // now the servers answer
    };
    linted_loop w(options);
    connection_pool pool(w.loop);
    int echoed = 0;
    w.loop.run_until_complete(echo_five(pool, &connection_pool::get, answered, echoed));
    CHECK(echoed == 5);
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    CHECK(w.lints.findings()[0].where.function.find("try_to_give") != std::string::npos);
    CHECK(w.lints.findings()[0].message.starts_with("a callback sets itself again in each pass"));
}

TEST_CASE("planted, corrected: waiters for a connection that are given it in turn") {
    linted_loop w;
    event answered;
    w.loop.call_later(1s, [&answered] { answered.set(); });
    connection_pool pool(w.loop);
    int echoed = 0;
    w.loop.run_until_complete(echo_five(pool, &connection_pool::get_in_turn, answered, echoed));
    CHECK(echoed == 5);
    CHECK(w.rules().empty());
}
