// SPDX-License-Identifier: Apache-2.0
// A dictionary is updated across a sleep by two tasks. Nothing throws and nothing hangs; what shows
// that an update is lost is a result that the tasks, one after the other, never have.

#include <coroscope/instrumentation/effects.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/explore.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::instrumentation::effect;
namespace testkit = coroscope::testkit;

using dictionary = std::map<std::string, double>;

coro<> delayed_add(dictionary& values, std::chrono::seconds delay) {
    const double old = values["value"];
    co_await coroscope::sleep_for(delay);
    values["value"] = old + 1;
}

coro<> two_updates() {
    dictionary values{{"value", 0}};
    co_await coroscope::gather(delayed_add(values, 2s), delayed_add(values, 1s));
    effect("values", values);
}

coro<> locked_add(dictionary& values, coroscope::mutex& guard, std::chrono::seconds delay) {
    const auto lock = co_await guard.scoped();
    co_await delayed_add(values, delay);
}

coro<> two_locked_updates() {
    dictionary values{{"value", 0}};
    coroscope::mutex guard;
    co_await coroscope::gather(locked_add(values, guard, 2s), locked_add(values, guard, 1s));
    effect("values", values);
}

int main() {
    testkit::explore_options options;
    options.check_outcomes = true;
    options.seed = 1;

    const auto found = testkit::explore(two_updates, options);
    std::cout << found.failure->result.failures[0].message << '\n';

    std::cout << testkit::explore(two_locked_updates, options) << '\n';
}
