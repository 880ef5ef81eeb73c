// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/test_run.hpp>

#include <coroscope/runtime/coro.hpp>

#include <concepts>
#include <exception>
#include <utility>

namespace coroscope::testkit {

namespace detail {

/// The body of the running test has failed; said at once, so that it comes before what tear_down
/// has to say.
void note_body_failure(const std::exception_ptr& failure);
/// So has its fixture's tear_down.
void note_tear_down_failure(const std::exception_ptr& failure);

/// Calls the hooks of fixtures. A class, so that fixtures whose hooks are protected can make it a
/// friend, as `CO_TEST_CASE_METHOD` does.
class fixture_access {
public:
    template <class Fixture>
    [[nodiscard]] static coro<> set_up(Fixture& of) {
        if constexpr (requires { of.set_up(); }) {
            static_assert(std::same_as<decltype(of.set_up()), coro<>>,
                          "set_up of a fixture must be a coroutine that returns coro<>");
            return of.set_up();
        } else {
            return nothing();
        }
    }
    template <class Fixture>
    [[nodiscard]] static coro<> tear_down(Fixture& of) {
        if constexpr (requires { of.tear_down(); }) {
            static_assert(std::same_as<decltype(of.tear_down()), coro<>>,
                          "tear_down of a fixture must be a coroutine that returns coro<>");
            return of.tear_down();
        } else {
            return nothing();
        }
    }
    template <class Fixture>
    [[nodiscard]] static coro<> test_body(Fixture& of) {
        return of.coroscope_test_body();
    }

private:
    [[nodiscard]] static coro<> nothing() { co_return; }
};

/// The life of a fixture around a body, in the test's task. Its frame is not listed.
template <class Fixture, class Body>
[[nodiscard]] coro<> run_in_fixture(Body& body) {
    using coroscope::detail::unlisted;
    Fixture fixture;
    auto set_up = fixture_access::set_up(fixture);
    co_await unlisted(set_up);
    std::exception_ptr failure;
    try {
        auto work = body(fixture);
        co_await unlisted(work);
    } catch (...) {
        failure = std::current_exception();
        note_body_failure(failure);
    }
    try {
        auto tear_down = fixture_access::tear_down(fixture);
        co_await unlisted(tear_down);
    } catch (...) { note_tear_down_failure(std::current_exception()); }
    if (failure != nullptr) { std::rethrow_exception(failure); }
}

}  // namespace detail

/// A test's body that needs something set up and torn down, for `run_test`:
///
///     struct with_server {
///         coro<> set_up() { co_await server.start(); }
///         coro<> tear_down() { co_await server.stop(); }
///         test_server server;
///     };
///     const auto result = run_test(with_fixture<with_server>([](with_server& f) -> coro<> {
///         co_await ask(f.server.address());
///     }));
///
/// The fixture is constructed and destroyed in the test's task, once for each run; `set_up` and
/// `tear_down` may be missing, and run on the test's loop, where they may await whatever they like.
/// `tear_down` follows whenever `set_up` had ended well: after a failed assertion or another
/// exception, and after a deadlock or the time limit, when the body has been cancelled. What goes
/// wrong in it is a failure of its own, beside the body's. It, too, may use virtual time.
template <class Fixture, class Body>
[[nodiscard]] auto with_fixture(Body body) {
    return [kept = std::move(body)]() mutable {
        return detail::run_in_fixture<Fixture>(kept);
    };
}

}  // namespace coroscope::testkit
