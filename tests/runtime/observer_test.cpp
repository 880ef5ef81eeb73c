// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/observer.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::edge_kind;
using coroscope::hook;
using coroscope::step_kind;
using coroscope::step_record;
using coroscope::task_info;
using coroscope::task_outcome;
using namespace std::chrono_literals;

namespace {

/// Overrides everything and writes it down.
struct recorder final : coroscope::observer {
    void on_task_created(const task_info& t) noexcept override {
        said.push_back("created " + std::string(t.name));
    }
    void on_task_finished(const task_info& t, task_outcome o) noexcept override {
        const char* names[] = {"result", "exception", "cancelled"};
        said.push_back("finished " + std::string(t.name) + " "
                       + names[static_cast<std::size_t>(o)]);
    }
    void on_steps(std::span<const step_record> records) noexcept override {
        ++batches;
        steps.insert(steps.end(), records.begin(), records.end());
    }
    void on_task_woken(const task_info& t) noexcept override {
        said.push_back("woken " + std::string(t.name));
    }
    void on_tick(std::size_t, std::size_t) noexcept override { ++ticks; }
    void on_callback_begins(std::uint64_t id, coroscope::await_site) noexcept override {
        said.push_back("begins");
        last_handle = id;
    }
    void on_callback_ends(std::uint64_t id) noexcept override {
        said.push_back(id == last_handle ? "ends" : "ends another");
    }
    void on_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept override {
        edges.emplace_back(kind, from, to);
    }
    void on_exception(const coroscope::exception_context& c) noexcept override {
        said.push_back("exception " + coroscope::describe(c.exception));
    }
    void on_frame(std::ptrdiff_t bytes) noexcept override {
        frame_bytes += bytes;
        ++frames;
    }
    void on_slow_step(const step_record& step) noexcept override {
        slow_steps.push_back(step);
        last_of_batch += !steps.empty() && steps.back().end == step.end ? 1U : 0U;
    }
    void on_slow_threshold(coroscope::duration d) noexcept override { thresholds.push_back(d); }
    void on_remark(const coroscope::remark& made) noexcept override {
        remarks.push_back(made.kind);
    }

    std::vector<std::string> said;
    std::vector<step_record> steps;
    std::vector<step_record> slow_steps;
    std::size_t last_of_batch = 0;  ///< slow steps told right after the batch that ends with them
    std::vector<coroscope::duration> thresholds;
    std::vector<coroscope::remark_kind> remarks;
    std::vector<std::tuple<edge_kind, std::uint64_t, std::uint64_t>> edges;
    std::uint64_t last_handle = 0;
    std::ptrdiff_t frame_bytes = 0;
    int frames = 0;
    int ticks = 0;
    int batches = 0;
};

coro<> two_steps() {
    co_await coroscope::yield_now();
}

coro<> fail() {
    co_await coroscope::yield_now();
    throw std::runtime_error("failed");
}

struct only_finish final : coroscope::observer {
    void on_task_finished(const task_info&, task_outcome) noexcept override { ++count; }
    int count = 0;
};

}  // namespace

TEST_CASE("observers are filed by the hooks their static type overrides") {
    using coroscope::detail::overridden_hooks;
    STATIC_REQUIRE(overridden_hooks<only_finish>()
                   == static_cast<coroscope::hook_set>(hook::task_finished));
    STATIC_REQUIRE(overridden_hooks<recorder>() == (1U << 13U) - 1);
    virtual_loop v;
    only_finish o;
    CHECK_FALSE(v.loop.core().wants(hook::task_finished));
    v.loop.add_observer(o);
    CHECK(v.loop.core().wants(hook::task_finished));
    CHECK_FALSE(v.loop.core().wants(hook::steps));
    v.loop.create_task(two_steps());
    v.loop.run_forever();
    CHECK(o.count == 1);
    v.loop.remove_observer(o);
    CHECK_FALSE(v.loop.core().wants(hook::task_finished));
}

TEST_CASE("an observer of unknown static type says itself what it wants") {
    struct modest final : coroscope::observer {
        coroscope::hook_set hooks() const noexcept override {
            return static_cast<coroscope::hook_set>(hook::tick);
        }
        void on_tick(std::size_t, std::size_t) noexcept override { ++ticks; }
        void on_task_finished(const task_info&, task_outcome) noexcept override { ++ticks; }
        int ticks = 0;
    };
    virtual_loop v;
    modest m;
    coroscope::observer& erased = m;
    v.loop.add_observer(erased);
    CHECK_FALSE(v.loop.core().wants(hook::task_finished));
    v.loop.create_task(two_steps());
    v.loop.stop();
    v.loop.run_forever();
    CHECK(m.ticks == 1);
}

TEST_CASE("a task's life is told in order: created, woken, finished") {
    virtual_loop v;
    recorder r;
    v.loop.add_observer(r);
    auto sleeps = []() -> coro<> {
        co_await coroscope::sleep_for(1s);
    };
    v.loop.create_task(sleeps(), "good");
    auto bad = v.loop.create_task(fail(), "bad");
    auto never = v.loop.create_task(two_steps(), "never");
    never.cancel();
    v.loop.run_forever();
    bad.core().mark_retrieved();
    v.loop.remove_observer(r);
    CHECK(r.said
          == std::vector<std::string>{"created good", "created bad", "created never",
                                      "finished never cancelled", "finished bad exception",
                                      "woken good", "finished good result"});
}

TEST_CASE("a lost exception is told to observers") {
    virtual_loop v;
    recorder r;
    v.loop.add_observer(r);
    v.loop.call_soon([] { throw std::runtime_error("from a callback"); });
    v.loop.run_forever();
    v.loop.remove_observer(r);
    CHECK(r.said == std::vector<std::string>{"begins", "exception from a callback", "ends"});
}

TEST_CASE("steps come oldest first, do not overlap, and say where from and where to") {
    virtual_loop v;
    recorder r;
    v.loop.add_observer(r);
    auto t = v.loop.create_task(two_steps(), "t");
    auto h = v.loop.call_soon([] {});
    v.loop.run_forever();
    v.loop.remove_observer(r);
    REQUIRE(r.steps.size() == 3);
    CHECK(r.steps[0].id == t.id());
    CHECK(r.steps[0].kind == step_kind::task);
    CHECK(r.steps[0].from.line() == 0);
    CHECK(coroscope::function_name(r.steps[0].to).find("two_steps") != std::string::npos);
    CHECK(r.steps[1].kind == step_kind::callback);
    CHECK(r.steps[1].id == h.id());
    CHECK(r.steps[1].from.line() != 0);
    CHECK(r.steps[2].from.line() == r.steps[0].to.line());
    CHECK(r.steps[2].to.line() == 0);
    CHECK(r.steps[0].end <= r.steps[1].begin);  // a poll in between is nobody's step
    CHECK(r.steps[0].begin <= r.steps[0].end);
    CHECK(r.ticks >= 2);
}

TEST_CASE("steps are batched, and arrive before the end of their task is told") {
    virtual_loop v;
    recorder r;
    v.loop.add_observer(r);
    auto many = [](const recorder& rec, int& seen) -> coro<> {
        for (int i = 0; i < 1000; ++i) {
            co_await coroscope::yield_now();
        }
        seen = rec.batches;
    };
    int batches = 0;
    v.loop.create_task(many(r, batches));
    v.loop.run_forever();
    CHECK(r.steps.size() == 1001);
    CHECK(batches >= 3);
    CHECK(batches < 20);
    v.loop.remove_observer(r);
}

TEST_CASE("with a threshold of zero every step is told at once") {
    virtual_loop v;
    recorder r;
    v.loop.set_slow_callback_duration(0ns);
    v.loop.add_observer(r);
    v.loop.create_task(two_steps());
    v.loop.stop();
    v.loop.run_forever();
    CHECK(r.batches >= 1);
    CHECK(r.steps.size() == 1);
    v.loop.remove_observer(r);
}

TEST_CASE("a slow step is told right after the batch that ends with it, and no other is") {
    virtual_loop v;
    recorder r;
    v.loop.add_observer(r);
    v.loop.set_slow_callback_duration(0ns);
    auto main = v.loop.create_task(two_steps());
    v.loop.call_soon([&v] { v.loop.set_slow_callback_duration(1h); });
    v.loop.run_until_complete(main);
    REQUIRE(r.slow_steps.size() == 1);
    CHECK(r.slow_steps[0].kind == step_kind::task);
    CHECK(r.slow_steps[0].id == main.id());
    CHECK(r.slow_steps[0].record != nullptr);
    CHECK(r.slow_steps[0].from.line() == 0);
    CHECK(r.slow_steps[0].to.line() != 0);
    CHECK(r.last_of_batch == 1);
    v.loop.remove_observer(r);
}

TEST_CASE("whoever wants slow steps alone gets them without batches of the others") {
    struct slow_only final : coroscope::observer {
        void on_slow_step(const step_record& step) noexcept override { kinds.push_back(step.kind); }
        std::vector<step_kind> kinds;
    };
    virtual_loop v;
    slow_only o;
    v.loop.add_observer(o);
    CHECK_FALSE(v.loop.core().wants(hook::steps));
    v.loop.set_slow_callback_duration(0ns);
    v.loop.call_soon([] {});
    v.loop.run_until_complete(two_steps());
    CHECK(o.kinds == std::vector{step_kind::callback, step_kind::task, step_kind::task});
    v.loop.set_slow_callback_duration(1h);
    v.loop.run_until_complete(two_steps());
    CHECK(o.kinds.size() == 3);
}

TEST_CASE("the threshold of slow steps is told at each run's start and when it changes in one") {
    virtual_loop v;
    recorder r;
    recorder late;
    v.loop.set_slow_callback_duration(3s);
    v.loop.add_observer(r);
    v.loop.set_slow_callback_duration(2s);
    CHECK(r.thresholds.empty());
    v.loop.call_soon([&] {
        v.loop.add_observer(late);
        v.loop.set_slow_callback_duration(1s);
    });
    v.loop.run_until_complete(two_steps());
    CHECK(r.thresholds == std::vector<coroscope::duration>{2s, 1s});
    CHECK(late.thresholds == std::vector<coroscope::duration>{2s, 1s});
    v.loop.remove_observer(r);
    v.loop.remove_observer(late);
}

TEST_CASE("edges say who made, woke and was awaited by whom") {
    virtual_loop v;
    recorder r;
    v.loop.add_observer(r);
    auto child = [](coroscope::future<> f) -> coro<> {
        co_await f;
    };
    auto parent = [](coroscope::loop& l, coro<> c, coroscope::future<> f) -> coro<> {
        auto t = l.create_task(std::move(c));
        co_await coroscope::sleep_for(1s);
        f.set_result();
        co_await t;
    };
    auto f = v.loop.create_future<>();
    v.loop.run_until_complete(parent(v.loop, child(f), f));
    v.loop.remove_observer(r);
    using edge = std::tuple<edge_kind, std::uint64_t, std::uint64_t>;
    CHECK(r.edges
          == std::vector<edge>{edge(edge_kind::spawn, 0, 1), edge(edge_kind::spawn, 1, 2),
                               edge(edge_kind::timer, 1, 1), edge(edge_kind::future, 1, 2),
                               edge(edge_kind::join, 2, 1)});
}

TEST_CASE("frames are told while the loop runs, and what is allocated is freed") {
    virtual_loop v;
    recorder r;
    v.loop.add_observer(r);
    auto outer = []() -> coro<> {
        for (int i = 0; i < 3; ++i) {
            co_await two_steps();
        }
    };
    auto make = [](coroscope::loop& l, coro<> (*f)()) -> coro<> {
        co_await l.create_task(f());
    };
    auto work = make(v.loop, +outer);
    CHECK(r.frames == 0);
    auto keep = v.loop.create_task(std::move(work));
    v.loop.run_forever();
    v.loop.remove_observer(r);
    CHECK(r.frames == 4 + 4 + 1);
    CHECK(r.frame_bytes < 0);  // the first frame was allocated before the run
}

TEST_CASE("watching one loop does not disturb the frame hook of the one that runs") {
    virtual_loop running;
    virtual_loop other;
    recorder r;
    recorder s;
    running.loop.add_observer(r);
    auto body = [](coroscope::loop& l, recorder& rec) -> coro<> {
        l.add_observer(rec);
        l.remove_observer(rec);
        co_await two_steps();
    };
    auto t = running.loop.create_task(body(other.loop, s));
    running.loop.run_forever();
    running.loop.remove_observer(r);
    CHECK(r.frames == 3);
    CHECK(s.frames == 0);
}

TEST_CASE("an observer may remove itself, or another, inside a hook") {
    struct quitter final : coroscope::observer {
        coroscope::loop* from = nullptr;
        coroscope::observer* also = nullptr;
        int told = 0;
        void on_task_finished(const task_info&, task_outcome) noexcept override {
            ++told;
            from->remove_observer(*this);
            if (also != nullptr) { from->remove_observer(*also); }
        }
    };
    virtual_loop v;
    quitter q;
    only_finish removed;
    only_finish stays;
    q.from = &v.loop;
    q.also = &removed;
    v.loop.add_observer(q);
    v.loop.add_observer(removed);
    v.loop.add_observer(stays);
    v.loop.create_task(two_steps());
    v.loop.create_task(two_steps());
    v.loop.run_forever();
    CHECK(q.told == 1);
    CHECK(removed.count == 0);
    CHECK(stays.count == 2);
}

TEST_CASE("an observer may be replaced inside a hook, and nobody is told twice or skipped") {
    struct replacer final : coroscope::observer {
        coroscope::loop* of = nullptr;
        coroscope::observer* old = nullptr;
        only_finish* fresh = nullptr;
        void on_task_finished(const task_info&, task_outcome) noexcept override {
            if (old != nullptr) {
                of->remove_observer(*std::exchange(old, nullptr));
                of->add_observer(*fresh);
            }
        }
    };
    virtual_loop v;
    only_finish old;
    replacer middle;
    only_finish last;
    only_finish fresh;
    middle.of = &v.loop;
    middle.old = &old;
    middle.fresh = &fresh;
    v.loop.add_observer(old);
    v.loop.add_observer(middle);
    v.loop.add_observer(last);
    v.loop.create_task(two_steps());
    v.loop.create_task(two_steps());
    v.loop.run_forever();
    CHECK(old.count == 1);
    CHECK(last.count == 2);
    CHECK(fresh.count >= 1);
    CHECK(fresh.count <= 2);
}

TEST_CASE("removing an observer that is not attached does nothing") {
    virtual_loop v;
    only_finish o;
    v.loop.remove_observer(o);
    v.loop.create_task(two_steps());
    v.loop.run_forever();
    CHECK(o.count == 0);
}

TEST_CASE("step stamps are real time, whatever clock the loop runs under") {
    const auto a = coroscope::step_clock::now();
    const auto before = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - before < 2ms) {}
    const auto b = coroscope::step_clock::now();
    CHECK(coroscope::step_clock::between(a, b) >= 1900us);
    CHECK(coroscope::step_clock::between(b, a) == 0ns);
    CHECK(coroscope::step_clock::at(b) - coroscope::step_clock::at(a) >= 1900us);
    const auto off = std::chrono::steady_clock::now() - coroscope::step_clock::at(b);
    CHECK(off < 10s);
    CHECK(off > -10s);
}
