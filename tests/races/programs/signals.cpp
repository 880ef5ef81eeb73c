// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/queue.hpp>

#include <string>
#include <vector>

// Signals that come when nobody waits, that wake the wrong one, or that somebody else takes away.

namespace race_corpus::signals_file {
namespace {

using coroscope::condition;
using coroscope::event;
using coroscope::queue;

/// It looks, finds nothing, and begins to wait; the bell has rung in between.
struct mailbox {
    bool has_mail = false;
    event bell;
};

coro<> wait_for_mail(mailbox& m) {
    if (m.has_mail) { co_return; }
    co_await yield_now();
    co_await m.bell.wait();
}

coro<> ring(mailbox& m, int late) {
    co_await be_late(late);
    m.has_mail = true;
    m.bell.set();
    m.bell.clear();
}

coro<> bell_rung_too_early() {
    mailbox m;
    co_await together(wait_for_mail(m), ring(m, 2));
}

/// A condition without a state: who comes after the notification waits for ever.
coro<> wait_for_notice(condition& c, int late) {
    co_await be_late(late);
    const auto lock = co_await c.scoped();
    co_await c.wait();
}

coro<> give_notice(condition& c, int late) {
    co_await be_late(late);
    const auto lock = co_await c.scoped();
    c.notify_all();
}

coro<> notice_without_state() {
    condition c;
    co_await together(wait_for_notice(c, 1), give_notice(c, 4));
}

/// Producers and consumers wait for one condition, and one of either is woken.
struct buffer {
    int items = 0;
    condition changed;
};

coro<> put(buffer& b) {
    const auto lock = co_await b.changed.scoped();
    co_await yield_now();
    while (b.items == 1) {
        co_await b.changed.wait();
    }
    ++b.items;
    b.changed.notify();
}

coro<> get(buffer& b) {
    const auto lock = co_await b.changed.scoped();
    while (b.items == 0) {
        co_await b.changed.wait();
    }
    --b.items;
    b.changed.notify();
}

coro<> one_condition_for_two_kinds() {
    buffer b;
    co_await together(put(b), get(b), put(b), get(b));
}

/// The waiter clears the event a step after it was woken, and with it what was set meanwhile.
struct inbox {
    std::vector<int> items;
    event has_items;
};

coro<> read_two(inbox& in, int& sum) {
    for (int left = 2; left > 0;) {
        co_await in.has_items.wait();
        for (const int each : in.items) {
            sum += each;
            --left;
        }
        in.items.clear();
        co_await yield_now();  // handles them
        in.has_items.clear();
    }
}

coro<> send(inbox& in, int item, int late) {
    co_await be_late(late);
    in.items.push_back(item);
    in.has_items.set();
}

coro<> event_cleared_with_the_next() {
    inbox in;
    int sum = 0;
    co_await together(read_two(in, sum), send(in, 1, 0), send(in, 2, 5));
}

/// `if` where `while` belongs: two are woken for one item.
coro<> take(condition& c, std::vector<int>& items, int& sum) {
    const auto lock = co_await c.scoped();
    if (items.empty()) { co_await c.wait(); }
    sum += items.at(0);
    items.erase(items.begin());
}

coro<> add_one(condition& c, std::vector<int>& items, int late) {
    co_await be_late(late);
    const auto lock = co_await c.scoped();
    items.push_back(1);
    c.notify_all();
}

coro<> woken_and_not_looked() {
    condition c;
    std::vector<int> items;
    int sum = 0;
    co_await together(take(c, items, sum), add_one(c, items, 3), take(c, items, sum),
                      add_one(c, items, 9));
    effect("sum", sum);
}

/// One of two consumers gets the item that both were told of.
coro<> take_when_told(event& told, std::vector<int>& items, int& got) {
    co_await told.wait();
    co_await yield_now();
    got += items.at(items.size() - 1);
    items.pop_back();
}

coro<> tell(event& told, std::vector<int>& items, int late) {
    co_await be_late(late);
    items.push_back(1);
    told.set();
    co_await yield_now();
    items.push_back(2);
}

coro<> two_told_of_one() {
    event told;
    std::vector<int> items;
    int got = 0;
    co_await together(take_when_told(told, items, got), take_when_told(told, items, got),
                      tell(told, items, 2));
}

/// The queue is shut down while a producer has one more to put.
coro<> put_both(queue<int>& q) {
    if (q.is_shut_down()) { co_return; }
    q.put_nowait(1);
    co_await yield_now();
    q.put_nowait(2);
}

coro<> shut_down(queue<int>& q, int late) {
    co_await be_late(late);
    q.shutdown();
}

coro<> put_after_shutdown() {
    queue<int> q;
    co_await together(put_both(q), shut_down(q, 2));
}

/// It is shut down at once when nobody seems to work, and what a worker then puts is lost.
coro<> hand_on(queue<int>& from, queue<int>& to) {
    const int item = co_await from.get();
    co_await yield_now();
    if (!to.is_shut_down()) { to.put_nowait(item + 1); }
}

coro<> stop_if_empty(queue<int>& from, queue<int>& to, int late) {
    co_await be_late(late);
    if (from.empty() && to.empty()) { to.shutdown(); }
}

coro<> shut_down_too_early() {
    queue<int> from;
    queue<int> to;
    from.put_nowait(1);
    co_await together(hand_on(from, to), stop_if_empty(from, to, 3));
    effect("results", to.size());
    expect(to.size() == 1, "a result was lost");
}

/// One notification for two who wait, since the second change found the flag set.
struct dirty {
    bool is_dirty = false;
    int changes = 0;
    int saved = 0;
};

coro<> change(dirty& d, int late) {
    co_await be_late(late);
    ++d.changes;
    d.is_dirty = true;
}

coro<> save(dirty& d, int late) {
    co_await be_late(late);
    if (!d.is_dirty) { co_return; }
    const int changes = d.changes;
    co_await yield_now();  // writes them
    d.saved = changes;
    d.is_dirty = false;
}

coro<> flag_taken_back_after_a_change() {
    dirty d;
    d.is_dirty = true;
    d.changes = 1;
    co_await together(save(d, 0), change(d, 2));
    effect("is-forgotten", !d.is_dirty && d.saved != d.changes);
    expect(d.is_dirty || d.saved == d.changes, "a change is marked as saved, and is not");
}

/// The second of two phases begins when the counter is zero, which it is before the first begins.
coro<> work(int& busy, int& done) {
    co_await yield_now();
    ++busy;
    co_await yield_now();
    ++done;
    --busy;
}

coro<> finish_when_idle(int& busy, int& done, bool& was_early, int late) {
    co_await be_late(late);
    while (busy > 0) {
        co_await yield_now();
    }
    was_early = done < 2;
}

coro<> idle_before_it_began() {
    int busy = 0;
    int done = 0;
    bool was_early = false;
    co_await together(work(busy, done), work(busy, done),
                      finish_when_idle(busy, done, was_early, 2));
    expect(!was_early, "it was over before it had begun");
}

constexpr program list[] = {
    bug("bell-rung-too-early", "lost wake-up", source::own, bell_rung_too_early),
    bug("notice-without-state", "missed notification", source::study, notice_without_state),
    bug("one-condition-for-two-kinds", "missed notification", source::own,
        one_condition_for_two_kinds),
    bug("event-cleared-with-the-next", "lost wake-up", source::study, event_cleared_with_the_next),
    bug("woken-and-not-looked", "check then act", source::own, woken_and_not_looked),
    bug("two-told-of-one", "check then act", source::own, two_told_of_one),
    bug("put-after-shutdown", "queue shutdown", source::study, put_after_shutdown),
    bug("shut-down-too-early", "queue shutdown", source::study, shut_down_too_early),
    bug("flag-taken-back-after-a-change", "lost update", source::own,
        flag_taken_back_after_a_change),
    silent_bug("idle-before-it-began", "order violation", source::study, idle_before_it_began),
};

}  // namespace
}  // namespace race_corpus::signals_file

namespace race_corpus {

std::span<const program> signals() {
    return signals_file::list;
}

}  // namespace race_corpus
