// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/callback_nursery.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <stdexcept>
#include <string>

using coroscope::callback_nursery;
using coroscope::coro;
using std::chrono::seconds;

TEST_CASE("recipe: a pool of callbacks is waited for, and has their results") {
    virtual_loop v;
    auto body = [](callback_nursery<int>& calls, std::string& log) -> coro<> {
        calls.schedule_later(seconds(4), [&log] {
            log += 'c';
            return 3;
        });
        calls.schedule_soon([&log] {
            log += 'a';
            return 1;
        });
        calls.schedule_at(coroscope::get_running_loop().time() + seconds(2), [&log] {
            log += 'b';
            return 2;
        });
        log += '.';
        co_return;
    };
    auto use = [](decltype(body)& b) -> coro<std::vector<int>> {
        callback_nursery<int> calls;
        std::string log;
        co_await calls.run(b(calls, log));
        CHECK(log == ".abc");
        CHECK(calls.pending() == 0);
        std::vector<int> results;
        for (const auto& t : calls.finished()) {
            results.push_back(t.result());
        }
        co_return results;
    };
    CHECK(v.loop.run_until_complete(use(body)) == std::vector<int>{3, 1, 2});
    CHECK(v.clock.elapsed() == seconds(4));
}

TEST_CASE("a callback that throws stops no other, one that is cancelled is not called") {
    virtual_loop v;
    auto body = [](callback_nursery<>& calls, int& called) -> coro<> {
        calls.schedule_soon([] { throw std::out_of_range("in the callback"); });
        auto taken_back = calls.schedule_later(seconds(1), [&called] { called += 10; });
        calls.schedule_later(seconds(2), [&called] { called += 1; });
        taken_back.cancel();
        co_return;
    };
    auto use = [](decltype(body)& b) -> coro<int> {
        callback_nursery<> calls;
        int called = 0;
        co_await calls.run(b(calls, called));
        const auto done = calls.finished();
        CHECK(failure_of(done.at(0)) == "in the callback");
        CHECK(done.at(1).cancelled());
        co_return called;
    };
    CHECK(v.loop.run_until_complete(use(body)) == 1);
}
