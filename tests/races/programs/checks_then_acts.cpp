// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/queue.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

// What was found before a co_await is not so any more after it.

namespace race_corpus::checks_then_acts_file {
namespace {

/// Both find one ticket left, and both take it.
coro<> buy(int& left, int& sold, int late) {
    co_await be_late(late);
    if (left == 0) { co_return; }
    co_await yield_now();  // pays
    --left;
    ++sold;
}

coro<> last_ticket_sold_twice() {
    int left = 1;
    int sold = 0;
    co_await together(buy(left, sold, 0), buy(left, sold, 2));
    effect("sold", sold);
    expect(sold == 1, "one ticket was sold twice");
}

/// A cache is filled by everybody who finds it empty; who came later replaces what others hold.
using entry = std::shared_ptr<std::vector<int>>;

coro<> add_through_cache(std::map<std::string, entry>& cache, int what, int late) {
    co_await be_late(late);
    if (!cache.contains("key")) {
        co_await yield_now();  // loads it
        cache["key"] = std::make_shared<std::vector<int>>();
    }
    cache["key"]->push_back(what);
}

coro<> cache_entry_replaced() {
    std::map<std::string, entry> cache;
    co_await together(add_through_cache(cache, 1, 0), add_through_cache(cache, 2, 2));
    effect("entries", cache["key"]->size());
    expect(cache["key"]->size() == 2, "what was added to the first entry is gone");
}

/// Two find that nothing is there yet and set it up, so that it is set up twice: sync.Once left
/// out.
struct service {
    bool is_set_up = false;
    int set_ups = 0;
};

coro<> set_up_once(service& s, int late) {
    co_await be_late(late);
    if (s.is_set_up) { co_return; }
    co_await yield_now();
    ++s.set_ups;
    s.is_set_up = true;
}

coro<> set_up_twice() {
    service s;
    co_await together(set_up_once(s, 0), set_up_once(s, 2));
    effect("set-ups", s.set_ups);
    expect(s.set_ups == 1, "set up twice");
}

/// Whether a folder exists is asked before it is made; the second one fails: EEXIST in Node.js.
void make_folder(std::set<std::string>& folders, const std::string& name) {
    if (!folders.insert(name).second) { throw std::runtime_error("the folder exists"); }
}

coro<> ensure_folder(std::set<std::string>& folders, int late) {
    co_await be_late(late);
    const bool exists = folders.contains("data");
    co_await yield_now();
    if (!exists) { make_folder(folders, "data"); }
}

coro<> folder_made_twice() {
    std::set<std::string> folders;
    co_await together(ensure_folder(folders, 0), ensure_folder(folders, 2));
}

/// A name is looked up before a user is stored under it: both get it.
coro<> register_user(std::vector<std::string>& users, int late) {
    co_await be_late(late);
    std::size_t found = 0;
    for (const auto& each : users) {
        found += each == "ann" ? 1U : 0U;
    }
    co_await yield_now();  // hashes the password
    if (found == 0) { users.emplace_back("ann"); }
}

coro<> one_name_two_users() {
    std::vector<std::string> users;
    co_await together(register_user(users, 0), register_user(users, 2));
    effect("users", users);
    expect(users.size() == 1, "two users have one name");
}

/// The balance is enough when it is asked, and not when it is used.
coro<> withdraw(int& balance, int amount, int late) {
    co_await be_late(late);
    const bool is_enough = balance >= amount;
    co_await yield_now();  // asks the bank
    if (is_enough) { balance -= amount; }
}

coro<> overdrawn() {
    int balance = 100;
    co_await together(withdraw(balance, 80, 0), withdraw(balance, 70, 2));
    effect("is-overdrawn", balance < 0);
    expect(balance >= 0, "more was taken than there was");
}

/// A limit made by hand: who is let in is counted only after an await.
struct entrance {
    int inside = 0;
    bool was_full = false;
};

coro<> come_in(entrance& e, int late) {
    co_await be_late(late);
    while (e.inside >= 1) {
        co_await yield_now();
    }
    co_await yield_now();  // shows the ticket
    ++e.inside;
    e.was_full = e.was_full || e.inside > 1;
    co_await yield_now();
    --e.inside;
}

coro<> more_inside_than_allowed() {
    entrance e;
    co_await together(come_in(e, 0), come_in(e, 3));
    effect("was-too-full", e.was_full);
    expect(!e.was_full, "two were inside");
}

/// Nobody leads, so each says that it will, and each does.
coro<> become_leader(std::string& leader, std::vector<std::string>& announced, std::string name,
                     int late) {
    co_await be_late(late);
    if (!leader.empty()) { co_return; }
    co_await yield_now();  // asks the others
    leader = name;
    announced.push_back(name);
}

coro<> two_leaders() {
    std::string leader;
    std::vector<std::string> announced;
    co_await together(become_leader(leader, announced, "a", 0),
                      become_leader(leader, announced, "b", 2));
    effect("leaders", announced.size());
    expect(announced.size() == 1, "two lead");
}

/// The queue has one item when both look; the second gets an exception.
coro<> take_if_any(coroscope::queue<int>& q, int late) {
    co_await be_late(late);
    if (q.empty()) { co_return; }
    co_await yield_now();
    static_cast<void>(q.get_nowait());
}

coro<> queue_empty_after_all() {
    coroscope::queue<int> q;
    q.put_nowait(1);
    co_await together(take_if_any(q, 0), take_if_any(q, 2));
}

/// The flag against a second start is set after the first await of a start.
coro<> refresh(bool& is_busy, int& running, bool& overlapped, int late) {
    co_await be_late(late);
    if (is_busy) { co_return; }
    co_await yield_now();
    is_busy = true;
    ++running;
    overlapped = overlapped || running > 1;
    co_await yield_now();
    --running;
    is_busy = false;
}

coro<> busy_flag_set_too_late() {
    bool is_busy = false;
    int running = 0;
    bool overlapped = false;
    co_await together(refresh(is_busy, running, overlapped, 0),
                      refresh(is_busy, running, overlapped, 3));
    effect("overlapped", overlapped);
    expect(!overlapped, "two refresh at once");
}

/// A lock file is looked for and then created, in two steps.
coro<> work_under_lock_file(bool& lock_file, int& total, int late) {
    co_await be_late(late);
    while (lock_file) {
        co_await yield_now();
    }
    co_await yield_now();
    lock_file = true;
    const int before = total;
    co_await yield_now();
    total = before + 1;
    lock_file = false;
}

coro<> lock_file_in_two_steps() {
    bool lock_file = false;
    int total = 0;
    co_await together(work_under_lock_file(lock_file, total, 0),
                      work_under_lock_file(lock_file, total, 4));
    effect("total", total);
    expect(total == 2, "both held the lock file");
}

/// A seat map is shown, chosen from, and booked without another look: the later booking wins.
coro<> book_seat(std::map<int, std::string>& seats, std::string who, int late) {
    co_await be_late(late);
    int free = 1;
    while (seats.contains(free)) {
        ++free;
    }
    co_await sleep_for(1min);  // thinks
    seats[free] = std::move(who);
}

coro<> seat_booked_over() {
    std::map<int, std::string> seats;
    co_await together(book_seat(seats, "ann", 0), book_seat(seats, "bob", 1));
    effect("seats", seats.size());
    expect(seats.size() == 2, "one seat was booked twice");
}

constexpr auto kind = "check then act";
constexpr program list[] = {
    bug("last-ticket-sold-twice", kind, source::own, last_ticket_sold_twice),
    bug("cache-entry-replaced", kind, source::study, cache_entry_replaced),
    bug("set-up-twice", "double init", source::study, set_up_twice),
    bug("folder-made-twice", kind, source::study, folder_made_twice),
    bug("one-name-two-users", kind, source::study, one_name_two_users),
    bug("overdrawn", kind, source::own, overdrawn),
    bug("more-inside-than-allowed", kind, source::own, more_inside_than_allowed),
    bug("two-leaders", kind, source::own, two_leaders),
    bug("queue-empty-after-all", kind, source::study, queue_empty_after_all),
    bug("busy-flag-set-too-late", kind, source::study, busy_flag_set_too_late),
    bug("lock-file-in-two-steps", kind, source::study, lock_file_in_two_steps),
    bug("seat-booked-over", kind, source::own, seat_booked_over),
};

}  // namespace
}  // namespace race_corpus::checks_then_acts_file

namespace race_corpus {

std::span<const program> checks_then_acts() {
    return checks_then_acts_file::list;
}

}  // namespace race_corpus
