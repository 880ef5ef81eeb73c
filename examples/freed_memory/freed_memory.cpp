// SPDX-License-Identifier: Apache-2.0
// A task goes through a vector, another one makes it grow meanwhile. The file is compiled with
// coroscope_detect_races; the program itself gets away with it.

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <iostream>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;

coro<> add_up(const std::vector<int>& prices, int& sum) {
    for (const int price : prices) {
        sum += price;
        co_await coroscope::yield_now();
    }
}

coro<> add_price(std::vector<int>& prices, int price) {
    prices.push_back(price);
    co_return;
}

coro<> a_day() {
    std::vector<int> prices{3, 5, 7};
    int sum = 0;
    co_await coroscope::gather(add_up(prices, sum), add_price(prices, 9));
}

std::string short_place(const coroscope::report::source_position& where) {
    const auto name = where.file.substr(where.file.find_last_of('/') + 1);
    return name + ":" + std::to_string(where.line) + " in " + where.function;
}

void print(const coroscope::report::finding& found) {
    std::cout << found.rule << ", " << to_string(found.verdict) << '\n';
    for (const auto& item : found.evidence) {
        if (item.where.empty()) { continue; }
        const auto did = item.text.substr(0, item.text.find(" at "));
        const bool is_access = item.label.ends_with(" access");
        std::cout << "  " << item.label << ": " << (is_access ? did + " at " : std::string())
                  << short_place(item.where) << '\n';
    }
}

int main() {
    coroscope::instrumentation::race_detector races;
    coroscope::run_options options;
    options.prepare = [&races](coroscope::loop& l) {
        races.attach_to(l);
    };
    coroscope::run(a_day(), options);
    for (const auto& found : races.findings()) {
        print(found);
    }
}
