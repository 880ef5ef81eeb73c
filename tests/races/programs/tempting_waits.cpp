// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/barrier.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Tasks that wait for each other, rightly; and the same with one line wrong.

namespace race_corpus::tempting_waits_file {
namespace {

using coroscope::condition;
using coroscope::event;
using coroscope::mutex;
using coroscope::queue;

/// Polls a flag until it is set. Wrong: looks once and waits once.
template <bool Wrong>
coro<> poll(const bool& is_ready, const std::optional<int>& value, int& got) {
    while (!is_ready) {
        co_await yield_now();
        if (Wrong) { break; }
    }
    got = value.value();
}

coro<> get_ready(bool& is_ready, std::optional<int>& value) {
    co_await yield_now();
    value = 42;
    co_await yield_now();
    is_ready = true;
}

template <bool Wrong>
coro<> flag_polled() {
    bool is_ready = false;
    std::optional<int> value;
    int got = 0;
    co_await together(get_ready(is_ready, value), poll<Wrong>(is_ready, value, got));
    effect("got", got);
    expect(got == 42, "the value was not there yet");
}

/// What is put into the queue is the reader's from then on. Wrong: the writer goes on with it.
using text = std::shared_ptr<std::string>;

template <bool Wrong>
coro<> write_lines(queue<text>& to) {
    auto line = std::make_shared<std::string>("first");
    co_await to.put(line);
    if (!Wrong) { line = std::make_shared<std::string>(); }
    *line = "second";
    co_await to.put(line);
}

coro<> read_lines(queue<text>& from, std::string& all) {
    for (int i = 0; i < 2; ++i) {
        const auto line = co_await from.get();
        all += *line + ";";
    }
}

template <bool Wrong>
coro<> handed_on_by_queue() {
    queue<text> lines(1);
    std::string all;
    co_await together(read_lines(lines, all), write_lines<Wrong>(lines));
    effect("all", all);
    expect(all == "first;second;", "a line was changed after it was handed on");
}

/// Everybody takes the locks in the order of their addresses. Wrong: in that of the arguments.
template <bool Wrong>
coro<> move_between(mutex& from, mutex& to, int late) {
    co_await be_late(late);
    const bool swaps = !Wrong && std::less<>()(&to, &from);
    const auto outer = co_await (swaps ? to : from).scoped();
    co_await yield_now();
    const auto inner = co_await (swaps ? from : to).scoped();
}

template <bool Wrong>
coro<> locks_by_address() {
    mutex a;
    mutex b;
    co_await together(move_between<Wrong>(a, b, 0), move_between<Wrong>(b, a, 3));
}

/// Does without if the second lock is not to be had. Wrong: waits for it.
template <bool Wrong>
coro<> try_both(mutex& first, mutex& second, int late) {
    co_await be_late(late);
    const auto outer = co_await first.scoped();
    co_await yield_now();
    if (Wrong) { co_await second.lock(); }
    if (Wrong || second.try_lock()) { second.unlock(); }
}

template <bool Wrong>
coro<> second_lock_only_tried() {
    mutex a;
    mutex b;
    co_await together(try_both<Wrong>(a, b, 0), try_both<Wrong>(b, a, 3));
}

coro<> lock_both_in_order(mutex& first, mutex& second, int late) {
    co_await be_late(late);
    const auto outer = co_await first.scoped();
    co_await yield_now();
    const auto inner = co_await second.scoped();
}

/// Both orders, but under a third lock. Wrong: without it.
template <bool Wrong>
coro<> lock_under_gate(mutex& gate, mutex& first, mutex& second, int late) {
    mutex own;
    const auto lock = co_await (Wrong ? own : gate).scoped();
    co_await lock_both_in_order(first, second, late);
}

template <bool Wrong>
coro<> both_orders_under_a_gate() {
    mutex gate;
    mutex a;
    mutex b;
    co_await together(lock_under_gate<Wrong>(gate, a, b, 0), lock_under_gate<Wrong>(gate, b, a, 3));
}

/// An event that stays set. Wrong: it is cleared at once.
template <bool Wrong>
coro<> set_event(event& e, int late) {
    co_await be_late(late);
    e.set();
    if (Wrong) { e.clear(); }
}

coro<> wait_for_event(event& e, int late) {
    co_await be_late(late);
    co_await e.wait();
}

template <bool Wrong>
coro<> event_stays_set() {
    event e;
    co_await together(wait_for_event(e, 1), set_event<Wrong>(e, 3));
}

/// One condition for producers and consumers, and all are told. Wrong: one is.
struct buffer {
    int items = 0;
    condition changed;
};

template <bool Wrong>
void tell(buffer& b) {
    Wrong ? b.changed.notify() : b.changed.notify_all();
}

template <bool Wrong>
coro<> put(buffer& b) {
    const auto lock = co_await b.changed.scoped();
    co_await yield_now();
    while (b.items == 1) {
        co_await b.changed.wait();
    }
    ++b.items;
    tell<Wrong>(b);
}

template <bool Wrong>
coro<> get(buffer& b) {
    const auto lock = co_await b.changed.scoped();
    while (b.items == 0) {
        co_await b.changed.wait();
    }
    --b.items;
    tell<Wrong>(b);
}

template <bool Wrong>
coro<> all_are_told() {
    buffer b;
    co_await together(put<Wrong>(b), get<Wrong>(b), put<Wrong>(b), get<Wrong>(b));
}

/// Each worker is told to end. Wrong: one of two.
coro<> consume(queue<int>& q, int& sum) {
    for (;;) {
        const int item = co_await q.get();
        if (item == 0) { co_return; }
        sum += item;
        co_await yield_now();
    }
}

template <bool Wrong>
coro<> produce(queue<int>& q) {
    for (const int item : {1, 2, 0}) {
        co_await q.put(item);
    }
    if (!Wrong) { co_await q.put(0); }
}

template <bool Wrong>
coro<> an_end_for_each_worker() {
    queue<int> q;
    int sum = 0;
    co_await together(consume(q, sum), consume(q, sum), produce<Wrong>(q));
    effect("sum", sum);
    expect(sum == 3, "an item was left");
}

/// The second phase begins when all have ended the first. Wrong: when oneself has.
template <bool Wrong>
coro<> two_phases(coroscope::barrier& between, std::vector<int>& first, std::size_t me, int& sum) {
    first.at(me) = static_cast<int>(me) + 1;
    co_await yield_now();
    if (!Wrong) { co_await between.wait(); }
    sum = first.at(0) + first.at(1);
}

template <bool Wrong>
coro<> phases_with_a_barrier() {
    coroscope::barrier between(2);
    std::vector<int> first(2);
    int a = 0;
    int b = 0;
    co_await together(two_phases<Wrong>(between, first, 0, a),
                      two_phases<Wrong>(between, first, 1, b));
    effect("sums", std::pair(a, b));
    expect(a == 3 && b == 3, "a phase began too early");
}

/// It is shut down when all items have been worked on. Wrong: when all have been taken.
template <bool Wrong>
coro<> shut_down_after(queue<int>& q, queue<int>& results) {
    if (!Wrong) { co_await q.join(); }
    while (!q.empty()) {
        co_await yield_now();
    }
    results.shutdown();
}

coro<> work_on(queue<int>& q, queue<int>& results) {
    const int item = co_await q.get();
    co_await yield_now();
    results.put_nowait(item * 2);
    q.task_done();
}

template <bool Wrong>
coro<> shut_down_after_the_work() {
    queue<int> q;
    queue<int> results;
    q.put_nowait(1);
    q.put_nowait(2);
    co_await together(work_on(q, results), work_on(q, results), shut_down_after<Wrong>(q, results));
    effect("results", results.size());
}

/// Reads what the tasks have written after they have ended. Wrong: without waiting for one.
coro<> write_one(std::optional<int>& value) {
    co_await yield_now();
    value = 1;
}

template <bool Wrong>
coro<> add_after_join(std::optional<int>& a, std::optional<int>& b, int& sum) {
    auto& loop = coroscope::get_running_loop();
    const auto first = loop.create_task(write_one(a));
    const auto second = loop.create_task(write_one(b));
    co_await first;
    if (!Wrong) { co_await second; }
    const bool are_there = a.has_value() && b.has_value();
    co_await second;
    if (!are_there) { throw std::runtime_error("it was read before it was written"); }
    sum = a.value() + b.value();
}

template <bool Wrong>
coro<> read_after_the_join() {
    std::optional<int> a;
    std::optional<int> b;
    int sum = 0;
    co_await add_after_join<Wrong>(a, b, sum);
    effect("sum", sum);
    expect(sum == 2, "one was not there yet");
}

/// A parent holds the lock for the child that it awaits. Wrong: the child takes it, too.
template <bool Wrong>
coro<> child(mutex& guard, int& value) {
    const int before = value;
    if (Wrong && before > 0) { co_await guard.lock(); }
    co_await yield_now();
    value = before + 1;
}

template <bool Wrong>
coro<> parent(mutex& guard, int& value, int late) {
    co_await be_late(late);
    const auto lock = co_await guard.scoped();
    co_await child<Wrong>(guard, value);
}

template <bool Wrong>
coro<> lock_lent_to_the_child() {
    mutex guard;
    int value = 0;
    co_await together(parent<Wrong>(guard, value, 0), parent<Wrong>(guard, value, 2));
    effect("value", value);
    expect(value == 2, "an update was lost");
}

constexpr auto list = paired(std::to_array<program_pair>({
    {"flag-polled", "check then act", source::own, flag_polled<false>, flag_polled<true>},
    {"handed-on-by-queue", "torn group", source::own, handed_on_by_queue<false>,
     handed_on_by_queue<true>, true},
    {"locks-by-address", "lock order", source::own, locks_by_address<false>,
     locks_by_address<true>},
    {"second-lock-only-tried", "lock order", source::own, second_lock_only_tried<false>,
     second_lock_only_tried<true>},
    {"both-orders-under-a-gate", "lock order", source::own, both_orders_under_a_gate<false>,
     both_orders_under_a_gate<true>},
    {"event-stays-set", "lost wake-up", source::own, event_stays_set<false>, event_stays_set<true>},
    {"all-are-told", "missed notification", source::own, all_are_told<false>, all_are_told<true>},
    {"an-end-for-each-worker", "queue shutdown", source::study, an_end_for_each_worker<false>,
     an_end_for_each_worker<true>},
    {"phases-with-a-barrier", "order violation", source::own, phases_with_a_barrier<false>,
     phases_with_a_barrier<true>},
    {"shut-down-after-the-work", "queue shutdown", source::study, shut_down_after_the_work<false>,
     shut_down_after_the_work<true>},
    {"read-after-the-join", "order violation", source::own, read_after_the_join<false>,
     read_after_the_join<true>},
    {"lock-lent-to-the-child", "self-deadlock", source::own, lock_lent_to_the_child<false>,
     lock_lent_to_the_child<true>},
}));

}  // namespace
}  // namespace race_corpus::tempting_waits_file

namespace race_corpus {

std::span<const program> tempting_waits() {
    return tempting_waits_file::list;
}

}  // namespace race_corpus
