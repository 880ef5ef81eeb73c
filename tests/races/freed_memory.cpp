// SPDX-License-Identifier: Apache-2.0
#include "races/freed_memory.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <memory>
#include <utility>
#include <vector>

using namespace coroscope;

namespace {

constexpr int late = 6;

coro<> wait_steps(int steps) {
    for (int i = 0; i < steps; ++i) {
        co_await yield_now();
    }
}

coro<> add_one(int* number) {
    co_await wait_steps(2);
    *number += 1;
}

coro<> add_to_owned(std::shared_ptr<int> number) {
    co_await add_one(number.get());
}

template <class Owner>
coro<> reset(Owner& owner) {
    co_await wait_steps(late);
    owner.reset();
}

coro<> sum_up(const std::vector<int>& numbers, int& sum) {
    for (const auto& each : numbers) {
        sum += each;
        co_await yield_now();
    }
}

coro<> add_number(std::vector<int>& numbers) {
    co_await wait_steps(late);
    numbers.push_back(4);
}

}  // namespace

coro<> number_that_is_freed_late() {
    auto number = std::make_unique<int>(1);
    co_await gather(add_one(number.get()), reset(number));
}

coro<> vector_that_grows_late() {
    std::vector<int> numbers(3);
    int sum = 0;
    co_await gather(sum_up(numbers, sum), add_number(numbers));
}

coro<> number_that_is_owned() {
    auto number = std::make_shared<int>(1);
    co_await gather(add_to_owned(number), reset(number));
}
