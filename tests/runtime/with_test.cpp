// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/with.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::with;
using namespace std::chrono_literals;

namespace {

using journal = std::vector<std::string>;

/// Takes a second to acquire and one to release; notes both.
struct resource {
    journal* notes;
    bool fails_to_enter = false;
    bool fails_to_exit = false;

    coro<int> enter() {
        co_await coroscope::sleep_for(1s);
        if (fails_to_enter) { throw std::runtime_error("no entry"); }
        notes->push_back("enter");
        co_return 42;
    }
    coro<> exit(std::exception_ptr error) {
        co_await coroscope::sleep_for(1s);
        notes->push_back(error == nullptr ? "exit" : "exit: " + coroscope::describe(error));
        if (fails_to_exit) { throw std::runtime_error("no exit"); }
    }
};

resource noting(journal& l) {
    resource r;
    r.notes = &l;
    return r;
}

coro<int> body(int& n, duration d) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

coro<int> failing(int&) {
    co_await coroscope::sleep_for(1s);
    throw std::runtime_error("body");
}

}  // namespace

TEST_CASE("with enters, runs the body, exits, and gives the body's result", "[waiting]") {
    virtual_loop v;
    journal l;
    auto use = [](journal& to) -> coro<int> {
        auto r = noting(to);
        const int n = co_await with(r, body, 2s);
        co_return n;
    };
    CHECK(v.loop.run_until_complete(use(l)) == 42);
    CHECK(l == journal{"enter", "exit"});
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("with keeps a temporary resource and its temporary arguments", "[waiting]") {
    virtual_loop v;
    journal l;
    auto text = [](int& n, const std::string& s, std::unique_ptr<int> p) -> coro<std::string> {
        co_await coroscope::sleep_for(1s);
        co_return s + std::to_string(n + *p);
    };
    auto w = with(noting(l), text, std::string("a long text that is no small string: "),
                  std::make_unique<int>(8));
    CHECK(v.loop.run_until_complete(std::move(w)) == "a long text that is no small string: 50");
    CHECK(l == journal{"enter", "exit"});
}

TEST_CASE("an exception of the body is told to exit and passed on", "[waiting]") {
    virtual_loop v;
    journal l;
    CHECK_THROWS_WITH(v.loop.run_until_complete(with(noting(l), failing)), "body");
    CHECK(l == journal{"enter", "exit: body"});
    CHECK(v.reported.empty());
}

TEST_CASE("if enter throws there is nothing to release", "[waiting]") {
    virtual_loop v;
    journal l;
    auto r = noting(l);
    r.fails_to_enter = true;
    CHECK_THROWS_WITH(v.loop.run_until_complete(with(r, body, 0s)), "no entry");
    CHECK(l.empty());
}

TEST_CASE("an exception of exit replaces the body's", "[waiting]") {
    virtual_loop v;
    journal l;
    auto r = noting(l);
    r.fails_to_exit = true;
    CHECK_THROWS_WITH(v.loop.run_until_complete(with(r, failing)), "no exit");
    CHECK(v.reported.empty());
}

TEST_CASE("a cancellation is told to exit and passed on when the release is done", "[waiting]") {
    virtual_loop v;
    journal l;
    struct when {
        duration at;
        journal expected;
        duration end;
    };
    const auto w = GENERATE(when{500ms, journal(), 500ms},                  // in enter
                            when{2s, journal{"enter", "exit: stop"}, 3s},   // in the body
                            when{11500ms, journal{"enter", "exit"}, 12s});  // in exit
    auto t = v.loop.create_task(with(noting(l), body, 10s));
    v.loop.call_later(w.at, [&] { t.cancel("stop"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "stop");
    CHECK(t.cancelled());
    CHECK(l == w.expected);
    CHECK(v.clock.elapsed() == w.end);
}

TEST_CASE("cancelling again and again does not stop the release", "[waiting]") {
    virtual_loop v;
    journal l;
    auto t = v.loop.create_task(with(noting(l), body, 10s));
    for (int i = 0; i < 9; ++i) {
        v.loop.call_later(2s + i * 100ms, [&] { t.cancel(); });
    }
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(l.size() == 2);
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("a cancellation during a release that fails comes at the next co_await", "[waiting]") {
    virtual_loop v;
    journal l;
    auto use = [](journal& to) -> coro<> {
        auto r = noting(to);
        r.fails_to_exit = true;
        try {
            co_await with(r, body, 0s);
        } catch (const std::runtime_error& e) { to.push_back(e.what()); }
        co_await coroscope::sleep_for(1h);
    };
    auto t = v.loop.create_task(use(l));
    v.loop.call_later(1500ms, [&] { t.cancel(); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(l == journal{"enter", "exit", "no exit"});
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("with works for resources that give nothing or a reference", "[waiting]") {
    virtual_loop v;
    struct silent {
        bool released = false;
        coro<> enter() { co_return; }
        coro<> exit(std::exception_ptr) {
            released = true;
            co_return;
        }
    };
    struct lender {
        int value = 1;
        coro<int&> enter() { co_return value; }
        coro<> exit(std::exception_ptr) {
            value *= 10;
            co_return;
        }
    };
    auto nothing = []() -> coro<> {
        co_return;
    };
    auto change = [](int& n) -> coro<> {
        n = 5;
        co_return;
    };
    silent s;
    lender d;
    v.loop.run_until_complete(with(s, nothing));
    v.loop.run_until_complete(with(d, change));
    CHECK(s.released);
    CHECK(d.value == 50);
}

TEST_CASE("closing closes what has close, aclose and wait_closed, coroutines or not", "[waiting]") {
    virtual_loop v;
    struct plain {
        journal* notes;
        void close() { notes->push_back("close"); }
    };
    struct slow {
        journal* notes;
        coro<> close() {
            co_await coroscope::sleep_for(1s);
            notes->push_back("slow close");
        }
        coro<> wait_closed() {
            co_await coroscope::sleep_for(1s);
            notes->push_back("closed");
        }
    };
    struct generator {
        journal* notes;
        coro<> aclose() {
            notes->push_back("aclose");
            co_return;
        }
    };
    journal l;
    auto write = [](auto& r) -> coro<> {
        r.notes->push_back("use");
        co_return;
    };
    auto fails = [](auto& r) -> coro<> {
        r.notes->push_back("use");
        throw std::runtime_error("broken");
        co_return;
    };
    plain p{&l};
    slow s{&l};
    v.loop.run_until_complete(with(coroscope::closing(p), write));
    v.loop.run_until_complete(with(coroscope::closing(s), write));
    v.loop.run_until_complete(with(coroscope::closing(generator{&l}), write));
    CHECK_THROWS_WITH(v.loop.run_until_complete(with(coroscope::closing(p), fails)), "broken");
    CHECK(
        l
        == journal{"use", "close", "use", "slow close", "closed", "use", "aclose", "use", "close"});
}

TEST_CASE("a release that waits shows the user's line", "[waiting]") {
    virtual_loop v;
    journal l;
    unsigned line = 0;
    auto use = [](journal& to, unsigned& at) -> coro<> {
        auto r = noting(to);
        at = __LINE__ + 1;
        co_await with(r, body, 0s);
    };
    auto t = v.loop.create_task(use(l, line));
    unsigned seen = 0;
    v.loop.call_later(1500ms, [&] { seen = t.stack().front().line(); });
    v.loop.run_until_complete(t);
    CHECK(seen == line);
}

TEST_CASE("a resource goes with a loop that closes", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    journal l;
    const auto at = GENERATE(duration(500ms), duration(2s), duration(10500ms));
    auto t = v->loop.create_task(with(noting(l), body, 9s));
    v->loop.call_later(at, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(t.cancelled());
    CHECK(l.size() == (at == 500ms ? 0 : 1));
}
