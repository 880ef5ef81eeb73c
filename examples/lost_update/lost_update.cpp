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

std::string short_place(const coroscope::report::source_position& where) {
    const auto name = where.file.substr(where.file.find_last_of('/') + 1);
    return name + ":" + std::to_string(where.line) + " in " + where.function;
}

void print(const coroscope::report::finding& found) {
    std::cout << found.rule << ", " << to_string(found.verdict) << '\n';
    for (const auto& item : found.evidence) {
        if (item.where.empty()) { continue; }
        std::cout << "  " << item.label << ": " << short_place(item.where) << '\n';
    }
}

int main() {
    testkit::explore_options options;
    options.find_races = true;
    options.seed = 1;
    const auto found = testkit::explore(two_deposits, options);
    if (found.ok()) { return 1; }
    std::cout << found.failure->result.failures[0].message << '\n';
    for (const auto& race : found.failure->findings) {
        print(race);
    }

    const auto again = testkit::replay(two_deposits, found.failure->shrunk);
    std::cout << found.failure->shrunk << ": " << again.failures[0].message << '\n';
}
