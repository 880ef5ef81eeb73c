// SPDX-License-Identifier: Apache-2.0
// A shop with three bad habits, and what lints say of them. The clock is a fake one, so that the
// program takes no time and always writes the same; leave it out for real time.

#include <coroscope/instrumentation/lints.hpp>
#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/instrumentation/stall_watchdog.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/fake_clock.hpp>

#include <filesystem>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;

namespace shop {

using order_queue = coroscope::queue<int>;

coroscope::coro<> confirm(int order) {
    co_await coroscope::sleep_for(1s);
    std::cout << "order " << order << " is confirmed\n";
}

coroscope::coro<> deliver(int order) {
    co_await coroscope::sleep_for(1s);
    throw std::runtime_error("order " + std::to_string(order) + " is lost");
}

coroscope::coro<> buy(order_queue& orders) {
    co_await coroscope::sleep_for(1s);
    orders.put_nowait(7);
}

/// Polls where it could wait for `get()`, calls a coroutine function and does not await what it
/// returns, and starts a task whose exception nobody will look at.
coroscope::coro<> sell(order_queue& orders) {
    for (int tries = 0; orders.empty() && tries < 10; ++tries) {
        try {
            static_cast<void>(orders.get_nowait());
        } catch (const coroscope::queue_empty&) {}
        co_await coroscope::yield_now();
    }
    const int order = co_await orders.get();
    static_cast<void>(confirm(order));
    static_cast<void>(coroscope::get_running_loop().create_task(deliver(order), "delivery"));
    co_await coroscope::sleep_for(5s);
}

coroscope::coro<> open() {
    order_queue orders;
    auto buying = coroscope::get_running_loop().create_task(buy(orders), "buyer");
    co_await sell(orders);
    co_await buying;
}

}  // namespace shop

int main() {
    coroscope::testkit::fake_clock clock;
    coroscope::instrumentation::stall_watchdog watchdog;
    coroscope::instrumentation::lints lints;

    coroscope::instrumentation::slow_spotter_options spotting;
    spotting.watchdog = &watchdog;
    spotting.handler = [&lints](const coroscope::report::slow_step& step) {
        lints.note_slow_step(step);
    };
    coroscope::instrumentation::slow_spotter spotter(spotting);

    coroscope::run_options options;
    options.clock = &clock;
    options.prepare = [&](coroscope::loop& loop) {
        lints.attach_to(loop);
        spotter.attach_to(loop);
        watchdog.attach_to(loop);
    };
    coroscope::run(shop::open(), options);

    for (const auto& found : lints.findings()) {
        const auto file = std::filesystem::path(found.where.file).filename().string();
        std::cout << found.rule << ": " << file << ':' << found.where.line << " in "
                  << found.where.function << '\n';
    }
}
