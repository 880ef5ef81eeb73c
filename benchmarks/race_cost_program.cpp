// SPDX-License-Identifier: Apache-2.0
// A test that computes and one that waits, as users write them; built three times: as it is, for
// the unannotated mode of race detection, and with the thread sanitizer. Prints nanoseconds for
// each operation. See race_cost.cpp.
#include "stopwatch.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <array>
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

#if defined(COROSCOPE_RACE_COST_LISTENS)
/// As a detector does: remembers who accessed what last.
class listener final : public detail::access_sink {
public:
    listener() { detail::access_listener = this; }
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    ~listener() { detail::access_listener = nullptr; }

    void on_access(const detail::access& made) noexcept override {
        auto& last = last_[made.object];
        last.code[made.kind == detail::access_kind::write ? 1 : 0] = made.code;
        last.task = detail::running_loop->current->id();
    }
    void on_end_of_life(const void* begin, std::size_t bytes) noexcept override {
        const auto* const end = static_cast<const std::byte*>(begin) + bytes;
        last_.erase(last_.lower_bound(begin), last_.lower_bound(end));
    }

private:
    struct last_access {
        std::array<const void*, 2> code{};
        std::uint64_t task = 0;
    };
    std::map<const void*, last_access> last_;
};
#endif

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

/// What tasks of a service share.
struct service {
    mutex lock;
    queue<int> requests{4};
    std::map<int, std::string> sessions;
};

coro<std::size_t> answer(service& shared, int request) {
    auto held = co_await shared.lock.scoped();
    auto& session = shared.sessions[request % 50];
    session = "request " + std::to_string(request);
    co_await yield_now();
    co_return session.size();
}

coro<> serve(service& shared, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const int request = co_await shared.requests.get();
        co_await answer(shared, request);
    }
}

coro<> ask(service& shared, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await shared.requests.put(static_cast<int>(i));
    }
}

double run_compute(std::size_t count) {
    computation work;
    loop l;
    const auto rounds = count / 1'000 + 1;
    auto task = l.create_task(compute(work, rounds));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l.run_until_complete(task);
    return watch.nanoseconds_per(rounds * 1'000);
}

double run_await(std::size_t count) {
    constexpr std::size_t pairs = 8;
    service shared;
    loop l;
    const auto each = count / pairs + 1;
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < pairs; ++i) {
        tasks.push_back(l.create_task(serve(shared, each)));
        tasks.push_back(l.create_task(ask(shared, each)));
    }
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (auto& task : tasks) {
        l.run_until_complete(task);
    }
    return watch.nanoseconds_per(each * pairs);
}

}  // namespace
}  // namespace coroscope::benchmarks

int main(int argc, char** argv) {
    using namespace coroscope::benchmarks;
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " compute|await COUNT\n";
        return 2;
    }
#if defined(COROSCOPE_RACE_COST_LISTENS)
    const listener heard;
#endif
    const auto count = std::stoul(argv[2]);
    std::cout << (std::string_view(argv[1]) == "compute" ? run_compute(count) : run_await(count))
              << std::endl;
}
