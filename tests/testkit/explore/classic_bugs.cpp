// SPDX-License-Identifier: Apache-2.0
#include "testkit/explore/classic_bugs.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <array>
#include <stdexcept>

namespace classic_bugs {
namespace {

using coroscope::condition;
using coroscope::coro;
using coroscope::gather;
using coroscope::mutex;
using coroscope::yield_now;

/// For the body, after its tasks: one that throws would leave the other with what is no more.
void expect(bool holds, const char* what) {
    if (!holds) { throw std::runtime_error(what); }
}

coro<> be_late(int steps) {
    for (int i = 0; i < steps; ++i) {
        co_await yield_now();
    }
}

// --- Lost update: what was read before a co_await is old after it

struct account {
    int balance = 0;
    mutex guard;
};

coro<> pay_in(account& a, int late) {
    co_await be_late(late);
    const int before = a.balance;
    co_await yield_now();
    a.balance = before + 1;
}

coro<> pay_in_locked(account& a, int late) {
    co_await be_late(late);
    const auto lock = co_await a.guard.scoped();
    const int before = a.balance;
    co_await yield_now();
    a.balance = before + 1;
}

template <coro<> (*PayIn)(account&, int)>
coro<> lost_update() {
    account a;
    co_await gather(PayIn(a, 0), PayIn(a, 2));
    expect(a.balance == 2, "a payment was lost");
}

// --- Check, then act: what was found is not so any more

struct stock {
    int left = 1;
    mutex guard;
};

coro<> buy(stock& s, int late) {
    co_await be_late(late);
    if (s.left == 0) { co_return; }
    co_await yield_now();
    --s.left;
}

coro<> buy_locked(stock& s, int late) {
    co_await be_late(late);
    const auto lock = co_await s.guard.scoped();
    if (s.left == 0) { co_return; }
    co_await yield_now();
    --s.left;
}

template <coro<> (*Buy)(stock&, int)>
coro<> check_then_act() {
    stock s;
    co_await gather(Buy(s, 0), Buy(s, 2));
    expect(s.left == 0, "the last one was sold twice");
}

// --- Two locks in both orders

coro<> move_money(mutex& from, mutex& to, int late) {
    co_await be_late(late);
    const auto outer = co_await from.scoped();
    co_await yield_now();
    const auto inner = co_await to.scoped();
}

coro<> locks_in_both_orders() {
    mutex a;
    mutex b;
    co_await gather(move_money(a, b, 0), move_money(b, a, 3));
}

coro<> locks_in_one_order() {
    mutex a;
    mutex b;
    co_await gather(move_money(a, b, 0), move_money(a, b, 3));
}

// --- A notification that nobody waits for yet

struct mailbox {
    bool has_mail = false;
    coroscope::event bell;
};

coro<> wait_for_mail(mailbox& m) {
    if (m.has_mail) { co_return; }
    co_await yield_now();  // the bell may ring here
    co_await m.bell.wait();
}

coro<> ring_once(mailbox& m) {
    co_await be_late(2);
    m.has_mail = true;
    m.bell.set();
    m.bell.clear();
}

coro<> ring_and_stay(mailbox& m) {
    co_await be_late(2);
    m.has_mail = true;
    m.bell.set();
}

template <coro<> (*Ring)(mailbox&)>
coro<> missed_notification() {
    mailbox m;
    co_await gather(wait_for_mail(m), Ring(m));
}

// --- A bounded buffer whose producers and consumers wait for one condition

struct buffer {
    int items = 0;
    condition changed;
    bool notifies_all = false;

    void notify() { changed.notify(notifies_all ? 4 : 1); }
};

coro<> put(buffer& b) {
    const auto lock = co_await b.changed.scoped();
    co_await yield_now();  // others queue up behind the lock
    while (b.items == 1) {
        co_await b.changed.wait();
    }
    ++b.items;
    b.notify();
}

coro<> get(buffer& b) {
    const auto lock = co_await b.changed.scoped();
    while (b.items == 0) {
        co_await b.changed.wait();
    }
    --b.items;
    b.notify();
}

template <bool NotifiesAll>
coro<> bounded_buffer() {
    buffer b;
    b.notifies_all = NotifiesAll;
    co_await gather(put(b), get(b), put(b), get(b));
    expect(b.items == 0, "an item was left");
}

// --- Dining philosophers

using forks = std::array<mutex, 3>;

coro<> dine(forks& f, std::size_t left, std::size_t right, int late) {
    co_await be_late(late);
    const auto first = co_await f.at(left).scoped();
    co_await yield_now();
    const auto second = co_await f.at(right).scoped();
}

coro<> philosophers() {
    forks f;
    co_await gather(dine(f, 0, 1, 0), dine(f, 1, 2, 2), dine(f, 2, 0, 4));
}

coro<> philosophers_one_left_handed() {
    forks f;
    co_await gather(dine(f, 0, 1, 0), dine(f, 1, 2, 2), dine(f, 0, 2, 4));
}

// --- ABA: the head is the same, but what comes after it is not

struct node {
    int next = -1;
    bool is_taken = false;
};

struct stack {
    std::array<node, 3> nodes{node{1}, node{2}, node{-1}};
    int head = 0;
    int version = 0;
    bool was_popped_twice = false;

    void take(int which) {
        auto& n = nodes.at(static_cast<std::size_t>(which));
        was_popped_twice = was_popped_twice || n.is_taken;
        n.is_taken = true;
    }
    int next(int of) const { return nodes.at(static_cast<std::size_t>(of)).next; }
    void push(int which) {
        auto& n = nodes.at(static_cast<std::size_t>(which));
        n.next = head;
        n.is_taken = false;
        head = which;
        ++version;
    }
};

template <bool ComparesVersion>
coro<> pop(stack& s) {
    while (s.head != -1) {
        const int head = s.head;
        const int next = s.next(head);
        const int version = s.version;
        co_await yield_now();
        if (s.head != head || (ComparesVersion && s.version != version)) { continue; }
        s.head = next;
        ++s.version;
        s.take(head);
        co_return;
    }
}

template <bool ComparesVersion>
coro<> pop_two_push_one(stack& s) {
    co_await be_late(2);
    const int first = s.head;
    co_await pop<ComparesVersion>(s);
    co_await pop<ComparesVersion>(s);
    const bool is_first_out = s.nodes.at(static_cast<std::size_t>(first)).is_taken;
    if (is_first_out) { s.push(first); }
}

template <bool ComparesVersion>
coro<> aba_pop() {
    stack s;
    co_await gather(pop<ComparesVersion>(s), pop_two_push_one<ComparesVersion>(s));
    co_await pop<ComparesVersion>(s);
    expect(!s.was_popped_twice, "one was popped twice");
}

// --- Published before it is initialised

struct shared_value {
    bool is_published = false;
    int value = 0;
    bool was_used_too_early = false;
};

template <bool PublishesLast>
coro<> make(shared_value& v) {
    v.is_published = !PublishesLast;
    co_await yield_now();
    v.value = 42;
    v.is_published = true;
}

coro<> use_if_published(shared_value& v) {
    co_await be_late(3);
    v.was_used_too_early = v.is_published && v.value != 42;
}

template <bool PublishesLast>
coro<> publish_before_initialise() {
    shared_value v;
    co_await gather(make<PublishesLast>(v), use_if_published(v));
    expect(!v.was_used_too_early, "used before it was initialised");
}

// --- Closed twice

struct connection {
    bool is_open = true;
    int closed = 0;
};

template <bool MarksFirst>
coro<> close(connection& c, int late) {
    co_await be_late(late);
    if (!c.is_open) { co_return; }
    if (MarksFirst) { c.is_open = false; }
    co_await yield_now();  // flushes
    c.is_open = false;
    ++c.closed;
}

template <bool MarksFirst>
coro<> double_close() {
    connection c;
    co_await gather(close<MarksFirst>(c, 0), close<MarksFirst>(c, 2));
    expect(c.closed == 1, "closed twice");
}

// --- Used before it is there, since it usually is

struct service {
    coroscope::event started;
    bool is_started = false;
    bool was_used_too_early = false;
};

coro<> start(service& s) {
    co_await yield_now();
    s.is_started = true;
    s.started.set();
}

coro<> use_later(service& s) {
    co_await be_late(2);
    s.was_used_too_early = !s.is_started;
}

coro<> use_when_started(service& s) {
    co_await s.started.wait();
    s.was_used_too_early = !s.is_started;
}

template <coro<> (*Use)(service&)>
coro<> order_violation() {
    service s;
    co_await gather(start(s), Use(s));
    expect(!s.was_used_too_early, "used before it was started");
}

constexpr std::array programs{
    program{"lost update", lost_update<pay_in>, lost_update<pay_in_locked>},
    program{"check, then act", check_then_act<buy>, check_then_act<buy_locked>},
    program{"locks in both orders", locks_in_both_orders, locks_in_one_order},
    program{"missed notification", missed_notification<ring_once>,
            missed_notification<ring_and_stay>},
    program{"one condition for two", bounded_buffer<false>, bounded_buffer<true>},
    program{"dining philosophers", philosophers, philosophers_one_left_handed},
    program{"ABA", aba_pop<false>, aba_pop<true>},
    program{"published too early", publish_before_initialise<false>,
            publish_before_initialise<true>},
    program{"closed twice", double_close<false>, double_close<true>},
    program{"order violation", order_violation<use_later>, order_violation<use_when_started>},
};

}  // namespace

std::span<const program> all() {
    return programs;
}

}  // namespace classic_bugs
