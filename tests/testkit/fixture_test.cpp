// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/fixture.hpp>

#include "testkit/nested_catch.hpp"

#include <coroscope/testkit/catch.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;
using coroscope::testkit::this_test;
using coroscope::testkit::with_fixture;

namespace {

/// What happened in fixtures, in order, with virtual time in seconds.
std::vector<std::string> history;

void note(const std::string& what) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(this_test().clock().elapsed());
    history.push_back(what + " at " + std::to_string(seconds.count()));
}

using entries = std::vector<std::string>;

struct noting {
    noting() { note("made"); }
    noting(const noting&) = delete;
    noting& operator=(const noting&) = delete;
    ~noting() { note("destroyed"); }

    coro<> set_up() {
        note("set up");
        co_await coroscope::sleep_for(1s);
    }
    coro<> tear_down() {
        note("tear down");
        co_await coroscope::sleep_for(1s);
        note("torn down");
    }
};

template <class Fixture, class Body>
coroscope::testkit::test_result run_with(Body body, const test_options& options = {}) {
    history.clear();
    return run_test(with_fixture<Fixture>(body), options);
}

coro<> pass_time() {
    co_await coroscope::sleep_for(1s);
}

coro<> pass(noting&) {
    note("body");
    co_await coroscope::sleep_for(1s);
}

coro<> fail_with_an_exception(noting&) {
    co_await coroscope::sleep_for(1s);
    throw std::runtime_error("from the body");
}

coro<> never_end(noting&) {
    co_await this_test().loop().create_future<>();
}

}  // namespace

TEST_CASE("a fixture is set up and torn down in the test's task, in virtual time", "[fixture]") {
    const auto result = run_with<noting>(pass);
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(history
          == entries{"made at 0", "set up at 0", "body at 1", "tear down at 2", "torn down at 3",
                     "destroyed at 3"});
    CHECK(result.virtual_elapsed == 3s);
}

TEST_CASE("a fixture may have no hooks, or one of them", "[fixture]") {
    struct plain {
        int value = 7;
    };
    struct with_set_up {
        int value = 0;
        coro<> set_up() {
            co_await coroscope::sleep_for(1s);
            value = 7;
        }
    };
    int seen = 0;
    const auto result = run_with<plain>([&seen](plain& f) {
        seen = f.value;
        return pass_time();
    });
    CHECK(result.ok());
    CHECK(seen == 7);
    seen = 0;
    CHECK(run_with<with_set_up>([&seen](with_set_up& f) {
              seen = f.value;
              return pass_time();
          }).ok());
    CHECK(seen == 7);
}

TEST_CASE("a fixture is torn down after its body has failed", "[fixture]") {
    const auto result = run_with<noting>(fail_with_an_exception);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message
          == "an exception left the test's body: from the body (std::runtime_error)");
    CHECK(history
          == entries{"made at 0", "set up at 0", "tear down at 2", "torn down at 3",
                     "destroyed at 3"});
}

TEST_CASE("a failure of tear_down is one of its own, behind the body's", "[fixture]") {
    struct failing : noting {
        coro<> tear_down() {
            co_await noting::tear_down();
            throw std::logic_error("from tear_down");
        }
    };
    const auto alone = run_with<failing>(pass);
    REQUIRE(alone.failures.size() == 1);
    CHECK(alone.failures[0].kind == failure_kind::exception);
    CHECK(alone.failures[0].message
          == "an exception left the fixture's tear_down: from tear_down (std::logic_error)");
    const auto both = run_with<failing>(fail_with_an_exception);
    REQUIRE(both.failures.size() == 2);
    CHECK(both.failures[0].message.starts_with("an exception left the test's body: from the body"));
    CHECK(both.failures[1].message == alone.failures[0].message);
}

TEST_CASE("what set_up throws fails the test, and nothing is torn down", "[fixture]") {
    struct failing : noting {
        coro<> set_up() {
            co_await noting::set_up();
            throw std::runtime_error("from set_up");
        }
    };
    const auto result = run_with<failing>(pass);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message.find("from set_up (std::runtime_error)") != std::string::npos);
    CHECK(history == entries{"made at 0", "set up at 0", "destroyed at 1"});
}

TEST_CASE("a fixture is torn down after a deadlock, and may use virtual time", "[fixture]") {
    const auto result = run_with<noting>(never_end);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::deadlock);
    CHECK(history
          == entries{"made at 0", "set up at 0", "tear down at 1", "torn down at 2",
                     "destroyed at 2"});
}

TEST_CASE("tear_down may fail after a deadlock, too", "[fixture]") {
    struct failing : noting {
        coro<> tear_down() {
            co_await noting::tear_down();
            throw std::logic_error("from tear_down");
        }
    };
    const auto result = run_with<failing>(never_end);
    REQUIRE(result.failures.size() == 2);
    CHECK(result.failures[0].kind == failure_kind::deadlock);
    CHECK(result.failures[1].message.find("from tear_down") != std::string::npos);
}

TEST_CASE("a tear_down that cannot end is cancelled, and says so", "[fixture]") {
    struct stuck : noting {
        coro<> tear_down() {
            note("tear down");
            co_await this_test().loop().create_future<>();
        }
    };
    const auto in_cleanup = run_with<stuck>(never_end);
    REQUIRE(in_cleanup.failures.size() == 2);
    CHECK(in_cleanup.failures[0].kind == failure_kind::deadlock);
    CHECK(in_cleanup.failures[1].message.starts_with("the fixture's tear_down was cancelled"));
    CHECK(history.back().starts_with("destroyed"));

    const auto in_body = run_with<stuck>(pass);
    REQUIRE_FALSE(in_body.failures.empty());
    CHECK(in_body.failures[0].kind == failure_kind::deadlock);
}

TEST_CASE("a fixture is torn down after the time limit", "[fixture][threads]") {
    test_options options;
    options.time_limit = 500ms;  // set_up ends before, on a busy machine as well
    const auto tick = [](noting&) -> coro<> {
        for (;;) {
            co_await coroscope::sleep_for(1s);
        }
    };
    const auto result = run_with<noting>(tick, options);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::time_limit);
    CHECK(history.back().starts_with("destroyed"));
    CHECK(history.size() == 5);
}

// --- With Catch2

namespace {

int set_ups = 0;
int tear_downs = 0;

class counting {
protected:  // as with Catch2's own fixtures
    coro<> set_up() {
        co_await coroscope::sleep_for(1s);
        ++set_ups;
    }
    coro<> tear_down() {
        co_await coroscope::sleep_for(1s);
        ++tear_downs;
    }
    int value = 0;
};

template <class T>
struct holding {
    coro<> set_up() {
        co_await coroscope::sleep_for(1s);
        value = T(3);
    }
    T value{};
};

}  // namespace

CO_TEST_CASE_METHOD(counting, "sections have a fixture each that is set up and torn down",
                    "[fixture]") {
    CO_CHECK(set_ups == tear_downs + 1);
    CO_CHECK(value == 0);
    value = 1;
    SECTION("one") {
        co_await coroscope::sleep_for(1s);
        CO_CHECK(this_test().clock().elapsed() == 2s);
    }
    SECTION("two") {
        CO_CHECK(this_test().clock().elapsed() == 1s);
    }
    const auto generated = GENERATE(1, 2, 3);
    CO_CHECK(generated > 0);
}

CO_TEMPLATE_TEST_CASE("a templated test case runs for each type", "[fixture]", int, double,
                      std::string) {
    const TestType first{};
    co_await coroscope::sleep_for(1s);
    CO_CHECK(first == TestType());
    CO_CHECK(this_test().clock().elapsed() == 1s);
}

CO_TEMPLATE_TEST_CASE_METHOD(holding, "a templated fixture is set up for each type", "[fixture]",
                             int, double) {
    co_await coroscope::sleep_for(1s);
    CO_CHECK(this->value == TestType(3));
}

TEST_CASE("a failed assertion in tear_down fails the test once", "[fixture]") {
    const auto run = nested::run("tear_down asserts");
    INFO(run.output);
    CHECK(run.status == 2);
    CHECK(run.has("CO_CHECK( is_closed )"));
    CHECK(run.has("test cases: 1 | 1 failed"));
    CHECK(run.has("assertions: 2 | 2 failed"));
}
