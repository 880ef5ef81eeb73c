// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/mutex.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

// What is tried again, cancelled half-way, kept for later, or the same and yet another one.

namespace race_corpus::retries_file {
namespace {

/// ABA: the head of the list is the same, what comes after it is not.
struct stack {
    struct node {
        int next = -1;
        bool is_taken = false;
    };
    std::array<node, 3> nodes{node{1}, node{2}, node{-1}};
    int head = 0;
    bool was_popped_twice = false;

    [[nodiscard]] node& at(int which) { return nodes.at(static_cast<std::size_t>(which)); }
    void take(int which) {
        was_popped_twice = was_popped_twice || at(which).is_taken;
        at(which).is_taken = true;
    }
    void push(int which) {
        at(which) = {head, false};
        head = which;
    }
};

coro<> pop(stack& s) {
    while (s.head != -1) {
        const int head = s.head;
        const int next = s.at(head).next;
        co_await yield_now();
        if (s.head != head) { continue; }
        s.head = next;
        s.take(head);
        co_return;
    }
}

coro<> pop_two_push_one(stack& s) {
    co_await be_late(2);
    const int first = s.head;
    co_await pop(s);
    co_await pop(s);
    if (s.at(first).is_taken) { s.push(first); }
}

coro<> head_the_same_again() {
    stack s;
    co_await together(pop(s), pop_two_push_one(s));
    co_await pop(s);
    effect("popped-twice", s.was_popped_twice);
    expect(!s.was_popped_twice, "one was popped twice");
}

/// A cached copy is used after what it is a copy of has changed.
struct settings {
    int version = 1;
    int limit = 10;
};

coro<> use_limit(const settings& now, int& seen_version, int& used) {
    const auto cached = now;
    co_await yield_now();
    seen_version = now.version;
    used = cached.limit;
}

coro<> change_limit(settings& now, int late) {
    co_await be_late(late);
    now = {2, 20};
}

coro<> limit_of_an_old_version() {
    settings now;
    int version = 0;
    int used = 0;
    co_await together(use_limit(now, version, used), change_limit(now, 2));
    effect("used", std::pair(version, used));
    expect(used == 10 * version, "a limit was used under another version's name");
}

/// The cache is filled with what was read before the change, after the change emptied it.
coro<> read_through(std::map<int, int>& cache, const int& stored, int late) {
    co_await be_late(late);
    if (cache.contains(1)) { co_return; }
    const int read = stored;
    co_await yield_now();
    cache[1] = read;
}

coro<> store(std::map<int, int>& cache, int& stored, int late) {
    co_await be_late(late);
    stored = 2;
    cache.erase(1);
}

coro<> old_value_cached_again() {
    std::map<int, int> cache;
    int stored = 1;
    co_await together(read_through(cache, stored, 0), store(cache, stored, 2));
    const bool is_stale = cache.contains(1) && cache[1] != stored;
    effect("is-stale", is_stale);
    expect(!is_stale, "the cache has an old value");
}

/// A retry begins when the first attempt is thought lost; both succeed.
coro<> attempt(int& payments) {
    co_await sleep_for(3s);
    ++payments;
}

coro<> pay_with_retry(int& payments) {
    const auto first = coroscope::get_running_loop().create_task(attempt(payments));
    co_await sleep_for(3s);
    if (payments == 0) { co_await attempt(payments); }
    co_await first;
}

coro<> paid_twice() {
    int payments = 0;
    co_await together(pay_with_retry(payments));
    effect("payments", payments);
    expect(payments == 1, "paid twice");
}

/// Each attempt spoils the other's; after two of them it gives up.
coro<> commit(int& version, int& committed) {
    for (int attempts = 0; attempts < 2; ++attempts) {
        const int before = ++version;
        co_await yield_now();
        if (version == before) {
            ++committed;
            co_return;
        }
    }
    throw std::runtime_error("gave up after two attempts");
}

coro<> attempts_spoil_each_other() {
    int version = 0;
    int committed = 0;
    co_await together(commit(version, committed), commit(version, committed));
    effect("committed", committed);
}

/// It is cancelled between its two writes, and nobody takes the first one back.
coro<> move_both(int& from, int& to) {
    --from;
    co_await yield_now();
    ++to;
}

coro<> cancel_soon(coroscope::task<> what, int late) {
    co_await be_late(late);
    static_cast<void>(what.cancel());
}

coro<> ignore_cancellation(const coroscope::task<>& what) {
    try {
        co_await what;
    } catch (const coroscope::cancelled_error&) { effect("cancelled", true); }
}

coro<> cancelled_between_two_writes() {
    int from = 1;
    int to = 0;
    const auto moving = coroscope::get_running_loop().create_task(move_both(from, to));
    co_await together(cancel_soon(moving, 3), ignore_cancellation(moving));
    effect("sum", from + to);
    expect(from + to == 1, "half of it was done");
}

/// The flag is set for the time of the work; cancelled meanwhile, it stays, and the next one
/// finds the work going on for ever.
coro<> work_once(bool& is_working, int& done) {
    if (is_working) { co_return; }
    is_working = true;
    co_await yield_now();
    ++done;
    is_working = false;
}

coro<> flag_left_by_the_cancelled() {
    bool is_working = false;
    int done = 0;
    const auto first = coroscope::get_running_loop().create_task(work_once(is_working, done));
    co_await together(cancel_soon(first, 3), ignore_cancellation(first));
    co_await work_once(is_working, done);
    effect("is-stuck", is_working);
    expect(!is_working, "nobody works, and the flag says so");
}

/// A timer of an earlier round ends the later one.
struct game {
    int round = 1;
    bool is_over = false;
};

coro<> end_round(game& g, int seconds) {
    co_await sleep_for(std::chrono::seconds(seconds));
    g.is_over = true;
}

coro<> next_round(game& g, int seconds) {
    co_await sleep_for(std::chrono::seconds(seconds));
    ++g.round;
    g.is_over = false;
}

coro<> timer_of_an_earlier_round() {
    game g;
    co_await together(end_round(g, 5), next_round(g, 5));
    expect(!(g.round == 2 && g.is_over), "the second round was ended by the first one's timer");
}

/// A token bucket is refilled from what it held before it was drawn from.
coro<> refill(int& tokens) {
    const int missing = 10 - tokens;
    co_await yield_now();
    tokens += missing;
}

coro<> draw(int& tokens, int late) {
    co_await be_late(late);
    tokens -= 4;
}

coro<> bucket_filled_twice() {
    int tokens = 6;
    co_await together(refill(tokens), refill(tokens), draw(tokens, 4));
    effect("is-over-full", tokens > 10);
    expect(tokens <= 10, "there are more tokens than fit");
}

/// A reference count is asked before an await; the last one to leave is two.
struct counted {
    int users = 2;
    int freed = 0;
};

coro<> leave(counted& c, int late) {
    co_await be_late(late);
    const int left = c.users - 1;
    co_await yield_now();
    c.users = left;
    if (left == 0) { ++c.freed; }
}

coro<> never_freed() {
    counted c;
    co_await together(leave(c, 0), leave(c, 2));
    effect("freed", c.freed);
    expect(c.freed == 1, "nobody was the last");
}

constexpr program list[] = {
    bug("head-the-same-again", "ABA", source::own, head_the_same_again),
    bug("limit-of-an-old-version", "stale cache", source::own, limit_of_an_old_version),
    bug("old-value-cached-again", "stale cache", source::study, old_value_cached_again),
    bug("paid-twice", "retry storm", source::study, paid_twice),
    bug("attempts-spoil-each-other", "retry storm", source::own, attempts_spoil_each_other),
    bug("cancelled-between-two-writes", "cancelled half-way", source::study,
        cancelled_between_two_writes),
    bug("flag-left-by-the-cancelled", "cancelled half-way", source::study,
        flag_left_by_the_cancelled),
    silent_bug("timer-of-an-earlier-round", "timer against completion", source::study,
               timer_of_an_earlier_round),
    bug("bucket-filled-twice", "lost update", source::own, bucket_filled_twice),
    bug("never-freed", "lost update", source::study, never_freed),
};

}  // namespace
}  // namespace race_corpus::retries_file

namespace race_corpus {

std::span<const program> retries() {
    return retries_file::list;
}

}  // namespace race_corpus
