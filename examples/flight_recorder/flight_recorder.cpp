// SPDX-License-Identifier: Apache-2.0
// A producer and a consumer, and a flight recorder that keeps what they did: run it with --output
// trace.json and open that in ui.perfetto.dev.

#include <coroscope/instrumentation/flight_recorder.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

using coroscope::coro;

namespace {

constexpr std::string_view usage =
    R"(usage: flight_recorder [--output FILE] [--steps N]

Records a producer and a consumer, and says what was recorded.

  --output FILE  writes the trace instead
  --steps N      of a third task, which does nothing but take turns (0)
)";

coro<> produce(coroscope::queue<int>& to) {
    for (int i = 1; i <= 3; ++i) {
        co_await to.put(i);
    }
}

coro<> consume(coroscope::queue<int>& from) {
    for (int i = 1; i <= 3; ++i) {
        co_await from.get();
    }
}

coro<> take_turns(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
        co_await coroscope::yield_now();
    }
}

coro<> work(std::size_t steps) {
    auto& loop = coroscope::get_running_loop();
    coroscope::queue<int> items(1);
    auto consumer = loop.create_task(consume(items), "consumer");
    auto producer = loop.create_task(produce(items), "producer");
    co_await producer;
    co_await consumer;
    co_await take_turns(steps);
}

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t found = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) {
        ++found;
    }
    return found;
}

void record(const std::string& output, std::size_t steps) {
    coroscope::instrumentation::flight_recorder_options sizes;
    sizes.capacity = steps + 1000;
    coroscope::instrumentation::flight_recorder recorder(sizes);

    coroscope::run_options options;
    options.name = "main";
    options.prepare = [&recorder](coroscope::loop& loop) {
        loop.add_observer(recorder);
    };
    coroscope::run(work(steps), options);

    if (!output.empty()) {
        recorder.dump(output);
        return;
    }
    const auto trace = recorder.dump();
    std::cout << count(trace, R"("ph":"X")") << " steps, " << count(trace, R"("ph":"s")")
              << " arrows, " << recorder.overwritten() << " events overwritten\n";
}

}  // namespace

int main(int argc, char** argv) {
    std::string output;
    std::size_t steps = 0;
    try {
        const std::span arguments(argv + 1, argv + argc);
        for (std::size_t i = 0; i < arguments.size(); i += 2) {
            const std::string_view option = arguments[i];
            if (option == "--help") {
                std::cout << usage;
                return 0;
            }
            if (i + 1 == arguments.size()) { throw std::invalid_argument("a value is missing"); }
            if (option == "--output") {
                output = arguments[i + 1];
            } else if (option == "--steps") {
                steps = std::stoul(arguments[i + 1]);
            } else {
                throw std::invalid_argument("unknown option " + std::string(option));
            }
        }
    } catch (const std::exception& e) {
        std::cerr << "flight_recorder: " << e.what() << "; see --help\n";
        return 2;
    }
    try {
        record(output, steps);
    } catch (const std::exception& e) {
        std::cerr << "flight_recorder: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
