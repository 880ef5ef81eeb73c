// SPDX-License-Identifier: Apache-2.0
// Ten thousand test cases in one program; tests/integration/many_tests.py runs it. They are one
// function under ten thousand names, since only running them is what it is about.
#include <coroscope/testkit/catch_main.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/timer.hpp>

#include <fstream>
#include <iostream>
#include <string>

#include <unistd.h>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::this_test;

namespace {

constexpr int test_cases = 10'000;
constexpr int warmed_up = 2'000;  ///< from here on memory must not grow

coro<> use_timers(int n) {
    coroscope::timer alarm;
    alarm.expires_after(std::chrono::seconds(n));
    co_await coroscope::sleep_for(1s);
    alarm.reset(2s);
    CO_CHECK(co_await alarm.wait());
    CO_CHECK(this_test().clock().elapsed() == 3s);
}

coro<> put_all(coroscope::queue<int>& to, int count) {
    for (int i = 0; i < count; ++i) {
        co_await to.put(i);
        co_await coroscope::sleep_for(1ms);
    }
}

coro<> use_a_queue(int n) {
    coroscope::queue<int> numbers(2);
    const int count = n % 20;
    auto producer = this_test().loop().create_task(put_all(numbers, count), "producer");
    for (int i = 0; i < count; ++i) {
        CO_CHECK(co_await numbers.get() == i);
    }
    co_await producer;
}

coro<> hold(coroscope::mutex& m, int& inside) {
    const auto held = co_await m.scoped();
    CO_CHECK(++inside == 1);
    co_await coroscope::sleep_for(1h);
    --inside;
}

coro<> use_a_mutex(int) {
    coroscope::mutex m;
    int inside = 0;
    co_await coroscope::gather(hold(m, inside), hold(m, inside), hold(m, inside));
    CO_CHECK(this_test().clock().elapsed() == 3h);
}

coro<> leave_a_background_task(int n) {
    const auto tick = [](int seconds) -> coro<> {
        for (;;) {
            co_await coroscope::sleep_for(std::chrono::seconds(1 + seconds));
        }
    };
    coroscope::testkit::background(tick(n));
    co_await coroscope::sleep_for(24h);
}

[[nodiscard]] long resident_kilobytes() {
    std::ifstream file("/proc/self/statm");
    long total = 0;
    long resident = 0;
    file >> total >> resident;
    return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

/// Prints how much memory grew while all but the first of them ran one after another.
void note_memory(int n) {
    static long before = 0;
    if (n == warmed_up) { before = resident_kilobytes(); }
    if (n == test_cases - 1 && before != 0) {
        std::cout << "grew by " << resident_kilobytes() - before << " KiB" << std::endl;
    }
}

void run_case() {
    const auto name = Catch::getResultCapture().getCurrentTestName();
    const int n = std::stoi(name.substr(name.find(' ')));
    constexpr std::array kinds{&use_timers, &use_a_queue, &use_a_mutex, &leave_a_background_task};
    const auto body = [n, run = kinds[static_cast<std::size_t>(n) % kinds.size()]] {
        return run(n);
    };
    coroscope::testkit::run_catch_test(body);
    note_memory(n);
}

bool register_all() {
    for (int n = 0; n < test_cases; ++n) {
        const auto number = std::to_string(test_cases + n).substr(1);
        const auto name = "case " + number;
        const Catch::AutoReg registered(Catch::makeTestInvoker(&run_case),
                                        Catch::SourceLineInfo(__FILE__, __LINE__),
                                        Catch::StringRef(), Catch::NameAndTags{name, ""});
    }
    return true;
}

const bool all_are_registered = register_all();

}  // namespace

int main(int argc, char** argv) {
    return coroscope::testkit::catch_main(argc, argv);
}
