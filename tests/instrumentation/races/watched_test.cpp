// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/watched.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

using file = watched<std::string>;

coro<> use_after(file& f, duration when) {
    co_await sleep_for(when);
    static_cast<void>(f.use());
}

coro<> end_after(file& f, duration when, void (*end)(file&)) {
    co_await sleep_for(when);
    end(f);
}

coro<> open_after(file& f, duration when) {
    co_await sleep_for(when);
    f.open("text");
}

coro<> go_through(container_guard& guard) {
    const auto reading = guard.iterate();
    co_await sleep_for(2s);
}

coro<> change_after(container_guard& guard, duration when) {
    co_await sleep_for(when);
    guard.modify();
}

coro<> change_while_going_through(container_guard& guard) {
    const auto reading = guard.iterate();
    co_await sleep_for(2s);
    guard.modify();
}

coro<> apply_after(latest_wins& latest, std::uint64_t number, duration when) {
    co_await sleep_for(when);
    latest.applied(number);
}

}  // namespace

TEST_CASE("what is used after another task ended its life is confirmed") {
    raced_loop v;
    file f("log");
    std::string rule;
    void (*end)(file&) = nullptr;
    SECTION("closed") {
        rule = "use-after-close";
        end = [](file& of) {
            of.close();
        };
    }
    SECTION("moved") {
        rule = "use-after-move";
        end = [](file& of) {
            static_cast<void>(of.take());
        };
    }
    SECTION("destroyed") {
        rule = "use-after-free";
        end = [](file& of) {
            of.destroy();
        };
    }
    f.open("text");
    v.start(end_after(f, 1s, end), "closer");
    v.start(use_after(f, 2s), "user");
    v.run();
    const auto found = v.races.findings();
    REQUIRE_FALSE(found.empty());
    CHECK(found.back().rule == rule);
    CHECK(found.back().verdict == report::verdict::confirmed);
    CHECK(found.back().message.find("(closer)") != std::string::npos);
    CHECK(found.back().message.find("(user)") != std::string::npos);
    CHECK(v.failure.empty() == (rule != "use-after-free"));
}

TEST_CASE("a use that nothing keeps before the end is predicted") {
    raced_loop v;
    file f("log");
    f.open("text");
    v.start(use_after(f, 1s), "user");
    v.start(end_after(f, 2s, [](file& of) { of.close(); }), "closer");
    v.run();
    REQUIRE(v.rules() == rule_list{"use-after-close"});
    CHECK(v.races.findings()[0].verdict == report::verdict::predicted);
    REQUIRE(v.races.candidates().size() == 1);
    CHECK(v.races.candidates()[0].holds.size() == 1);
}

TEST_CASE("an end that awaits the users is none") {
    raced_loop v;
    file f("log");
    auto body = [](file& of) -> coro<> {
        of.open("text");
        auto user = get_running_loop().create_task(use_after(of, 1s), "user");
        co_await user;
        of.close();
    };
    v.start(body(f), "main");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("what is opened again may be used again") {
    raced_loop v;
    file f("log");
    auto body = [](file& of) -> coro<> {
        of.open("one");
        of.close();
        of.open("two");
        static_cast<void>(of.use());
        co_return;
    };
    v.start(body(f), "main");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a use before the opening is an order violation, and throws") {
    raced_loop v;
    file f("log");
    v.start(use_after(f, 0s), "user");
    v.start(open_after(f, 1s), "opener");
    v.run();
    REQUIRE(v.rules() == rule_list{"order-violation"});
    CHECK(v.races.findings()[0].verdict == report::verdict::confirmed);
    CHECK(v.failure.find("open() it first") != std::string::npos);
}

TEST_CASE("one that came after it by chance is predicted") {
    raced_loop v;
    init_before_use routes("routes");
    auto read = [](init_before_use& r) -> coro<> {
        r.initialised();
        co_return;
    };
    auto serve = [](init_before_use& r) -> coro<> {
        r.used();
        co_return;
    };
    v.start(read(routes), "reader");
    v.start(serve(routes), "server");
    v.run();
    REQUIRE(v.rules() == rule_list{"order-violation"});
    CHECK(v.races.findings()[0].verdict == report::verdict::predicted);
}

TEST_CASE("a container that is changed while another task goes through it is found") {
    raced_loop v;
    container_guard guard("clients");
    v.start(go_through(guard), "sender");
    v.start(change_after(guard, 1s), "joiner");
    v.run();
    CHECK(v.rules() == rule_list{"iterator-invalidated"});
}

TEST_CASE("one that is changed before or after, or by the one who goes through it, is not") {
    raced_loop v;
    container_guard guard("clients");
    v.start(change_after(guard, 3s), "joiner");
    v.start(change_while_going_through(guard), "sender");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("an older result in place of a newer one is stale") {
    raced_loop v;
    latest_wins latest("results");
    v.start(apply_after(latest, 1, 2s), "slow");
    v.start(apply_after(latest, 2, 1s), "fast");
    v.run();
    CHECK(v.rules() == rule_list{"stale-result"});
}

TEST_CASE("results in their order are not") {
    raced_loop v;
    latest_wins latest("results");
    v.start(apply_after(latest, 1, 1s), "first");
    v.start(apply_after(latest, 2, 2s), "second");
    v.run();
    CHECK(v.rules().empty());
}
