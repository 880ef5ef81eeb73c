// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/step_batch.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <memory>
#include <span>
#include <thread>
#include <vector>

using namespace coroscope;
using coroscope::detail::step_batch;

namespace {

/// A step whose fields all follow from its number.
step_record numbered(std::uint64_t n) {
    step_record step;
    step.id = n;
    step.begin = n * 2;
    step.end = n * 3;
    step.kind = n % 2 == 0 ? step_kind::task : step_kind::callback;
    return step;
}

bool is_numbered(const step_record& step) {
    const auto wanted = numbered(step.id);
    return step.begin == wanted.begin && step.end == wanted.end && step.kind == wanted.kind;
}

}  // namespace

TEST_CASE("a batch of steps is copied as it is, and is empty when it has been taken") {
    step_batch batch;
    step_batch::records copy;
    CHECK(batch.copy_to(copy) == 0);
    CHECK_FALSE(batch.take([](std::span<const step_record>) { FAIL("nothing is in it"); }));
    CHECK(batch.add(numbered(1)));
    CHECK(batch.add(numbered(2)));
    REQUIRE(batch.copy_to(copy) == 2);
    CHECK(copy[0].id == 1);
    CHECK(is_numbered(copy[1]));

    std::vector<std::uint64_t> taken;
    CHECK(batch.take([&](std::span<const step_record> steps) {
        for (const auto& step : steps) {
            taken.push_back(step.id);
        }
        // Who takes it may take it again: that is nothing then.
        CHECK_FALSE(batch.take([](std::span<const step_record>) {}));
    }));
    CHECK(taken == std::vector<std::uint64_t>{1, 2});
    CHECK(batch.copy_to(copy) == 0);
}

TEST_CASE("a batch says when it is full") {
    step_batch batch;
    for (std::uint64_t n = 1; n < step_batch::capacity; ++n) {
        CHECK(batch.add(numbered(n)));
    }
    CHECK_FALSE(batch.add(numbered(step_batch::capacity)));
    step_batch::records copy;
    CHECK(batch.copy_to(copy) == step_batch::capacity);
}

TEST_CASE("copies of a batch that is filled and taken meanwhile hold whole steps in order",
          "[threads]") {
    step_batch batch;
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (std::uint64_t n = 1; !done.load(std::memory_order_relaxed); ++n) {
            if (!batch.add(numbered(n))) {
                batch.take([](std::span<const step_record>) {});
            }
        }
    });
    std::size_t copied = 0;
    const auto copy = std::make_unique<step_batch::records>();
    bool good = true;
    for (int full = 0; full < 100;) {
        const auto count = batch.copy_to(*copy);
        full += count > 0 ? 1 : 0;
        copied += count;
        for (std::size_t i = 0; i < count; ++i) {
            good = good && is_numbered((*copy)[i])
                   && (i == 0 || (*copy)[i].id == (*copy)[i - 1].id + 1);
        }
    }
    done.store(true);
    writer.join();
    CHECK(good);
    CHECK(copied > 0);
}
