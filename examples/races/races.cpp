// SPDX-License-Identifier: Apache-2.0
// Two coroutines add to one entry of a dictionary, and one addition is lost: what the race detector
// says of it, and how it is written right.

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/fake_clock.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::duration;
namespace instrumentation = coroscope::instrumentation;

using entry = instrumentation::shared<int>;

coro<> delayed_add(duration delay, entry& value, int amount) {
    const auto old = value.get();
    co_await coroscope::sleep_for(delay);
    value.set(old + amount);
}

coro<> locked_add(coroscope::mutex& m, duration delay, entry& value, int amount) {
    const auto lock = co_await m.scoped();
    co_await delayed_add(delay, value, amount);
}

coro<> late_add(duration delay, entry& value, int amount) {
    co_await coroscope::sleep_for(delay);
    value.update([amount](int& now) { now += amount; });
}

coro<> wrong() {
    entry value{0, "db[value]"};
    co_await coroscope::gather(delayed_add(2s, value, 1), delayed_add(1s, value, 1));
    std::cout << "the sum is " << value.peek() << '\n';
}

coro<> with_a_lock() {
    entry value{0, "db[value]"};
    coroscope::mutex m;
    co_await coroscope::gather(locked_add(m, 2s, value, 1), locked_add(m, 1s, value, 1));
    std::cout << "the sum is " << value.peek() << '\n';
}

coro<> in_one_step() {
    entry value{0, "db[value]"};
    co_await coroscope::gather(late_add(2s, value, 1), late_add(1s, value, 1));
    std::cout << "the sum is " << value.peek() << '\n';
}

std::string short_place(const coroscope::report::source_position& where) {
    const auto name = where.file.substr(where.file.find_last_of('/') + 1);
    return name + ":" + std::to_string(where.line) + " in " + where.function;
}

void run_watched(coro<> program) {
    coroscope::testkit::fake_clock clock;
    instrumentation::race_detector races;
    coroscope::run_options options;
    options.clock = &clock;
    options.prepare = [&races](coroscope::loop& l) {
        races.attach_to(l);
    };
    coroscope::run(std::move(program), options);
    for (const auto& found : races.findings()) {
        std::cout << found.rule << ", " << to_string(found.verdict) << '\n';
        for (const auto& item : found.evidence) {
            if (item.label == "missing order") { continue; }  // a sentence about these lines
            std::cout << "  " << item.label << ": "
                      << (item.where.empty() ? item.text : short_place(item.where)) << '\n';
        }
    }
}

int main() {
    run_watched(wrong());
    run_watched(with_a_lock());
    run_watched(in_one_step());
}
