// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/barrier.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/semaphore.hpp>

#include <array>
#include <utility>
#include <vector>

// Everybody waits, and nobody is left who could end that.

namespace race_corpus::deadlocks_file {
namespace {

using coroscope::condition;
using coroscope::mutex;
using coroscope::queue;
using coroscope::semaphore;

coro<> lock_both(mutex& first, mutex& second, int late) {
    co_await be_late(late);
    const auto outer = co_await first.scoped();
    co_await yield_now();
    const auto inner = co_await second.scoped();
}

/// Two locks, in both orders.
coro<> two_locks_in_both_orders() {
    mutex a;
    mutex b;
    co_await together(lock_both(a, b, 0), lock_both(b, a, 3));
}

/// Three locks, each task in an order that is right for two of them.
coro<> three_locks_in_a_ring() {
    mutex a;
    mutex b;
    mutex c;
    co_await together(lock_both(a, b, 0), lock_both(b, c, 3), lock_both(c, a, 6));
}

/// Philosophers, each with the fork to the left first.
coro<> philosophers() {
    std::array<mutex, 4> forks;
    co_await together(lock_both(forks[0], forks[1], 0), lock_both(forks[1], forks[2], 2),
                      lock_both(forks[2], forks[3], 4), lock_both(forks[3], forks[0], 6));
}

/// A function that locks calls another one that locks, on the way that is seldom taken.
struct ledger {
    mutex guard;
    int entries = 0;
};

coro<> add_entry(ledger& l) {
    const auto lock = co_await l.guard.scoped();
    ++l.entries;
}

coro<> add_first_entry(ledger& l, int late) {
    co_await be_late(late);
    const auto lock = co_await l.guard.scoped();
    if (l.entries == 0) { co_await add_entry(l); }
}

coro<> locked_by_itself() {
    ledger l;
    co_await together(add_entry(l), add_first_entry(l, 2));
}

/// Who holds the lock waits for a task that needs it, if that one has not got it before.
coro<> hold_and_join(mutex& guard, const coroscope::task<>& helper) {
    const auto lock = co_await guard.scoped();
    co_await yield_now();
    co_await helper;
}

coro<> help(mutex& guard) {
    const auto lock = co_await guard.scoped();
}

coro<> joined_under_its_lock() {
    mutex guard;
    const auto helper = coroscope::get_running_loop().create_task(help(guard));
    co_await together(hold_and_join(guard, helper));
}

/// The reader waits for the queue under the lock that its writer takes first: mutex and channel,
/// the commonest mixture in the study of Go programs.
coro<> fill(mutex& guard, queue<int>& q) {
    const auto lock = co_await guard.scoped();
    co_await q.put(1);
    co_await q.put(2);
}

coro<> drain(mutex& guard, queue<int>& q, int late) {
    co_await be_late(late);
    const auto lock = co_await guard.scoped();
    const int first = co_await q.get();
    const int second = co_await q.get();
    effect("sum", first + second);
}

coro<> queue_read_under_lock() {
    mutex guard;
    queue<int> q;
    co_await together(fill(guard, q), drain(guard, q, 2));
}

/// Each waits for the other to end, if it has begun, or has not ended.
struct two_tasks {
    coroscope::task<> a;
    coroscope::task<> b;
    bool has_b_begun = false;
    bool has_a_ended = false;
};

coro<> be_a(two_tasks& both) {
    co_await yield_now();
    if (both.has_b_begun) { co_await both.b; }
    both.has_a_ended = true;
}

coro<> be_b(two_tasks& both, int late) {
    co_await be_late(late);
    both.has_b_begun = true;
    co_await yield_now();
    if (!both.has_a_ended) { co_await both.a; }
}

coro<> each_waits_for_the_other() {
    two_tasks both;
    auto& loop = coroscope::get_running_loop();
    both.a = loop.create_task(be_a(both));
    both.b = loop.create_task(be_b(both, 3));
    std::vector<coroscope::task<>> started{both.a, both.b};
    co_await join_all(std::move(started));
}

/// A permit is given back at the end, which an exception does not come to.
coro<> work_with_permit(semaphore& permits, bool& is_broken, int late) {
    co_await be_late(late);
    co_await permits.acquire();
    co_await yield_now();
    if (is_broken) { throw std::runtime_error("the tool is broken"); }
    permits.release();
}

coro<> tolerate(coro<> work) {
    try {
        co_await std::move(work);
    } catch (const std::runtime_error&) { effect("failed", true); }
}

coro<> break_tool(bool& is_broken, int late) {
    co_await be_late(late);
    is_broken = true;
    co_await yield_now();
    is_broken = false;
}

coro<> permit_lost_with_the_exception() {
    semaphore permits(1);
    bool is_broken = false;
    co_await together(tolerate(work_with_permit(permits, is_broken, 0)),
                      tolerate(work_with_permit(permits, is_broken, 1)), break_tool(is_broken, 6));
}

/// Two permits in all, and each needs two, one after the other.
coro<> take_two(semaphore& permits, int late) {
    co_await be_late(late);
    const auto first = co_await permits.scoped();
    co_await yield_now();
    const auto second = co_await permits.scoped();
}

coro<> two_permits_each() {
    semaphore permits(2);
    co_await together(take_two(permits, 0), take_two(permits, 3));
}

/// A party of the barrier leaves when it finds nothing to do: WaitGroup counted wrong, in Go.
coro<> meet(coroscope::barrier& at, int& work, int late) {
    co_await be_late(late);
    if (work == 0) { co_return; }
    --work;
    co_await at.wait();
}

coro<> more_work(int& work, int late) {
    co_await be_late(late);
    ++work;
}

coro<> party_that_leaves() {
    coroscope::barrier at(2);
    int work = 1;
    co_await together(meet(at, work, 0), more_work(work, 1), meet(at, work, 3));
}

/// Two readers want to become the writer, and each waits for the other to stop reading.
struct read_write_lock {
    int readers = 0;
    condition changed;
};

coro<> read_then_write(read_write_lock& l, int late) {
    co_await be_late(late);
    const auto lock = co_await l.changed.scoped();
    ++l.readers;
    l.changed.unlock();
    co_await yield_now();  // reads
    co_await l.changed.lock();
    while (l.readers > 1) {
        co_await l.changed.wait();
    }
    --l.readers;
    l.changed.notify_all();
}

coro<> two_readers_upgrade() {
    read_write_lock l;
    co_await together(read_then_write(l, 0), read_then_write(l, 4));
}

/// Who asked has given up by the time of the answer, and nobody takes it: a goroutine that leaks.
coro<> give_answer(queue<int>& answers, int late) {
    co_await be_late(late);
    co_await answers.put(1);
    co_await answers.put(2);
}

coro<> take_answer(queue<int>& answers, bool& has_given_up) {
    for (int i = 0; i < 2; ++i) {
        if (has_given_up) { co_return; }
        const int answer = co_await answers.get();
        effect("answer", answer);
        co_await yield_now();
    }
}

coro<> give_up(bool& has_given_up, int late) {
    co_await be_late(late);
    has_given_up = true;
}

coro<> answer_nobody_takes() {
    queue<int> answers(1);
    bool has_given_up = false;
    co_await together(give_answer(answers, 0), take_answer(answers, has_given_up),
                      give_answer(answers, 3), give_up(has_given_up, 9));
}

/// The consumer is told to end by an item of the producer, which ends without it on an error.
coro<> produce(queue<int>& q, bool& has_failed, int late) {
    co_await be_late(late);
    co_await q.put(1);
    co_await yield_now();
    if (has_failed) { co_return; }
    co_await q.put(0);
}

coro<> consume(queue<int>& q) {
    int item = 1;
    while (item != 0) {
        item = co_await q.get();
    }
}

coro<> fail_later(bool& has_failed, int late) {
    co_await be_late(late);
    has_failed = true;
}

coro<> no_last_item() {
    queue<int> q;
    bool has_failed = false;
    co_await together(consume(q), produce(q, has_failed, 0), fail_later(has_failed, 3));
}

constexpr auto order = "lock order";
constexpr auto blocked = "all blocked";
constexpr program list[] = {
    bug("two-locks-in-both-orders", order, source::own, two_locks_in_both_orders),
    bug("three-locks-in-a-ring", order, source::own, three_locks_in_a_ring),
    bug("philosophers", order, source::own, philosophers),
    bug("locked-by-itself", "self-deadlock", source::study, locked_by_itself),
    bug("joined-under-its-lock", blocked, source::study, joined_under_its_lock),
    bug("queue-read-under-lock", blocked, source::study, queue_read_under_lock),
    bug("each-waits-for-the-other", "await cycle", source::own, each_waits_for_the_other),
    bug("permit-lost-with-the-exception", "semaphore leak", source::study,
        permit_lost_with_the_exception),
    bug("two-permits-each", blocked, source::own, two_permits_each),
    bug("party-that-leaves", blocked, source::study, party_that_leaves),
    bug("two-readers-upgrade", blocked, source::study, two_readers_upgrade),
    bug("answer-nobody-takes", blocked, source::study, answer_nobody_takes),
    bug("no-last-item", blocked, source::study, no_last_item),
};

}  // namespace
}  // namespace race_corpus::deadlocks_file

namespace race_corpus {

std::span<const program> deadlocks() {
    return deadlocks_file::list;
}

}  // namespace race_corpus
