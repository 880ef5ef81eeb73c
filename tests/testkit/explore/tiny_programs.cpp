// SPDX-License-Identifier: Apache-2.0
#include "testkit/explore/tiny_programs.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/wait.hpp>
#include <coroscope/testkit/fault.hpp>

#include "explore/random_source.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tiny {
namespace {

using coroscope::coro;
using coroscope::detail::access_kind;
using coroscope::detail::access_listener;

/// Says what `shared` variables say by themselves.
void tell(const int& variable, access_kind kind) {
    if (access_listener == nullptr) { return; }
    access_listener->on_access({&variable, sizeof variable, kind, {}, nullptr});
}

int read(world& in, int which) {
    const auto& v = in.variables.at(static_cast<std::size_t>(which));
    tell(v, access_kind::read);
    return v;
}

void write(world& in, int which, int value) {
    auto& v = in.variables.at(static_cast<std::size_t>(which));
    tell(v, access_kind::write);
    v = value;
}

/// What does not suspend.
void do_at_once(world& in, const operation& op, int& sum) {
    const auto which = static_cast<std::size_t>(op.what);
    switch (op.verb) {
    case does::read: sum = sum * 3 + read(in, op.what); break;
    case does::write: write(in, op.what, sum); break;
    case does::unlock: in.mutexes.at(which).unlock(); break;
    case does::try_lock: {
        const bool is_mine = in.mutexes.at(which).try_lock();
        sum = sum * 3 + (is_mine ? 1 : 2);
        if (is_mine) { in.mutexes.at(which).unlock(); }
        break;
    }
    case does::set: in.events.at(which).set(); break;
    case does::clear: in.events.at(which).clear(); break;
    case does::put: in.items.put_nowait(sum); break;
    case does::get: sum = sum * 3 + (in.items.empty() ? -1 : in.items.get_nowait()); break;
    case does::fault: sum = sum * 3 + (coroscope::testkit::fault_point("tiny") ? 1 : 2); break;
    case does::cancel: in.tasks.at(which).cancel(); break;
    case does::up: in.permits.release(); break;
    case does::post:
        coroscope::get_running_loop().call_soon(
            [&in, which = op.what] { write(in, which, read(in, which) * 2 + 1); });
        break;
    default: break;
    }
}

coro<> notify_one(coroscope::condition& of) {
    const auto lock = co_await of.scoped();
    of.notify();
}

coro<> await_notification(coroscope::condition& of) {
    const auto lock = co_await of.scoped();
    co_await of.wait();
}

coro<> run_list(world& in, const program& what, std::size_t number);

coro<> do_one(world& in, const program& what, operation op, int& sum) {
    const auto which = static_cast<std::size_t>(op.what);
    switch (op.verb) {
    case does::yield: co_await coroscope::yield_now(); break;
    case does::lock: co_await in.mutexes.at(which).lock(); break;
    case does::wait: co_await in.events.at(which).wait(); break;
    case does::await_item: {
        const int item = co_await in.items.get();
        sum = sum * 3 + item;
        break;
    }
    case does::sleep: co_await coroscope::sleep_for(std::chrono::milliseconds(op.what)); break;
    case does::spawn: {
        auto child = coroscope::get_running_loop().create_task(run_list(in, what, which));
        co_await child;
        break;
    }
    case does::wait_notified: co_await await_notification(in.notified); break;
    case does::notify: co_await notify_one(in.notified); break;
    case does::down: co_await in.permits.acquire(); break;
    default: do_at_once(in, op, sum); break;
    }
}

coro<> run_list(world& in, const program& what, std::size_t number) {
    int sum = static_cast<int>(number) + 1;
    try {
        for (const auto& each : what.lists.at(number)) {
            co_await do_one(in, what, each, sum);
        }
    } catch (const coroscope::cancelled_error&) { sum = sum * 3 + 7; }
    in.sums.at(number) = sum;
}

[[nodiscard]] std::string text_of(const world& in) {
    std::string text;
    for (const auto sum : in.sums) {
        text += std::to_string(sum) + " ";
    }
    for (const auto variable : in.variables) {
        text += std::to_string(variable) + " ";
    }
    return text + std::to_string(in.items.size());
}

[[nodiscard]] bool waits(const program& what) {
    return std::ranges::any_of(what.lists, [](const task_list& list) {
        return std::ranges::any_of(list, [](const operation& op) {
            return op.verb == does::wait || op.verb == does::await_item
                   || op.verb == does::wait_notified;
        });
    });
}

/// Lets everybody go on who still waits when all else has happened.
coro<> end_waits(world& in) {
    co_await coroscope::sleep_for(std::chrono::seconds(1));
    for (auto& each : in.events) {
        each.set();
    }
    for (int i = 0; i < 8; ++i) {
        in.items.put_nowait(100 + i);
    }
    const auto lock = co_await in.notified.scoped();
    in.notified.notify_all();
}

coro<> run_in(world& in, const program& what, std::set<std::string>* outcomes) {
    in.sums.resize(what.lists.size());
    coroscope::task<> helper;
    if (what.is_helped && waits(what)) {
        helper = coroscope::get_running_loop().create_task(end_waits(in));
    }
    for (std::size_t i = 0; i < what.roots; ++i) {
        in.tasks.push_back(coroscope::get_running_loop().create_task(run_list(in, what, i)));
    }
    co_await coroscope::wait(in.tasks);
    if (helper.valid()) { co_await helper; }
    if (outcomes != nullptr) { outcomes->insert(text_of(in)); }
    in.tasks.clear();
}

}  // namespace

coro<> run(stage& on, const program& what, std::set<std::string>* outcomes) {
    return run_in(on.emplace(), what, outcomes);
}

namespace {

using coroscope::testkit::detail::random_source;

/// A few operations in a row that go together.
void add_some(task_list& to, random_source& random, std::size_t roots) {
    const auto which = static_cast<int>(random.below(2));
    switch (random.below(16)) {
    case 0:
    case 1: to.push_back({does::read, static_cast<int>(random.below(3))}); break;
    case 2:
    case 3: to.push_back({does::write, static_cast<int>(random.below(3))}); break;
    case 4: to.push_back({does::yield}); break;
    case 5:
        to.push_back({does::lock, which});
        to.push_back({does::read, which});
        to.push_back({random.below(2) == 0 ? does::yield : does::write, which});
        to.push_back({does::unlock, which});
        break;
    case 6: to.push_back({does::try_lock, which}); break;
    case 7: to.push_back({random.below(3) == 0 ? does::clear : does::set, which}); break;
    case 8: to.push_back({random.below(2) == 0 ? does::put : does::get}); break;
    case 9: to.push_back({does::sleep, 1 + which}); break;
    case 10: to.push_back({does::fault}); break;
    case 11:
        to.push_back({does::down});
        to.push_back({does::write, which});
        to.push_back({does::up});
        break;
    case 12: to.push_back({does::wait, which}); break;
    case 13: to.push_back({random.below(2) == 0 ? does::await_item : does::put}); break;
    case 14: to.push_back({random.below(2) == 0 ? does::wait_notified : does::notify}); break;
    default:
        to.push_back(random.below(3) == 0
                         ? operation{does::cancel, static_cast<int>(random.below(roots))}
                         : operation{does::post, which});
        break;
    }
}

/// How many steps it takes, about.
[[nodiscard]] std::size_t steps_of(const program& what) {
    std::size_t steps = 0;
    for (const auto& list : what.lists) {
        for (const auto& each : list) {
            const bool is_step = each.verb == does::yield || each.verb == does::sleep
                                 || each.verb == does::spawn || each.verb == does::post
                                 || each.verb == does::wait || each.verb == does::await_item
                                 || each.verb == does::wait_notified;
            steps += is_step ? 1 : 0;
        }
        ++steps;
    }
    return steps;
}

}  // namespace

program random_program(std::uint64_t seed) {
    random_source random(seed);
    for (;;) {
        program made;
        made.is_helped = true;
        made.roots = 2 + random.below(2);
        made.lists.resize(made.roots + random.below(2));
        for (auto& list : made.lists) {
            const auto count = 1 + random.below(5);
            for (std::uint64_t i = 0; i < count; ++i) {
                add_some(list, random, made.roots);
            }
        }
        if (made.lists.size() > made.roots) {
            made.lists.front().push_back({does::spawn, static_cast<int>(made.roots)});
        }
        if (steps_of(made) <= 8) { return made; }
    }
}

std::string to_text(const program& what) {
    static constexpr std::array names{"read",  "write", "yield", "lock",   "unlock", "try",
                                      "set",   "wait",  "clear", "put",    "get",    "item",
                                      "sleep", "spawn", "fault", "cancel", "await",  "notify",
                                      "down",  "up",    "post"};
    std::string text;
    for (std::size_t i = 0; i < what.lists.size(); ++i) {
        text += "\n  " + std::string(i < what.roots ? "task " : "child ") + std::to_string(i) + ":";
        for (const auto& each : what.lists[i]) {
            text += std::string(" ") + names.at(static_cast<std::size_t>(each.verb))
                    + std::to_string(each.what);
        }
    }
    return text;
}

}  // namespace tiny
