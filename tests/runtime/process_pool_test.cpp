// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/process_pool.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/outcome.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/with.hpp>

#include "runtime/subprocess_pair.hpp"
#include "runtime/worker_program.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <stdexcept>

using namespace subprocess_pair;
using coroscope::process_pool;
using stream_pair::contains;
using stream_pair::message_of;
using worker_program::make_pool;

TEST_CASE("recipe: functions run in worker processes, and the end waits for all", "[io]") {
    coroscope::run([]() -> coro<> {
        std::vector<coroscope::future<std::string>> results;
        auto body = [](process_pool& pool,
                       std::vector<coroscope::future<std::string>>& all) -> coro<> {
            all.push_back(pool.submit("print", "1"));
            all.push_back(pool.submit("sum", "1 2"));
            all.push_back(pool.submit("fail", "on purpose"));
            co_return;
        };
        co_await coroscope::with(make_pool(2), body, results);
        CHECK(results.at(0).result().empty());
        CHECK(results.at(1).result() == "3");
        CHECK_THROWS_AS(results.at(2).result(), coroscope::worker_error);
    }());
    CHECK_FALSE(has_children());
}

TEST_CASE("as many workers are started as are needed, up to the limit, and used again", "[io]") {
    coroscope::run([]() -> coro<> {
        auto body = [](process_pool& pool) -> coro<> {
            const auto first = co_await pool.submit("pid");
            const auto second = co_await pool.submit("pid");
            CHECK(first == second);
            auto a = pool.submit("pid");
            auto b = pool.submit("pid");
            auto c = pool.submit("pid");
            CHECK(pool.queued() >= 2);
            const auto& from_a = co_await a;
            const auto& from_b = co_await b;
            co_await c;
            CHECK(from_a != from_b);
            const std::string large(2'000'000, 'l');
            const auto echoed = co_await pool.submit("echo", large);
            CHECK(echoed == large);
        };
        co_await coroscope::with(make_pool(2), body);
    }());
}

TEST_CASE("what a function throws, or that there is none, is told by text", "[io]") {
    coroscope::run([]() -> coro<> {
        auto body = [](process_pool& pool) -> coro<> {
            auto failing = [](process_pool& p, std::string function) -> coro<> {
                co_await p.submit(std::move(function), "x");
            };
            const auto failed = co_await message_of<coroscope::worker_error>(failing(pool, "fail"));
            CHECK(failed == "failed: x");
            const auto none = co_await message_of<coroscope::worker_error>(failing(pool, "none"));
            CHECK(none == "the worker has no function 'none'");
        };
        co_await coroscope::with(make_pool(1), body);
    }());
}

TEST_CASE("a worker that dies fails its request, and another takes its place", "[io]") {
    coroscope::run([]() -> coro<> {
        auto body = [](process_pool& pool) -> coro<> {
            const auto before = co_await pool.submit("pid");
            auto crashing = [](process_pool& p) -> coro<> {
                co_await p.submit("crash");
            };
            const auto message = co_await message_of<coroscope::worker_died_error>(crashing(pool));
            CHECK(contains(message, "the worker process " + before + " (return code -9)"));
            CHECK(contains(message, "failed while it ran 'crash'"));
            const auto after = co_await pool.submit("pid");
            CHECK(after != before);
        };
        co_await coroscope::with(make_pool(1), body);
    }());
    CHECK_FALSE(has_children());
}

TEST_CASE("a worker program that cannot be started fails every request", "[io]") {
    coroscope::run([]() -> coro<> {
        auto body = [](process_pool& pool) -> coro<> {
            for (int i = 0; i < 2; ++i) {
                auto asking = [](process_pool& p) -> coro<> {
                    co_await p.submit("echo");
                };
                const auto message = co_await message_of<boost::system::system_error>(asking(pool));
                CHECK(contains(message, "/no/such/worker"));
            }
        };
        process_pool pool(command("/no/such/worker"));
        co_await coroscope::with(pool, body);
        CHECK_THROWS_AS(pool.submit("late"), coroscope::queue_shutdown);
    }());
}

TEST_CASE("a pool may be made where it is used, with no options", "[io]") {
    coroscope::run([]() -> coro<> {
        auto body = [](process_pool& pool) -> coro<> {
            CHECK(pool.queued() == 0);
            co_return;
        };
        co_await coroscope::with(process_pool(command("/no/such/worker")), body);
    }());
}

TEST_CASE("a request that is cancelled in the queue is not sent", "[io]") {
    coroscope::run([]() -> coro<> {
        auto body = [](process_pool& pool) -> coro<> {
            auto first = pool.submit("echo", "1");
            auto second = pool.submit("crash");
            auto third = pool.submit("echo", "3");
            second.cancel();
            const auto& text = co_await third;
            CHECK(text == "3");
            CHECK(first.result() == "1");
        };
        co_await coroscope::with(make_pool(1), body);
    }());
}

TEST_CASE("cancelling the user of a pool kills its workers and cancels its requests", "[io]") {
    coroscope::run([]() -> coro<> {
        std::vector<coroscope::future<std::string>> requests;
        auto body = [](process_pool& pool,
                       std::vector<coroscope::future<std::string>>& all) -> coro<> {
            all.push_back(pool.submit("hang"));
            all.push_back(pool.submit("echo"));
            co_await stream_pair::let_others_run();
            auto self = coroscope::current_task();
            self.cancel();
            co_await all.front();
        };
        auto pool = make_pool(1);
        auto user = coroscope::get_running_loop().create_task(
            coroscope::with(std::move(pool), body, requests));
        std::vector<coroscope::any_task> users;
        users.push_back(user);
        co_await coroscope::wait(users);
        CHECK(user.cancelled());
        CHECK(requests.at(1).cancelled());
    }());
    CHECK_FALSE(has_children());
}

TEST_CASE("a pool that is just dropped cancels what it has not begun", "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::future<std::string> begun;
        coroscope::future<std::string> queued;
        {
            auto pool = make_pool(1);
            begun = pool.submit("hang");
            queued = pool.submit("echo");
            co_await stream_pair::let_others_run();
        }
        CHECK(queued.cancelled());
        while (!begun.done()) {
            co_await coroscope::yield_now();
        }
        CHECK(begun.cancelled());
    }());
    CHECK_FALSE(has_children());
}

TEST_CASE("a worker that was killed while it had nothing to do fails nobody", "[io]") {
    coroscope::run([]() -> coro<> {
        auto body = [](process_pool& pool) -> coro<> {
            const auto pid = co_await pool.submit("pid");
            ::kill(std::stoi(pid), SIGKILL);
            // Reaped by the loop: then there is no such process.
            while (::kill(std::stoi(pid), 0) == 0) {
                co_await stream_pair::let_others_run();
            }
            const auto text = co_await pool.submit("echo", "alive");
            CHECK(text == "alive");
        };
        co_await coroscope::with(make_pool(1), body);
    }());
}
