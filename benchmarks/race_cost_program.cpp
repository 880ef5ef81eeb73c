// SPDX-License-Identifier: Apache-2.0
// A test that computes and one that waits, as users write them; built three times: as it is, for
// the unannotated mode of race detection, and with the thread sanitizer. Prints nanoseconds for
// each operation. See race_cost.cpp.
#include "stopwatch.hpp"

#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/task.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace coroscope::benchmarks {
namespace {

/// Sorts numbers, counts words, multiplies matrices: one operation is a thousandth of a round.
class computation {
public:
    void run_round() {
        sort_numbers();
        count_words();
        multiply();
    }
    [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }

private:
    static constexpr std::size_t numbers = 20'000;
    static constexpr std::size_t words = 10'000;
    static constexpr std::size_t width = 64;

    [[nodiscard]] std::uint32_t next() noexcept {
        state_ = state_ * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
        return static_cast<std::uint32_t>(state_ >> 33U);
    }
    void sort_numbers() {
        std::vector<std::uint32_t> values(numbers);
        for (auto& each : values) {
            each = next();
        }
        std::sort(values.begin(), values.end());
        digest_ += values[numbers / 2];
    }
    void count_words() {
        std::unordered_map<std::string, int> counts;
        std::map<int, std::string> by_count;
        for (std::size_t i = 0; i < words; ++i) {
            counts["word " + std::to_string(next() % 500)] += 1;
        }
        for (const auto& [word, count] : counts) {
            by_count[count] = word;
        }
        digest_ += by_count.size();
    }
    void multiply() {
        std::vector<double> a(width * width, 1.5);
        std::vector<double> product(width * width);
        for (std::size_t i = 0; i < width; ++i) {
            for (std::size_t j = 0; j < width; ++j) {
                for (std::size_t k = 0; k < width; ++k) {
                    product[i * width + j] += a[i * width + k] * a[k * width + j];
                }
            }
        }
        digest_ += static_cast<std::uint64_t>(product[width]);
    }

    std::uint64_t state_ = 42;
    std::uint64_t digest_ = 0;
};

coro<> compute(computation& work, std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        work.run_round();
        co_await yield_now();
    }
}

/// What the tasks of a service share.
struct service {
    mutex lock;
    std::map<std::string, int> requests;
};

coro<> note_request(service& shared, std::string of) {
    const auto held = co_await shared.lock.scoped();
    shared.requests[of] += 1;
}

coro<> serve(service& shared, stream client) {
    for (;;) {
        const auto line = co_await client.read_line();
        if (line.empty()) { co_return; }
        co_await note_request(shared, line);
        client.write(line);
    }
}

coro<> ask(stream of, int number, std::size_t count) {
    const auto name = "client " + std::to_string(number) + '\n';
    for (std::size_t i = 0; i < count; ++i) {
        of.write(name);
        static_cast<void>(co_await of.read_line());
    }
}

coro<> run_service(service& shared, int clients, std::size_t count) {
    auto s = co_await start_server(
        [&shared](stream client) { return serve(shared, std::move(client)); }, "127.0.0.1", 0);
    std::vector<task<>> tasks;
    for (int i = 0; i < clients; ++i) {
        auto connection = co_await open_connection("127.0.0.1", s.port());
        tasks.push_back(get_running_loop().create_task(ask(std::move(connection), i, count)));
    }
    for (auto& each : tasks) {
        co_await each;
    }
    s.close();
    co_await s.wait_closed();
}

/// In the build with hooks, with a detector.
class watched_loop {
public:
    watched_loop() {
#if defined(COROSCOPE_RACE_COST_DETECTS)
        races_.attach_to(loop_);
#endif
    }
    [[nodiscard]] loop* operator->() noexcept {
        return &loop_;
    }

private:
#if defined(COROSCOPE_RACE_COST_DETECTS)
    instrumentation::race_detector races_;
#endif
    loop loop_;  // goes first
};

double run_compute(std::size_t count) {
    computation work;
    watched_loop l;
    const auto rounds = count / 1'000 + 1;
    auto task = l->create_task(compute(work, rounds));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l->run_until_complete(task);
    return watch.nanoseconds_per(rounds * 1'000);
}

double run_await(std::size_t count) {
    constexpr int clients = 8;
    const auto each = count / clients + 1;
    service shared;
    watched_loop l;
    auto task = l->create_task(run_service(shared, clients, each));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l->run_until_complete(task);
    return watch.nanoseconds_per(each * clients);
}

}  // namespace
}  // namespace coroscope::benchmarks

int main(int argc, char** argv) {
    using namespace coroscope::benchmarks;
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " compute|await COUNT\n";
        return 2;
    }
    const auto count = std::stoul(argv[2]);
    std::cout << (std::string_view(argv[1]) == "compute" ? run_compute(count) : run_await(count))
              << std::endl;
}
