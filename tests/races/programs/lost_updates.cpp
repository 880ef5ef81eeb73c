// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/mutex.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

// What was read before a co_await is written back after it, and what came between is lost.

namespace race_corpus::lost_updates_file {
namespace {

using coroscope::mutex;

/// Each adds to an entry with a sleep between the read and the write; the longer sleep wins.
coro<> delayed_add(std::map<std::string, double>& values, std::chrono::seconds delay) {
    const double old = values["value"];
    co_await sleep_for(delay);
    values["value"] = old + 1;
}

coro<> dictionary_across_a_sleep() {
    std::map<std::string, double> values{{"value", 0}};
    co_await together(delayed_add(values, 2s), delayed_add(values, 1s));
    effect("value", values["value"]);
    expect(values["value"] == 2, "an addition was lost");
}

/// The read and the write are one line apart, with a yield between them.
coro<> pay_in(int& balance, int amount, int late) {
    co_await be_late(late);
    const int before = balance;
    co_await yield_now();
    balance = before + amount;
}

coro<> balance_across_a_yield() {
    int balance = 0;
    co_await together(pay_in(balance, 10, 0), pay_in(balance, 5, 2));
    effect("balance", balance);
    expect(balance == 15, "a payment was lost");
}

/// `total = total + await price()` reads the total first: a favourite of Node.js programs.
coro<int> price(int of) {
    co_await yield_now();
    co_return of;
}

coro<> add_price(int& total, int of, int late) {
    co_await be_late(late);
    const int so_far = total;
    const int more = co_await price(of);
    total = so_far + more;
}

coro<> sum_with_await_in_it() {
    int total = 0;
    co_await together(add_price(total, 3, 0), add_price(total, 4, 3), add_price(total, 5, 0));
    effect("total", total);
    expect(total == 12, "a price was left out");
}

/// Two requests load the whole session, change a field each, and store the whole session: the
/// later one undoes the other's field, as in session stores of web frameworks.
struct session {
    std::string user;
    std::string language;
};

coro<> log_in(session& stored, int late) {
    co_await be_late(late);
    auto mine = stored;
    co_await yield_now();
    mine.user = "ann";
    stored = mine;
}

coro<> set_language(session& stored, int late) {
    co_await be_late(late);
    auto mine = stored;
    co_await yield_now();
    mine.language = "nl";
    stored = mine;
}

coro<> session_saved_as_a_whole() {
    session stored;
    co_await together(log_in(stored, 0), set_language(stored, 2));
    effect("user", stored.user);
    effect("language", stored.language);
    expect(!stored.user.empty() && !stored.language.empty(), "a field was undone");
}

/// A file of lines is read, and written back with one more: the study of Node.js races has it for
/// JSON files that serve as data bases.
struct file {
    std::string text;
    coro<std::string> read() {
        co_await yield_now();
        co_return text;
    }
    coro<> write(std::string all) {
        co_await yield_now();
        text = std::move(all);
    }
};

coro<> append(file& f, std::string line, int late) {
    co_await be_late(late);
    auto all = co_await f.read();
    all += line;
    co_await f.write(std::move(all));
}

coro<> file_read_and_written_back() {
    file f;
    co_await together(append(f, "a", 0), append(f, "b", 4));
    effect("lines", f.text.size());
    expect(f.text.size() == 2, "a line was lost");
}

/// Each access is under the lock, the two together are not.
struct locked_counter {
    mutex guard;
    int value = 0;
    coro<int> get() {
        const auto lock = co_await guard.scoped();
        co_return value;
    }
    coro<> set(int to) {
        const auto lock = co_await guard.scoped();
        value = to;
    }
};

coro<> count_up(locked_counter& c, int late) {
    co_await be_late(late);
    const int old = co_await c.get();
    co_await yield_now();
    co_await c.set(old + 1);
}

coro<> each_access_locked() {
    locked_counter c;
    co_await together(count_up(c, 0), count_up(c, 2));
    effect("value", c.value);
    expect(c.value == 2, "an update was lost");
}

/// It reads once more after the await, but goes on with the old value.
coro<> reread_for_nothing(int& level, std::vector<int>& log, int late) {
    co_await be_late(late);
    const int old = level;
    co_await yield_now();
    log.push_back(level);
    level = old + 1;
}

coro<> a_second_read_that_is_not_used() {
    int level = 0;
    std::vector<int> log;
    co_await together(reread_for_nothing(level, log, 0), reread_for_nothing(level, log, 2));
    effect("level", level);
    expect(level == 2, "an update was lost");
}

/// The place for a new element is chosen before the element is there.
coro<> put_at_the_end(std::vector<std::string>& items, std::string what, int late) {
    co_await be_late(late);
    const std::size_t at = items.size();
    co_await yield_now();  // fetches it
    if (items.size() <= at) { items.resize(at + 1); }
    items.at(at) = std::move(what);
}

coro<> place_chosen_too_early() {
    std::vector<std::string> items;
    co_await together(put_at_the_end(items, "a", 0), put_at_the_end(items, "b", 2));
    effect("items", items.size());
    expect(items.size() == 2, "an element was overwritten");
}

/// The next number is taken when the row was stored: two rows get the same.
coro<> store_row(int& next, std::map<int, std::string>& rows, std::string what, int late) {
    co_await be_late(late);
    const int id = next;
    co_await yield_now();  // stores it
    rows[id] += what;
    next = id + 1;
}

coro<> same_number_twice() {
    int next = 1;
    std::map<int, std::string> rows;
    co_await together(store_row(next, rows, "a", 0), store_row(next, rows, "b", 2));
    effect("rows", rows.size());
    expect(rows.size() == 2, "two rows have one number");
}

/// Each visit of many adds one, and each may lose one.
coro<> visit(int& visits, int times, int late) {
    co_await be_late(late);
    for (int i = 0; i < times; ++i) {
        const int before = visits;
        co_await yield_now();
        visits = before + 1;
    }
}

coro<> visits_in_a_loop() {
    int visits = 0;
    co_await together(visit(visits, 2, 0), visit(visits, 2, 3));
    effect("visits", visits);
    expect(visits == 4, "visits were lost");
}

/// A maximum is compared before a message is written and stored after it: a smaller one may win.
coro<> record(int& best, int score, int late) {
    co_await be_late(late);
    if (score <= best) { co_return; }
    co_await yield_now();  // announces the record
    best = score;
}

coro<> maximum_undone() {
    int best = 0;
    co_await together(record(best, 7, 0), record(best, 9, 2));
    effect("best", best);
    expect(best == 9, "a smaller score became the record");
}

/// The tasks of a loop share a total in a captured struct: what a child has read is old when its
/// turn comes, as in loops over `await` that became `Promise.all`.
coro<> add_size(std::size_t& total, const std::string& of) {
    auto sum = total;
    co_await yield_now();
    sum += of.size();
    total = sum;
}

coro<> sizes_summed_at_once() {
    const std::vector<std::string> names{"a", "bb", "ccc"};
    std::size_t total = 0;
    std::vector<coroscope::task<>> started;
    for (const auto& each : names) {
        started.push_back(coroscope::get_running_loop().create_task(add_size(total, each)));
    }
    co_await join_all(std::move(started));
    effect("total", total);
    expect(total == 6, "a size was left out");
}

constexpr auto kind = "lost update";
constexpr program list[] = {
    bug("dictionary-across-a-sleep", kind, source::recipe, dictionary_across_a_sleep),
    bug("balance-across-a-yield", kind, source::own, balance_across_a_yield),
    bug("sum-with-await-in-it", kind, source::study, sum_with_await_in_it),
    bug("session-saved-as-a-whole", kind, source::study, session_saved_as_a_whole),
    bug("file-read-and-written-back", kind, source::study, file_read_and_written_back),
    bug("each-access-locked", kind, source::recipe, each_access_locked),
    bug("second-read-not-used", kind, source::own, a_second_read_that_is_not_used),
    bug("place-chosen-too-early", kind, source::own, place_chosen_too_early),
    bug("same-number-twice", kind, source::study, same_number_twice),
    bug("visits-in-a-loop", kind, source::own, visits_in_a_loop),
    bug("maximum-undone", kind, source::own, maximum_undone),
    bug("sizes-summed-at-once", kind, source::study, sizes_summed_at_once),
};

}  // namespace
}  // namespace race_corpus::lost_updates_file

namespace race_corpus {

std::span<const program> lost_updates() {
    return lost_updates_file::list;
}

}  // namespace race_corpus
