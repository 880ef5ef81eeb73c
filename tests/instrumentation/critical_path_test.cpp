// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/critical_path.hpp>

#include <coroscope/instrumentation/flight_recorder.hpp>
#include <coroscope/report/profile_export.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// What holds of every path: the pieces follow each other without a gap, from 0 to the end.
critical_path checked(const std::optional<critical_path>& found) {
    REQUIRE(found.has_value());
    duration at{};
    for (const auto& piece : found->pieces) {
        REQUIRE(piece.from == at);
        REQUIRE(piece.to >= piece.from);
        REQUIRE((piece.explains == path_wait::none || piece.explains < found->waits.size()));
        at = piece.to;
    }
    CHECK(at == found->elapsed);
    const auto profile = to_profile(*found);
    CHECK(report::total(profile, 0) == found->elapsed.count());
    return *found;
}

template <class Task>
critical_path path_of(const flight_recorder& recorder, const Task& task) {
    return checked(find_critical_path(recorder, task.id()));
}

duration sum_of(const critical_path& path, const std::string& name, path_state state,
                wait_kind kind = wait_kind::nothing) {
    duration sum{};
    for (const auto& p : path.pieces) {
        if (p.name == name && p.state == state && p.waits_for == kind) { sum += p.length(); }
    }
    return sum;
}

const path_piece* first_of(const critical_path& path, const std::string& name, path_state state) {
    const auto found =
        std::find_if(path.pieces.begin(), path.pieces.end(),
                     [&](const path_piece& p) { return p.name == name && p.state == state; });
    return found == path.pieces.end() ? nullptr : &*found;
}

coro<> yield_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

constexpr auto work = 2ms;

coro<> hold(mutex& m, event& held) {
    const auto lock = co_await m.scoped();
    held.set();
    for (int i = 0; i < 5; ++i) {  // two, until the child has come to the mutex, and three more
        co_await yield_now();
        busy_wait(work);
    }
}
coro<> lock_after(mutex& m) {
    const auto lock = co_await m.scoped();
}
coro<> request(mutex& m) {
    const auto child = get_running_loop().create_task(lock_after(m), "child");
    co_await child;
}

struct watched_loop_of_test {
    flight_recorder recorder;
    loop l;
    watched_loop_of_test() { l.add_observer(recorder); }
};

coro<> serve(mutex& m, event& held, task<>& made) {
    auto& here = get_running_loop();
    const auto holder = here.create_task(hold(m, held), "holder");
    co_await held.wait();
    made = here.create_task(request(m), "request");
    co_await made;
    co_await holder;
}

TEST_CASE("a wait for a child that waits for a mutex is what its holder did", "[critical_path]") {
    mutex m;
    event held;
    task<> asked;
    watched_loop_of_test t;
    t.l.run_until_complete(serve(m, held, asked));

    const auto path = path_of(t.recorder, asked);
    CHECK(path.name == "request");
    CHECK(path.has_ended);
    CHECK(!path.is_cut_off);
    CHECK(sum_of(path, "holder", path_state::running) >= 3 * work);
    CHECK(path.elapsed >= 5 * work);
    const auto* piece = first_of(path, "holder", path_state::running);
    REQUIRE(piece != nullptr);
    REQUIRE(piece->explains != path_wait::none);
    const auto inner = path.waits[piece->explains];
    CHECK(inner.waits_for == wait_kind::mutex);
    CHECK(function_name(inner.at).ends_with("lock_after"));
    REQUIRE(inner.within != path_wait::none);
    const auto outer = path.waits[inner.within];
    CHECK(outer.waits_for == wait_kind::task);
    CHECK(outer.task == asked.id());
    CHECK(outer.within == path_wait::none);
    // Nobody waited for anything that no task did.
    CHECK(std::none_of(path.pieces.begin(), path.pieces.end(), [](const path_piece& p) {
        return p.state == path_state::waiting || p.state == path_state::not_recorded;
    }));
    CHECK(find_critical_path(t.recorder, "request")->task == asked.id());
}

TEST_CASE("a path as a profile leads from what was done to the task's own await",
          "[critical_path]") {
    mutex m;
    event held;
    task<> asked;
    watched_loop_of_test t;
    t.l.run_until_complete(serve(m, held, asked));
    const auto profile = to_profile(path_of(t.recorder, asked));
    CHECK(profile.kind == "critical_path");
    REQUIRE(profile.values.size() == 1);
    CHECK(profile.values[0].name == "elapsed");
    const auto of_holder =
        std::find_if(profile.samples.begin(), profile.samples.end(), [&](const auto& s) {
            return s.task == "holder" && profile.frames[s.stack[0]].function == "[running]";
        });
    REQUIRE(of_holder != profile.samples.end());
    std::vector<std::string> functions;
    for (const auto at : of_holder->stack) {
        functions.push_back(profile.frames[at].function);
    }
    REQUIRE(functions.size() == 4);
    CHECK(functions[1].ends_with("hold"));
    CHECK(functions[2].ends_with("lock_after"));
    CHECK(functions[3].ends_with("request"));
    CHECK(report::flame_graph_html(profile, 0, "request").find("lock_after") != std::string::npos);
}

coro<> sleep_long() {
    co_await sleep_for(1h);
}

TEST_CASE("a sleep is nobody's, and takes the real time that it took", "[critical_path]") {
    manual_clock clock;
    loop_options options;
    options.clock = &clock;
    flight_recorder recorder;
    loop l(options);
    l.add_observer(recorder);
    const auto sleeper = l.create_task(sleep_long(), "sleeper");
    l.run_until_complete(sleeper);
    const auto path = path_of(recorder, sleeper);
    const auto* slept = first_of(path, "sleeper", path_state::waiting);
    REQUIRE(slept != nullptr);
    CHECK(slept->waits_for == wait_kind::sleep);
    CHECK(function_name(slept->at).ends_with("sleep_long"));
    CHECK(path.waits.empty());
    CHECK(path.elapsed < 1h);
}

coro<> sleep_not() {
    co_await sleep_for(0s);
    co_await yield_now();
    co_await sleep_for(0s);
}

TEST_CASE("a sleep that is over at once waits for its turn only", "[critical_path]") {
    watched_loop_of_test t;
    const auto sleeper = t.l.create_task(sleep_not(), "sleeper");
    t.l.run_until_complete(sleeper);
    CHECK(first_of(path_of(t.recorder, sleeper), "sleeper", path_state::waiting) == nullptr);
}

coro<> offload(std::atomic<bool>& may_end) {
    auto job = [&may_end] {
        while (!may_end) {
            std::this_thread::yield();
        }
    };
    co_await get_running_loop().run_in_executor(job);
}
coro<> let_go(std::atomic<bool>& may_end) {
    co_await yield_often(10);
    may_end = true;
}

TEST_CASE("a job in an executor is no task's doing", "[critical_path]") {
    std::atomic<bool> may_end{false};
    watched_loop_of_test t;
    const auto waiter = t.l.create_task(offload(may_end), "offloader");
    t.l.create_task(let_go(may_end));
    t.l.run_until_complete(waiter);
    t.l.shutdown_default_executor();
    const auto path = path_of(t.recorder, waiter);
    const auto* waited = first_of(path, "offloader", path_state::waiting);
    REQUIRE(waited != nullptr);
    CHECK(waited->waits_for == wait_kind::executor);
    CHECK(path.waits.empty());
}

coro<> wait_for(event& e) {
    co_await e.wait();
}

TEST_CASE("what a callback did is in the path of whom it woke", "[critical_path]") {
    event e;
    watched_loop_of_test t;
    const auto waiter = t.l.create_task(wait_for(e), "waiter");
    std::thread other;
    SECTION("of the loop") {
        t.l.call_soon([&t, &e] {
            t.l.call_soon([&e] {
                busy_wait(work);
                e.set();
            });
        });
    }
    SECTION("of another thread") {
        other = std::thread([&t, &e] {
            t.l.call_soon_threadsafe([&e] {
                busy_wait(work);
                e.set();
            });
        });
    }
    t.l.run_until_complete(waiter);
    if (other.joinable()) { other.join(); }
    const auto path = path_of(t.recorder, waiter);
    const auto* ran = first_of(path, "a callback", path_state::running);
    REQUIRE(ran != nullptr);
    CHECK(ran->task == 0);
    CHECK(sum_of(path, "a callback", path_state::running) > work / 2);
}

coro<> set_soon(event& e) {
    busy_wait(work);
    e.set();
    co_return;
}
coro<> create_setter(event& e) {
    co_await yield_now();
    busy_wait(work);
    get_running_loop().create_task(set_soon(e), "setter");
}

TEST_CASE("before a waker was created its creator explains the wait", "[critical_path]") {
    event e;
    watched_loop_of_test t;
    const auto waiter = t.l.create_task(wait_for(e), "waiter");
    t.l.create_task(create_setter(e), "creator");
    t.l.run_until_complete(waiter);
    const auto path = path_of(t.recorder, waiter);
    CHECK(sum_of(path, "creator", path_state::running) >= work);
    CHECK(sum_of(path, "setter", path_state::running) > work / 2);
}

coro<> ask_for_own_path(const flight_recorder& recorder, critical_path& mine,
                        critical_path& of_waiting, event& e) {
    auto& here = get_running_loop();
    const auto waiter = here.create_task(wait_for(e), "waiter");
    const auto joiner = here.create_task(
        [](task<> of) -> coro<> {
            co_await of;
        }(waiter),
        "joiner");
    co_await yield_often(3);
    busy_wait(work);
    mine = checked(find_critical_path(recorder, current_task().id()));
    of_waiting = checked(find_critical_path(recorder, joiner.id()));
    e.set();
    co_await joiner;
}

TEST_CASE("a path of what has not ended goes up to now", "[critical_path]") {
    event e;
    critical_path mine;
    critical_path of_waiting;
    watched_loop_of_test t;
    const auto asker = t.l.create_task(ask_for_own_path(t.recorder, mine, of_waiting, e), "asker");
    t.l.run_until_complete(asker);
    CHECK(!mine.has_ended);
    REQUIRE(!mine.pieces.empty());
    CHECK(mine.pieces.back().state == path_state::running);
    CHECK(mine.pieces.back().length() >= work);
    // Whom it awaits waits for an event that nobody has set yet.
    CHECK(!of_waiting.has_ended);
    const auto& last = of_waiting.pieces.back();
    CHECK(last.name == "waiter");
    CHECK(last.state == path_state::waiting);
    CHECK(last.waits_for == wait_kind::event);
    CHECK(last.length() >= work);
}

TEST_CASE("what is older than the recorder is not recorded", "[critical_path]") {
    event e;
    loop l;
    const auto old = l.create_task(wait_for(e), "old");
    l.run_until_complete(yield_often(2));
    flight_recorder recorder;
    l.add_observer(recorder);
    const auto young = l.create_task(
        [](task<> t) -> coro<> {
            co_await t;
        }(old),
        "young");
    l.run_until_complete(yield_often(2));
    e.set();
    l.run_until_complete(young);
    const auto path = path_of(recorder, old);
    CHECK(path.is_cut_off);
    CHECK(critical_path_text(path).find("attach it earlier") != std::string::npos);
    const auto of_young = path_of(recorder, young);
    CHECK(!of_young.is_cut_off);
    const auto* waited = first_of(of_young, "old", path_state::waiting);
    REQUIRE(waited != nullptr);
    CHECK(waited->waits_for == wait_kind::event);
    CHECK(!find_critical_path(recorder, 12345).has_value());
    CHECK(!find_critical_path(recorder, "nobody").has_value());
    l.remove_observer(recorder);
}

TEST_CASE("what the recorder has overwritten is not made up", "[critical_path]") {
    flight_recorder recorder({1024});
    event e;
    loop l;
    l.add_observer(recorder);
    const auto first = l.create_task(wait_for(e), "first");
    l.run_until_complete(yield_often(5000));
    const auto joins = l.create_task(
        [](task<> t) -> coro<> {
            co_await t;
        }(first),
        "joins");
    e.set();
    l.run_until_complete(joins);
    const auto path = path_of(recorder, first);
    CHECK(path.is_cut_off);
    CHECK(path.overwritten > 0);
    CHECK(!path_of(recorder, joins).is_cut_off);
}

TEST_CASE("of a task that has outlived the recorder's ring the end is known", "[critical_path]") {
    flight_recorder recorder({1024});
    loop l;
    l.add_observer(recorder);
    const auto busy = l.create_task(yield_often(5000), "busy");
    l.run_until_complete(busy);
    const auto path = path_of(recorder, busy);
    CHECK(path.is_cut_off);
    CHECK(path.pieces.size() > 500);
    CHECK(first_of(path, "busy", path_state::not_recorded) == nullptr);
}

coro<> join_chain(int depth) {
    if (depth == 0) {
        co_await yield_often(2);
        co_return;
    }
    const auto next = get_running_loop().create_task(join_chain(depth - 1));
    co_await next;
}

TEST_CASE("a chain of very many tasks is followed, up to a limit", "[critical_path]") {
    watched_loop_of_test t;
    const auto first = t.l.create_task(join_chain(1010));
    t.l.run_until_complete(first);
    const auto path = path_of(t.recorder, first);
    CHECK(path.waits.size() >= 1000);
    CHECK(std::any_of(path.pieces.begin(), path.pieces.end(), [](const path_piece& p) {
        return p.state == path_state::waiting && p.waits_for == wait_kind::task;
    }));
}

coro<> give_up(task<> whom) {
    co_await yield_now();
    busy_wait(work);
    whom.cancel();
}

TEST_CASE("who cancels a wait explains it", "[critical_path]") {
    event never;
    watched_loop_of_test t;
    const auto waiter = t.l.create_task(wait_for(never), "waiter");
    t.l.create_task(give_up(waiter), "canceller");
    CHECK_THROWS_AS(t.l.run_until_complete(waiter), cancelled_error);
    const auto path = path_of(t.recorder, waiter);
    CHECK(path.has_ended);
    CHECK(sum_of(path, "canceller", path_state::running) > work / 2);
}

TEST_CASE("a path is read from another thread while its loop runs", "[critical_path][threads]") {
    flight_recorder recorder({1024});
    loop l;
    l.add_observer(recorder);
    std::atomic<bool> was_read{false};
    std::thread reader([&] {
        for (int seen = 0; seen < 5;) {
            if (const auto path = find_critical_path(recorder, "busy")) {
                duration sum{};
                for (const auto& p : path->pieces) {
                    sum += p.length();
                }
                if (sum != path->elapsed) { break; }
                ++seen;
            }
        }
        was_read = true;
    });
    struct body {
        static coro<> run(std::atomic<bool>& done) {
            while (!done) {
                co_await yield_now();
            }
        }
    };
    const auto busy = l.create_task(body::run(was_read), "busy");
    l.run_until_complete(busy);
    reader.join();
    CHECK(path_of(recorder, busy).has_ended);
}

critical_path made_up_path() {
    critical_path path;
    path.task = 7;
    path.name = "request";
    path.has_ended = true;
    path.elapsed = 100ms;
    const auto add = [&path](duration to, const std::string& name, path_state state,
                             wait_kind kind = wait_kind::nothing) {
        path_piece piece;
        piece.from = path.pieces.empty() ? duration{} : path.pieces.back().to;
        piece.to = to;
        piece.name = name;
        piece.state = state;
        piece.waits_for = kind;
        path.pieces.push_back(piece);
    };
    add(1ms, "request", path_state::scheduled);
    add(30ms, "holder", path_state::waiting, wait_kind::sleep);
    add(40ms, "holder", path_state::running);
    add(70ms, "holder", path_state::waiting, wait_kind::sleep);
    add(100ms, "request", path_state::running);
    return path;
}

TEST_CASE("a path as a table adds up what is alike", "[critical_path]") {
    CHECK(critical_path_text(made_up_path())
          == "task 7 (request), ended after 100 ms\n"
             "    59.0 %   59.0 ms  holder: waited for sleep\n"
             "    30.0 %   30.0 ms  request: ran\n"
             "    10.0 %   10.0 ms  holder: ran\n"
             "     1.0 %   1.00 ms  request: waited for its turn\n");
    CHECK(critical_path_text(made_up_path(), 1)
          == "task 7 (request), ended after 100 ms\n"
             "    59.0 %   59.0 ms  holder: waited for sleep\n"
             "    41.0 %   41.0 ms  3 others\n");
}

}  // namespace
