// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/testkit/fault.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Objects that come, go and change while others know them, rightly; and the same with one line
// wrong.

namespace race_corpus::tempting_objects_file {
namespace {

using coroscope::mutex;
using coroscope::semaphore;

/// Looks without the lock, and once more with it. Wrong: does not look once more.
struct service {
    mutex guard;
    bool is_set_up = false;
    int set_ups = 0;
};

template <bool Wrong>
coro<> ensure_set_up(service& s) {
    if (s.is_set_up) { co_return; }
    const auto lock = co_await s.guard.scoped();
    if (!Wrong && s.is_set_up) { co_return; }
    co_await yield_now();
    ++s.set_ups;
    s.is_set_up = true;
}

template <bool Wrong>
coro<> looked_twice() {
    service s;
    co_await together(ensure_set_up<Wrong>(s), ensure_set_up<Wrong>(s));
    effect("set-ups", s.set_ups);
    expect(s.set_ups == 1, "set up twice");
}

/// Who comes second waits for the load of the first. Wrong: the load is known only when it ends.
struct loader {
    std::optional<coroscope::future<int>> flight;
    int loads = 0;
};

template <bool Wrong>
coro<> load(loader& l, int& got) {
    if (l.flight.has_value()) {
        auto known = *l.flight;
        got = co_await known;
        co_return;
    }
    auto result = coroscope::get_running_loop().create_future<int>();
    if (!Wrong) { l.flight = result; }
    co_await yield_now();
    ++l.loads;
    l.flight = result;
    result.set_result(42);
    got = 42;
}

template <bool Wrong>
coro<> one_load_for_all() {
    loader l;
    int a = 0;
    int b = 0;
    co_await together(load<Wrong>(l, a), load<Wrong>(l, b));
    effect("loads", l.loads);
    expect(l.loads == 1 && a == 42 && b == 42, "loaded twice");
}

/// What was found is looked at once more before it is used. Wrong: it is not.
template <bool Wrong>
coro<> buy(int& left, int& sold, int late) {
    co_await be_late(late);
    if (left == 0) { co_return; }
    co_await yield_now();
    if (!Wrong && left == 0) { co_return; }
    --left;
    ++sold;
}

template <bool Wrong>
coro<> looked_at_again() {
    int left = 1;
    int sold = 0;
    co_await together(buy<Wrong>(left, sold, 0), buy<Wrong>(left, sold, 2));
    effect("sold", sold);
    expect(sold == 1, "sold twice");
}

/// A permit goes back by itself, whatever happens. Wrong: only if nothing does.
template <bool Wrong>
coro<> work(semaphore& permits) {
    co_await permits.acquire();
    std::optional<coroscope::scoped_permit> permit;
    if (!Wrong) { permit.emplace(permits); }
    co_await yield_now();
    const bool fails = coroscope::testkit::fault_point("tool");
    if (fails) { throw std::runtime_error("the tool is broken"); }
    if (Wrong) { permits.release(); }
}

coro<> tolerate(coro<> what) {
    try {
        co_await std::move(what);
    } catch (const std::runtime_error&) { effect("failed", true); }
}

template <bool Wrong>
coro<> permit_goes_back_by_itself() {
    semaphore permits(1);
    co_await together(tolerate(work<Wrong>(permits)), tolerate(work<Wrong>(permits)));
    effect("permits", permits.value());
}

/// Marks as closed, then closes. Wrong: closes, then marks.
struct connection {
    bool is_open = true;
    int closed = 0;
};

template <bool Wrong>
coro<> close(connection& c, int late) {
    co_await be_late(late);
    if (!c.is_open) { co_return; }
    if (!Wrong) { c.is_open = false; }
    co_await yield_now();
    ++c.closed;
    c.is_open = false;
}

template <bool Wrong>
coro<> marked_before_closed() {
    connection c;
    co_await together(close<Wrong>(c, 0), close<Wrong>(c, 2));
    effect("closed", c.closed);
    expect(c.closed == 1, "closed twice");
}

/// The object is complete when others can find it. Wrong: they can before.
template <bool Wrong>
coro<> make(std::map<int, std::string>& registry) {
    if (Wrong) { registry[1] = ""; }
    co_await yield_now();
    registry[1] = "complete";
}

coro<> find(const std::map<int, std::string>& registry, std::string& found) {
    co_await yield_now();
    const auto known = registry.find(1);
    found = known != registry.end() ? known->second : "none";
}

template <bool Wrong>
coro<> complete_before_published() {
    std::map<int, std::string> registry;
    std::string found;
    co_await together(find(registry, found), make<Wrong>(registry));
    effect("found", found);
    expect(!found.empty(), "it was not complete");
}

/// Waits for the start. Wrong: gives it three turns.
template <bool Wrong>
coro<> use_when_started(coroscope::event& started, const std::optional<int>& port, int& used) {
    if (Wrong) {
        co_await be_late(3);
    } else {
        co_await started.wait();
    }
    used = port.value();
}

coro<> start(coroscope::event& started, std::optional<int>& port) {
    co_await yield_now();
    port = 80;
    started.set();
}

template <bool Wrong>
coro<> start_awaited() {
    coroscope::event started;
    std::optional<int> port;
    int used = 0;
    co_await together(start(started, port), use_when_started<Wrong>(started, port, used));
    effect("used", used);
}

/// An answer counts if no newer request was made. Wrong: it always counts.
template <bool Wrong>
coro<> search(int& newest, int& shown) {
    const int mine = ++newest;
    co_await yield_now();
    if (Wrong || mine == newest) { shown = mine; }
}

template <bool Wrong>
coro<> latest_wins() {
    int newest = 0;
    int shown = 0;
    co_await together(search<Wrong>(newest, shown), search<Wrong>(newest, shown));
    effect("shown", shown);
    expect(shown == 2, "an older answer is shown");
}

/// The list is taken as a whole before it is sent. Wrong: it is emptied after it was sent.
template <bool Wrong>
coro<> flush(std::vector<int>& pending, std::size_t& sent) {
    const auto batch = pending;
    if (!Wrong) { pending.clear(); }
    co_await yield_now();
    sent += batch.size();
    if (Wrong) { pending.clear(); }
}

coro<> log(std::vector<int>& pending, int late) {
    co_await be_late(late);
    pending.push_back(2);
}

template <bool Wrong>
coro<> taken_before_sent() {
    std::vector<int> pending{1};
    std::size_t sent = 0;
    co_await together(flush<Wrong>(pending, sent), log(pending, 2));
    effect("sent-or-pending", sent + pending.size());
    expect(sent + pending.size() == 2, "a line was lost");
}

/// Goes over a copy. Wrong: over the list itself.
template <bool Wrong>
coro<> visit_all(std::vector<int>& list, int& visited) {
    auto copy = list;
    auto& all = Wrong ? list : copy;
    const auto count = all.size();
    for (std::size_t i = 0; i < count; ++i) {
        visited += all.at(i) > 0 ? 1 : 0;
        co_await yield_now();
    }
}

coro<> remove_last(std::vector<int>& list, int late) {
    co_await be_late(late);
    list.pop_back();
}

template <bool Wrong>
coro<> goes_over_a_copy() {
    std::vector<int> list{1, 2, 3};
    int visited = 0;
    co_await together(visit_all<Wrong>(list, visited), remove_last(list, 4));
    effect("visited", visited);
}

/// Looks the session up once more after the await. Wrong: relies on its being there.
template <bool Wrong>
coro<> answer(std::map<int, std::string>& sessions, int& answered) {
    if (!sessions.contains(1)) { co_return; }
    co_await yield_now();
    const bool is_there = Wrong || sessions.contains(1);
    if (is_there) { answered += static_cast<int>(sessions.at(1).size()); }
}

coro<> drop(std::map<int, std::string>& sessions, int late) {
    co_await be_late(late);
    sessions.erase(1);
}

template <bool Wrong>
coro<> looked_up_again() {
    std::map<int, std::string> sessions{{1, "ann"}};
    int answered = 0;
    co_await together(answer<Wrong>(sessions, answered), drop(sessions, 2));
    effect("answered", answered);
}

/// Asks whether it is done and completes it in one step. Wrong: with an await in between.
template <bool Wrong>
coro<> complete(coroscope::future<int> result, int value) {
    const bool is_done = result.done();
    if (Wrong) { co_await yield_now(); }
    if (!is_done) { result.set_result(value); }
    co_await yield_now();
}

template <bool Wrong>
coro<> completed_once() {
    auto result = coroscope::get_running_loop().create_future<int>();
    co_await together(complete<Wrong>(result, 1), complete<Wrong>(result, 2));
    effect("is-done", result.done());
}

/// Both accounts change in one step. Wrong: in two.
template <bool Wrong>
coro<> transfer(int& from, int& to) {
    co_await yield_now();
    from -= 10;
    if (Wrong) { co_await yield_now(); }
    to += 10;
}

coro<> audit(const int& a, const int& b, int& sum) {
    co_await yield_now();
    sum = a + b;
}

template <bool Wrong>
coro<> changed_in_one_step() {
    int a = 100;
    int b = 100;
    int sum = 0;
    co_await together(audit(a, b, sum), transfer<Wrong>(a, b));
    effect("sum", sum);
    expect(sum == 200, "money was missing");
}

constexpr auto list = paired(std::to_array<program_pair>({
    {"looked-twice", "double init", source::study, looked_twice<false>, looked_twice<true>},
    {"one-load-for-all", "double init", source::study, one_load_for_all<false>,
     one_load_for_all<true>},
    {"looked-at-again", "check then act", source::own, looked_at_again<false>,
     looked_at_again<true>},
    {"permit-goes-back-by-itself", "semaphore leak", source::study,
     permit_goes_back_by_itself<false>, permit_goes_back_by_itself<true>},
    {"marked-before-closed", "double close", source::own, marked_before_closed<false>,
     marked_before_closed<true>},
    {"complete-before-published", "published too early", source::own,
     complete_before_published<false>, complete_before_published<true>},
    {"start-awaited", "order violation", source::own, start_awaited<false>, start_awaited<true>},
    {"latest-wins", "stale cache", source::study, latest_wins<false>, latest_wins<true>},
    {"taken-before-sent", "lost update", source::study, taken_before_sent<false>,
     taken_before_sent<true>},
    {"goes-over-a-copy", "iterator across await", source::own, goes_over_a_copy<false>,
     goes_over_a_copy<true>},
    {"looked-up-again", "use after free", source::study, looked_up_again<false>,
     looked_up_again<true>},
    {"completed-once", "timer against completion", source::study, completed_once<false>,
     completed_once<true>},
    {"changed-in-one-step", "torn group", source::own, changed_in_one_step<false>,
     changed_in_one_step<true>},
}));

}  // namespace
}  // namespace race_corpus::tempting_objects_file

namespace race_corpus {

std::span<const program> tempting_objects() {
    return tempting_objects_file::list;
}

}  // namespace race_corpus
