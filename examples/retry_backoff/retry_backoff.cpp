// SPDX-License-Identifier: Apache-2.0
// A retry loop with exponential back-off, tested over a day in a few milliseconds: time passes as
// soon as nothing else can happen.

#include "retry.hpp"

#include <coroscope/testkit/test_run.hpp>

#include <iostream>

using namespace std::chrono_literals;
using coroscope::testkit::this_test;

namespace {

/// Comes up a day after the test began. Every third time it hangs instead of refusing.
class down_for_a_day final : public service {
public:
    coroscope::coro<std::string> ask() override {
        ++calls_;
        if (this_test().clock().elapsed() >= 24h) { co_return "at last"; }
        if (calls_ % 3 == 0) { co_await coroscope::sleep_for(1h); }
        throw std::runtime_error("connection refused");
    }
    [[nodiscard]] int calls() const noexcept { return calls_; }

private:
    int calls_ = 0;
};

coroscope::coro<> survives_a_day(int& calls) {
    down_for_a_day whom;
    const auto answer = co_await ask_patiently(whom);
    if (answer != "at last") { throw std::logic_error("a wrong answer: " + answer); }
    calls = whom.calls();
}

}  // namespace

int main() {
    int calls = 0;
    const auto test = [&calls] {
        return survives_a_day(calls);
    };
    const auto began = std::chrono::steady_clock::now();
    const auto first = coroscope::testkit::run_test(test);
    const auto second = coroscope::testkit::run_test(test);
    const auto real = std::chrono::steady_clock::now() - began;

    const bool same = first.event_log_hash == second.event_log_hash;
    const auto minutes = std::chrono::floor<std::chrono::minutes>(first.virtual_elapsed);
    std::cout << "result: " << first << '\n'
              << "virtual time: " << minutes / 1h << " h " << (minutes % 1h).count() << " min\n"
              << "tries: " << calls << '\n'
              << "two runs alike: " << (same ? "yes" : "no") << '\n';
    std::cerr << "real time of both: "
              << std::chrono::duration_cast<std::chrono::microseconds>(real).count() << " us\n";
    return first.ok() && second.ok() && same ? 0 : 1;
}
