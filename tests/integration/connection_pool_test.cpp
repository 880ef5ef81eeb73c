// SPDX-License-Identifier: Apache-2.0
// The pool of examples/connection_pool, without sockets and without time passing.

#include "connection_pool/connection_pool.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/catch.hpp>

#include <memory>
#include <string>
#include <vector>

using coroscope::coro;
using coroscope::testkit::settle;
using coroscope::testkit::this_test;
using namespace std::chrono_literals;

namespace {

/// What became of the connections of one test.
struct record {
    int made = 0;
    int open = 0;
    int most_open = 0;
    bool refuses = false;
    coroscope::duration connecting = 0s;
    coroscope::duration closing = 0s;
};

class fake_connection {
public:
    explicit fake_connection(record& in) : record_(&in), number(++in.made) {
        in.most_open = std::max(in.most_open, ++in.open);
    }
    fake_connection(fake_connection&& other) noexcept
        : record_(std::exchange(other.record_, nullptr)),
          closing_(other.closing_),
          number(other.number) {}
    fake_connection& operator=(fake_connection&& other) noexcept {
        std::swap(record_, other.record_);
        std::swap(number, other.number);
        return *this;
    }
    ~fake_connection() { close(); }

    void close() noexcept {
        if (record_ == nullptr) { return; }
        closing_ = record_->closing;
        --std::exchange(record_, nullptr)->open;
    }
    coro<> wait_closed() const { co_await coroscope::sleep_for(closing_); }

private:
    record* record_;
    coroscope::duration closing_ = 0s;

public:
    int number;
};

using pool = connection_pool<fake_connection>;

pool::connector connecting_to(record& r) {
    return [&r]() -> coro<fake_connection> {
        return [](record& in) -> coro<fake_connection> {
            co_await coroscope::sleep_for(in.connecting);
            if (in.refuses) { throw std::runtime_error("refused"); }
            co_return fake_connection(in);
        }(r);
    };
}

coro<int> hold(fake_connection& c, coroscope::duration time) {
    co_await coroscope::sleep_for(time);
    co_return c.number;
}

coro<int> hold_and_fail(fake_connection& c, coroscope::duration time) {
    co_await coroscope::sleep_for(time);
    throw std::runtime_error("broken: " + std::to_string(c.number));
}

/// Uses the pool and notes its name when it is done.
coro<> hold_and_note(pool& p, coroscope::duration time, std::string name,
                     std::vector<std::string>& order) {
    co_await p.use(hold, time);
    order.push_back(std::move(name));
}

template <class Error, class T>
coro<bool> fails_with(coro<T> work) {
    try {
        co_await std::move(work);
    } catch (const Error&) { co_return true; }
    co_return false;
}

}  // namespace

CO_TEST_CASE("a pool makes no more connections than it may, and keeps them", "[connection_pool]") {
    record r;
    pool p(3, connecting_to(r));
    coroscope::task_group group;
    const auto start_all = [](coroscope::task_group& in, pool& from) -> coro<> {
        for (int i = 0; i < 30; ++i) {
            in.create_task(from.use(hold, 1s));
        }
        co_return;
    };
    co_await group.run(start_all(group, p));
    CO_CHECK(this_test().clock().elapsed() == 10s);
    CO_CHECK(r.made == 3);
    const int again = co_await p.use(hold, 1s);
    CO_CHECK(again <= 3);
    CO_CHECK(r.made == 3);
    co_await p.close();
    CO_CHECK(r.open == 0);
}

CO_TEST_CASE("a pool serves first those who came first", "[connection_pool]") {
    record r;
    pool p(1, connecting_to(r));
    std::vector<std::string> order;
    auto& loop = this_test().loop();
    auto first = loop.create_task(hold_and_note(p, 3s, "first", order));
    auto second = loop.create_task(hold_and_note(p, 1s, "second", order));
    auto third = loop.create_task(hold_and_note(p, 1s, "third", order));
    co_await settle();
    auto last = loop.create_task(hold_and_note(p, 1s, "last", order));
    second.cancel();  // who no longer waits keeps nobody waiting
    co_await last;
    CO_CHECK(order == std::vector<std::string>{"first", "third", "last"});
    CO_CHECK(this_test().clock().elapsed() == 5s);
    co_await p.close();
}

CO_TEST_CASE("a connection whose user fails or is cancelled is replaced", "[connection_pool]") {
    record r;
    pool p(1, connecting_to(r));
    const bool failed = co_await fails_with<std::runtime_error>(p.use(hold_and_fail, 1s));
    CO_CHECK(failed);
    CO_CHECK(r.open == 0);
    const int second = co_await p.use(hold, 1s);
    CO_CHECK(second == 2);
    auto cancelled = this_test().loop().create_task(p.use(hold, 1h));
    co_await settle();
    CO_CHECK(p.in_use() == 1);
    cancelled.cancel();
    const int third = co_await p.use(hold, 1s);
    CO_CHECK(third == 3);
    CO_CHECK(r.most_open == 1);
    co_await p.close();
}

CO_TEST_CASE("a connection that cannot be made leaves its place to others", "[connection_pool]") {
    record r;
    r.connecting = 1s;
    r.refuses = true;
    pool p(1, connecting_to(r));
    auto waiting = this_test().loop().create_task(p.use(hold, 1s));
    auto behind = this_test().loop().create_task(p.use(hold, 1s));
    const bool first_refused =
        co_await fails_with<std::runtime_error>(coroscope::wait_for(waiting, 1h));
    CO_CHECK(first_refused);
    r.refuses = false;
    const int number = co_await behind;
    CO_CHECK(number == 1);
    CO_CHECK(p.in_use() == 0);
    co_await p.close();
}

CO_TEST_CASE("a second try gets a new connection within the limit", "[connection_pool]") {
    record r;
    pool p(2, connecting_to(r));
    co_await p.connect_all();
    CO_CHECK(p.free() == 2);
    CO_CHECK(r.made == 2);
    const int number = co_await p.use_new(hold, 1s);
    CO_CHECK(number == 3);
    CO_CHECK(r.open == 2);
    co_await p.connect_all();
    CO_CHECK(r.made == 3);
    co_await p.close();
}

CO_TEST_CASE("connect_all connects side by side", "[connection_pool]") {
    record r;
    r.connecting = 5s;
    pool p(4, connecting_to(r));
    co_await p.connect_all();
    CO_CHECK(this_test().clock().elapsed() == 5s);
    CO_CHECK(p.made() == 4);
    co_await p.close();
}

CO_TEST_CASE("closing a pool waits for its users and turns the others away", "[connection_pool]") {
    record r;
    r.closing = 10s;
    pool p(1, connecting_to(r));
    auto& loop = this_test().loop();
    auto user = loop.create_task(p.use(hold, 7s));
    auto waiting = loop.create_task(fails_with<pool_closed>(p.use(hold, 1s)));
    auto behind = loop.create_task(fails_with<pool_closed>(p.use(hold, 1s)));
    co_await settle();
    auto closing = loop.create_task(p.close());
    const bool turned_away = co_await waiting;
    const bool behind_too = co_await behind;
    CO_CHECK(turned_away);
    CO_CHECK(behind_too);
    CO_CHECK(this_test().clock().elapsed() == 0s);
    CO_CHECK_FALSE(user.done());
    co_await closing;
    CO_CHECK(user.done());
    CO_CHECK(this_test().clock().elapsed() == 17s);
    CO_CHECK(r.open == 0);
    const bool late = co_await fails_with<pool_closed>(p.use(hold, 1s));
    CO_CHECK(late);
    co_await p.close();  // does nothing the second time
}
