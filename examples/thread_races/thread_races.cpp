// SPDX-License-Identifier: Apache-2.0
// Two jobs on executor threads add to one entry of a dictionary. The file is compiled with
// coroscope_detect_races; nothing in it says what is shared.

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

using coroscope::coro;
namespace instrumentation = coroscope::instrumentation;

using dictionary = std::map<std::string, int>;

void add_from_thread(dictionary& d, int amount) {
    const auto old = d["value"];
    d["value"] = old + amount;
}

void locked_add(dictionary& d, std::mutex& m, int amount) {
    const std::scoped_lock lock(m);
    add_from_thread(d, amount);
}

/// Runs the job in two threads.
template <class Job>
coro<> run_twice(Job job) {
    coroscope::thread_pool_executor one(1);
    coroscope::thread_pool_executor other(1);
    auto first = coroscope::get_running_loop().run_in_executor(one, job);
    auto second = coroscope::get_running_loop().run_in_executor(other, job);
    co_await first;
    co_await second;
}

coro<> wrong() {
    dictionary d{{"value", 0}};
    co_await run_twice([&] { add_from_thread(d, 1); });
}

coro<> with_a_lock() {
    dictionary d{{"value", 0}};
    std::mutex m;
    co_await run_twice([&] { locked_add(d, m, 1); });
    std::cout << "the sum is " << d["value"] << '\n';
}

std::string in_short(const std::string& text, const coroscope::report::source_position& where) {
    const auto name = where.file.substr(where.file.find_last_of('/') + 1);
    return text.substr(0, text.find(" at ")) + " at " + name + ":" + std::to_string(where.line);
}

/// Which of the two comes first is the machine's choice.
void print(const coroscope::report::finding& found) {
    std::cout << found.rule << ", " << to_string(found.verdict) << '\n';
    std::map<std::string, std::string> who;
    std::set<std::string> lines;
    for (const auto& item : found.evidence) {
        if (item.label.ends_with(" task") && !item.label.starts_with("a")) {
            who[item.label] = item.text.substr(0, item.text.find(" ("));
        }
        if (!item.stack.has_value()) { continue; }
        const bool is_others = item.label == "second access" || item.label.ends_with("other task");
        lines.insert(who[is_others ? "other task" : "first task"] + " "
                     + in_short(item.text, item.where));
    }
    for (const auto& line : lines) {
        std::cout << "  " << line << '\n';
    }
}

void run_watched(coro<> program) {
    instrumentation::race_detector races;
    coroscope::run_options options;
    options.prepare = [&races](coroscope::loop& l) {
        races.attach_to(l);
    };
    coroscope::run(std::move(program), options);
    for (const auto& found : races.findings()) {
        print(found);
    }
}

int main() {
    run_watched(wrong());
    run_watched(with_a_lock());
}
