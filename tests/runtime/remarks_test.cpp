// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/stream_pair.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <array>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace std::chrono_literals;

namespace {

struct listener final : observer {
    struct heard {
        remark_kind kind;
        std::uint64_t task;
        std::string task_name;
        std::uint32_t line;
        std::string what;
        std::string text;
        std::size_t amount;
        bool has_code;
    };
    void on_remark(const remark& made) noexcept override {
        all.push_back({made.kind, made.task_id, std::string(made.task_name), made.site.line(),
                       made.what, std::string(made.text), made.amount, made.code != nullptr});
    }
    std::vector<heard> all;
};

struct heard_loop {
    explicit heard_loop(loop_options options = {}) : v(options) { v.loop.add_observer(ears); }
    listener ears;
    virtual_loop v;
};

coro<> nothing() {
    co_return;
}

coro<> drop_one(std::uint32_t& line) {
    line = __LINE__ + 1;
    co_await yield_now();
    static_cast<void>(nothing());
}

coro<> fail() {
    co_await yield_now();
    throw std::runtime_error("failed");
}

coro<> try_queue() {
    queue<int> q(1);
    try {
        static_cast<void>(q.get_nowait());
    } catch (const queue_empty&) {}
    q.put_nowait(1);
    try {
        q.put_nowait(2);
    } catch (const queue_full&) {}
    co_return;
}

coro<> lock_and_unlock(mutex& m, std::uint32_t& line) {
    line = __LINE__ + 1;
    co_await m.lock();
    m.unlock();
    semaphore s(1);
    co_await s.acquire();
    s.release();
}

coro<> wait_with_much() {
    std::array<char, 5000> much{};
    much[0] = 'x';
    co_await yield_now();
    CHECK(much[0] == 'x');
}

coro<> call_large() {
    co_await wait_with_much();
}

coro<> read_on() {
    auto ends = co_await stream_pair::connect();
    ends.client.close();
    for (int i = 0; i < 3; ++i) {
        const auto bytes = co_await ends.peer.read(100);
        CHECK(bytes.empty());
    }
}

coro<> sleep_an_hour() {
    co_await sleep_for(1h);
}

}  // namespace

TEST_CASE("remarks: a coroutine that was dropped unstarted, by whom, and after which await") {
    heard_loop h;
    std::uint32_t line = 0;
    h.v.loop.run_until_complete(h.v.loop.create_task(drop_one(line), "dropper"));
    REQUIRE(h.ears.all.size() == 1);
    const auto& made = h.ears.all[0];
    CHECK(made.kind == remark_kind::never_awaited);
    CHECK(made.task == 1);
    CHECK(made.task_name == "dropper");
    CHECK(made.line == line);
    CHECK(made.has_code);
}

TEST_CASE("remarks: lost exceptions of tasks and futures, and tasks that a closing loop destroys") {
    heard_loop h;
    auto& l = h.v.loop;
    static_cast<void>(l.create_task(fail(), "writer"));
    l.run_forever();
    l.create_future().set_exception(std::runtime_error("unset"));
    static_cast<void>(l.create_task(sleep_an_hour(), "sleeper"));
    l.close();
    REQUIRE(h.ears.all.size() == 3);
    CHECK(h.ears.all[0].kind == remark_kind::lost_exception);
    CHECK(h.ears.all[0].task_name == "writer");
    CHECK(h.ears.all[0].text == "failed");
    CHECK(h.ears.all[1].kind == remark_kind::lost_exception);
    CHECK(h.ears.all[1].task == 0);
    CHECK(h.ears.all[2].kind == remark_kind::destroyed_pending);
    CHECK(h.ears.all[2].task_name == "sleeper");
}

TEST_CASE("remarks: attempts at a queue that come to nothing") {
    heard_loop h;
    h.v.loop.run_until_complete(try_queue());
    REQUIRE(h.ears.all.size() == 2);
    CHECK(h.ears.all[0].kind == remark_kind::nothing_there);
    CHECK(h.ears.all[0].what == "queue::get_nowait");
    CHECK(h.ears.all[1].what == "queue::put_nowait");
}

TEST_CASE("remarks: locks that nobody else wanted, and where they were taken") {
    heard_loop h;
    mutex m;
    std::uint32_t line = 0;
    h.v.loop.run_until_complete(lock_and_unlock(m, line));
    REQUIRE(h.ears.all.size() == 2);
    CHECK(h.ears.all[0].kind == remark_kind::passed_through);
    CHECK(h.ears.all[0].what == "mutex::unlock");
    CHECK(h.ears.all[0].line == line);
    CHECK(h.ears.all[1].what == "semaphore::release");
}

TEST_CASE("remarks: the end of a stream, from the second time that it is read") {
    heard_loop h;
    h.v.loop.run_until_complete(read_on());
    REQUIRE(h.ears.all.size() == 2);
    CHECK(h.ears.all[0].kind == remark_kind::end_again);
    CHECK(h.ears.all[0].what == "stream::read");
    CHECK(h.ears.all[0].amount == 1);
    CHECK(h.ears.all[1].amount == 2);
}

TEST_CASE("remarks: a frame that is too large for the slabs") {
    heard_loop h;
    h.v.loop.run_until_complete(call_large());
    REQUIRE(h.ears.all.size() == 1);
    CHECK(h.ears.all[0].kind == remark_kind::large_block);
    CHECK(h.ears.all[0].amount >= 5000);
}

TEST_CASE("remarks: a call from a wrong thread is told on the loop's own", "[threads]") {
    loop_options options;
    options.debug = true;
    heard_loop h(options);
    auto& l = h.v.loop;
    h.v.clock.waits_for_others = true;
    l.call_soon([&l] {
        std::thread other([&l] {
            CHECK_THROWS_AS(l.call_soon([] {}), std::logic_error);
            l.stop_threadsafe();
        });
        other.join();
    });
    l.run_forever();
    REQUIRE(h.ears.all.size() == 1);
    CHECK(h.ears.all[0].kind == remark_kind::wrong_thread);
    CHECK(h.ears.all[0].what == "loop::call_soon");
    CHECK(h.ears.all[0].text.find("use call_soon_threadsafe") != std::string::npos);
}

TEST_CASE("remarks are nobody's where no observer wants them") {
    virtual_loop v;
    std::uint32_t line = 0;
    v.loop.run_until_complete(drop_one(line));
    CHECK_FALSE(v.loop.core().wants(hook::remark));
}
