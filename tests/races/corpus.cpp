// SPDX-License-Identifier: Apache-2.0
#include "races/corpus.hpp"

#include "races/programs/program.hpp"

namespace race_corpus {
namespace {

bool assertions_are_on = true;

[[nodiscard]] std::vector<program> collect() {
    std::vector<program> all;
    for (const auto part : {lost_updates(), checks_then_acts(), torn_groups(), life_cycles(),
                            orders(), deadlocks(), signals(), retries(), tempting_values(),
                            tempting_waits(), tempting_objects(), tempting_pairs()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace

const char* to_string(verdict v) noexcept {
    switch (v) {
    case verdict::bug: return "bug";
    case verdict::correct: return "correct";
    case verdict::mutant: return "mutant";
    }
    return "?";
}

const char* to_string(source s) noexcept {
    switch (s) {
    case source::recipe: return "recipe";
    case source::study: return "study";
    case source::own: return "own";
    }
    return "?";
}

const std::vector<program>& all() {
    static const auto programs = collect();
    return programs;
}

void set_assertions(bool are_on) noexcept {
    assertions_are_on = are_on;
}

void expect(bool holds, const char* what) {
    if (assertions_are_on && !holds) { throw std::logic_error(what); }
}

coro<> be_late(int steps) {
    for (int i = 0; i < steps; ++i) {
        co_await yield_now();
    }
}

coro<> join_all(std::vector<coroscope::task<>> started) {
    std::exception_ptr first;
    for (const auto& each : started) {
        try {
            co_await each;
        } catch (...) {
            if (first == nullptr) { first = std::current_exception(); }
        }
    }
    if (first != nullptr) { std::rethrow_exception(first); }
}

}  // namespace race_corpus
