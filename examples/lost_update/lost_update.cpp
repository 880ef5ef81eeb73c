// SPDX-License-Identifier: Apache-2.0
// A test in plain C++ that passes in every run, and the lost update that is in it all the same. The
// file is compiled with coroscope_detect_races; nothing in it says what is shared.

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/explore.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
namespace testkit = coroscope::testkit;

using accounts = std::map<std::string, int>;

coro<> deposit(accounts& all, int amount) {
    const int balance = all["ann"];
    co_await coroscope::yield_now();  // asks the bank, say
    all["ann"] = balance + amount;
}

// In every run that nobody disturbs the second deposit begins when the first one has ended.
coro<> deposit_later(accounts& all, int amount) {
    co_await coroscope::yield_now();
    co_await coroscope::yield_now();
    co_await deposit(all, amount);
}

coro<> two_deposits() {
    accounts all{{"ann", 0}};
    co_await coroscope::gather(deposit(all, 10), deposit_later(all, 20));
    if (all["ann"] != 30) { throw std::runtime_error("money is lost"); }
}

int main() {
    testkit::explore_options options;
    options.find_races = true;
    options.seed = 1;
    std::cout << testkit::explore(two_deposits, options) << '\n';
}
