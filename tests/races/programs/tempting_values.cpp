// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

// Values that several tasks use, rightly; and the same with one line wrong.

namespace race_corpus::tempting_values_file {
namespace {

using coroscope::mutex;

/// Read, wait and write under one lock. Wrong: another lock for each.
template <bool Wrong>
coro<> add_locked(int& value, mutex& shared, int late) {
    mutex own;
    co_await be_late(late);
    const auto lock = co_await (Wrong ? own : shared).scoped();
    const int before = value;
    co_await yield_now();
    value = before + 1;
}

template <bool Wrong>
coro<> locked_update() {
    int value = 0;
    mutex guard;
    co_await together(add_locked<Wrong>(value, guard, 0), add_locked<Wrong>(value, guard, 2));
    effect("value", value);
    expect(value == 2, "an update was lost");
}

/// What is added comes from an await, the sum is read after it. Wrong: read before it.
coro<int> fetch(int of) {
    co_await yield_now();
    co_return of;
}

template <bool Wrong>
coro<> add_fetched(int& sum, int of) {
    const int early = sum;
    const int fetched = co_await fetch(of);
    sum = (Wrong ? early : sum) + fetched;
}

template <bool Wrong>
coro<> read_after_the_await() {
    int sum = 0;
    co_await together(add_fetched<Wrong>(sum, 3), add_fetched<Wrong>(sum, 4));
    effect("sum", sum);
    expect(sum == 7, "a part is missing");
}

/// Reads, waits, and compares before it writes; tries again if it has changed. Wrong: does not
/// compare.
template <bool Wrong>
coro<> compare_and_set(int& value, int late) {
    co_await be_late(late);
    for (;;) {
        const int before = value;
        co_await yield_now();
        if (value == before || Wrong) {
            value = before + 1;
            co_return;
        }
    }
}

template <bool Wrong>
coro<> compared_before_it_is_set() {
    int value = 0;
    co_await together(compare_and_set<Wrong>(value, 0), compare_and_set<Wrong>(value, 2));
    effect("value", value);
    expect(value == 2, "an update was lost");
}

/// A counter that only grows, with no await in the middle. Wrong: one in the middle.
template <bool Wrong>
coro<> count_visit(int& visits) {
    for (int i = 0; i < 2; ++i) {
        const int before = visits;
        if (Wrong) { co_await yield_now(); }
        visits = before + 1;
        co_await yield_now();
    }
}

template <bool Wrong>
coro<> counted_without_await() {
    int visits = 0;
    co_await together(count_visit<Wrong>(visits), count_visit<Wrong>(visits));
    effect("visits", visits);
    expect(visits == 4, "a visit was not counted");
}

/// A lock for each key; keys do not meet. Wrong: the lock of another key for one of them.
struct accounts {
    std::map<int, int> balances;
    std::map<int, mutex> guards;
};

template <bool Wrong>
coro<> pay_in_to(accounts& a, int key, int late) {
    co_await be_late(late);
    const int guard = Wrong && late > 0 ? key + 10 : key;
    const auto lock = co_await a.guards[guard].scoped();
    const int before = a.balances[key];
    co_await yield_now();
    a.balances[key] = before + 1;
}

template <bool Wrong>
coro<> one_lock_for_each_key() {
    accounts a;
    co_await together(pay_in_to<Wrong>(a, 1, 0), pay_in_to<Wrong>(a, 2, 0),
                      pay_in_to<Wrong>(a, 1, 2));
    effect("balances", a.balances);
    expect(a.balances[1] == 2, "a payment was lost");
}

/// Many read, nobody writes while they do. Wrong: one of them normalises what it reads.
template <bool Wrong>
coro<> longest(std::vector<std::string>& words, std::size_t& length) {
    const auto first = words.at(0).size();
    co_await yield_now();
    length = std::max(first, words.at(1).size());
    if (Wrong) { words = {"", ""}; }
}

template <bool Wrong>
coro<> only_read() {
    std::vector<std::string> words{"one", "three"};
    std::size_t a = 0;
    std::size_t b = 0;
    co_await together(longest<Wrong>(words, a), longest<false>(words, b));
    effect("length", b);
    expect(b == 5 || (Wrong && b == 0), "half of it was another text");
}

/// Readers keep the copy that they have begun with, writers replace it as a whole. Wrong: a reader
/// looks at the current one twice.
struct table {
    int rows = 1;
    int columns = 1;
};

template <bool Wrong>
coro<> area(const std::shared_ptr<const table>& current, int& result) {
    const auto mine = current;
    const int rows = mine->rows;
    co_await yield_now();
    result = rows * (Wrong ? current : mine)->columns;
}

coro<> grow(std::shared_ptr<const table>& current, int late) {
    co_await be_late(late);
    auto copy = *current;
    copy.rows = 3;
    copy.columns = 3;
    current = std::make_shared<const table>(copy);
}

template <bool Wrong>
coro<> copy_on_write() {
    std::shared_ptr<const table> current = std::make_shared<const table>();
    int result = 0;
    co_await together(area<Wrong>(current, result), grow(current, 2));
    effect("area", result);
    expect(result == 1 || result == 9, "rows and columns are of two tables");
}

/// A block that one task has freed serves another one next. Wrong: both use one block.
template <bool Wrong>
coro<> fill_buffer(const std::shared_ptr<std::vector<int>>& one_for_all, int value, int& sum) {
    auto own = Wrong ? one_for_all : std::make_shared<std::vector<int>>(8);
    own->assign(8, value);
    co_await yield_now();
    sum = own->at(0) * 8;
    own.reset();
    co_await yield_now();
}

template <bool Wrong>
coro<> memory_used_again() {
    const auto one = std::make_shared<std::vector<int>>(8);
    int a = 0;
    int b = 0;
    co_await together(fill_buffer<Wrong>(one, 1, a), fill_buffer<Wrong>(one, 2, b));
    effect("sums", std::pair(a, b));
    expect(a == 8 && b == 16, "a buffer was another task's");
}

/// Each task has a place of its own in one array. Wrong: one of them has a neighbour's.
template <bool Wrong>
coro<> square(std::vector<int>& results, std::size_t at) {
    auto& place = results.at(Wrong ? 0 : at);
    const int before = place;
    co_await yield_now();
    place = before + static_cast<int>((at + 1) * (at + 1));
}

template <bool Wrong>
coro<> a_place_for_each() {
    std::vector<int> results(3);
    co_await together(square<Wrong>(results, 0), square<Wrong>(results, 1),
                      square<Wrong>(results, 2));
    int sum = 0;
    for (const int each : results) {
        sum += each;
    }
    effect("sum", sum);
    expect(sum == 14, "a result was lost");
}

/// Each sums for itself, and adds it to the total at once. Wrong: begins with the total.
template <bool Wrong>
coro<> sum_up(const std::vector<int>& part, int& total) {
    int sum = Wrong ? total : 0;
    for (const int each : part) {
        sum += each;
        co_await yield_now();
    }
    total = Wrong ? sum : total + sum;
}

template <bool Wrong>
coro<> summed_apart() {
    const std::vector<int> first{1, 2};
    const std::vector<int> second{3, 4};
    int total = 0;
    co_await together(sum_up<Wrong>(first, total), sum_up<Wrong>(second, total));
    effect("total", total);
    expect(total == 10, "a part is missing");
}

/// Both load the same thing and store the same: twice the work, one result. Wrong: what they load
/// has a number of its own.
template <bool Wrong>
coro<> load(std::map<int, std::string>& cache, int& loads) {
    if (cache.contains(1)) { co_return; }
    const int number = ++loads;
    co_await yield_now();
    cache[1] = Wrong ? "text " + std::to_string(number) : "text";
}

template <bool Wrong>
coro<> loaded_twice_the_same() {
    std::map<int, std::string> cache;
    int loads = 0;
    co_await together(load<Wrong>(cache, loads), load<Wrong>(cache, loads));
    effect("cached", cache[1]);
    expect(!Wrong || cache[1] == "text 1", "the second load won");
}

/// Each request carries its user along. Wrong: the user of all requests is one variable.
template <bool Wrong>
coro<> serve(std::string& one_for_all, std::string me, std::string& answer) {
    one_for_all = me;
    co_await yield_now();
    answer = "for " + (Wrong ? one_for_all : me);
}

template <bool Wrong>
coro<> user_carried_along() {
    std::string current;
    std::string a;
    std::string b;
    co_await together(serve<Wrong>(current, "ann", a), serve<Wrong>(current, "bob", b));
    effect("answers", std::pair(a, b));
    expect(a == "for ann" && b == "for bob", "an answer is for another user");
}

/// Changes that commute, one step each, in any order. Wrong: one of them does not.
template <bool Wrong>
coro<> change(int& value, int by, int late) {
    co_await be_late(late);
    const int before = value;
    if (Wrong && late > 0) { co_await yield_now(); }
    value = Wrong ? before + by : value + by;
}

template <bool Wrong>
coro<> changes_that_commute() {
    int value = 0;
    co_await together(change<Wrong>(value, 1, 1), change<Wrong>(value, -2, 2),
                      change<Wrong>(value, 4, 0));
    effect("value", value);
    expect(value == 3, "a change was lost");
}

constexpr auto list = paired(std::to_array<program_pair>({
    {"locked-update", "lost update", source::recipe, locked_update<false>, locked_update<true>},
    {"read-after-the-await", "lost update", source::study, read_after_the_await<false>,
     read_after_the_await<true>},
    {"compared-before-set", "lost update", source::own, compared_before_it_is_set<false>,
     compared_before_it_is_set<true>},
    {"counted-without-await", "lost update", source::own, counted_without_await<false>,
     counted_without_await<true>},
    {"one-lock-for-each-key", "lost update", source::own, one_lock_for_each_key<false>,
     one_lock_for_each_key<true>},
    {"only-read", "torn group", source::own, only_read<false>, only_read<true>},
    {"copy-on-write", "torn group", source::own, copy_on_write<false>, copy_on_write<true>},
    {"memory-used-again", "unserialisable triple", source::own, memory_used_again<false>,
     memory_used_again<true>},
    {"place-for-each", "lost update", source::own, a_place_for_each<false>, a_place_for_each<true>},
    {"summed-apart", "lost update", source::own, summed_apart<false>, summed_apart<true>},
    {"loaded-twice-the-same", "double init", source::study, loaded_twice_the_same<false>,
     loaded_twice_the_same<true>},
    {"user-carried-along", "unserialisable triple", source::study, user_carried_along<false>,
     user_carried_along<true>},
    {"changes-that-commute", "lost update", source::own, changes_that_commute<false>,
     changes_that_commute<true>},
}));

}  // namespace
}  // namespace race_corpus::tempting_values_file

namespace race_corpus {

std::span<const program> tempting_values() {
    return tempting_values_file::list;
}

}  // namespace race_corpus
