// SPDX-License-Identifier: Apache-2.0
// What the library itself hands over between threads orders them.
#include <coroscope/runtime/spawn.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/threads.hpp>

#include "instrumentation/race_hooks/threaded_loop.hpp"
#include "support/catch.hpp"

#include <exception>
#include <memory>

using namespace coroscope;
using namespace std::chrono_literals;

namespace {

/// The job has nothing to do with it any more when it begins: else the last of them to let go of
/// what they share would come after the other.
struct apart {
    unseen_event may_begin;
    unseen_event is_added;
};

coro<> add_one(int& value, apart& from_job) {
    from_job.may_begin.wait();
    value += 1;
    from_job.is_added.happen();
    co_return;
}

coro<> spawn_from_job(executor& pool, int& value, bool writes_first) {
    auto& loop = get_running_loop();
    co_await loop.run_in_executor(pool, [&] {
        apart from_loop;
        if (writes_first) { value = 1; }
        spawn(loop, add_one(value, from_loop), [](std::exception_ptr) {});
        from_loop.may_begin.happen();
        from_loop.is_added.wait();
        if (!writes_first) { value = 1; }
    });
}

coro<> wait_in_job(executor& pool, int& value, bool waits_first) {
    auto& loop = get_running_loop();
    co_await loop.run_in_executor(pool, [&] {
        apart from_loop;
        const auto added = run_coroutine_threadsafe(add_one(value, from_loop), loop);
        from_loop.may_begin.happen();
        from_loop.is_added.wait();
        if (!waits_first) { value += 1; }
        static_cast<void>(added.wait_for(1h));
        if (waits_first) { value += 1; }
    });
}

}  // namespace

TEST_CASE("a coroutine that a job spawns comes after what the job did before", "[threads]") {
    const bool writes_first = GENERATE(true, false);
    threaded_loop r;
    const auto value = std::make_unique<int>(0);
    r.start(spawn_from_job(r.pool, *value, writes_first), "main");
    r.run();
    CHECK(r.rules() == (writes_first ? rule_list{} : rule_list{"thread-race"}));
}

TEST_CASE("a job that has waited for a coroutine comes after it", "[threads]") {
    const bool waits_first = GENERATE(true, false);
    threaded_loop r;
    const auto value = std::make_unique<int>(0);
    r.start(wait_in_job(r.pool, *value, waits_first), "main");
    r.run();
    CHECK(r.rules() == (waits_first ? rule_list{} : rule_list{"thread-race"}));
}
