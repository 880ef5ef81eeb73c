// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/condition.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// First written by somebody who did not know how races are looked for. Most of the wrong ones go
// right whatever two steps alone change places.

namespace race_corpus::tempting_pairs_file {
namespace {

/// A lock for many readers or one writer. Wrong: gives its mutex away before a reader counts.
struct shared_lock {
    coroscope::condition changed;
    int readers = 0;
    bool is_written = false;
};

coro<> note_reader(shared_lock& l) {
    l.changed.unlock();
    co_await yield_now();
    co_await l.changed.lock();
}

template <bool Wrong>
coro<> begin_to_read(shared_lock& l) {
    const auto lock = co_await l.changed.scoped();
    while (l.is_written) {
        co_await l.changed.wait();
    }
    if (Wrong) { co_await note_reader(l); }
    ++l.readers;
}

coro<> end_reading(shared_lock& l) {
    const auto lock = co_await l.changed.scoped();
    --l.readers;
    l.changed.notify_all();
}

coro<> write_both(shared_lock& l, int& a, int& b, int late) {
    co_await be_late(late);
    {
        const auto lock = co_await l.changed.scoped();
        while (l.is_written || l.readers > 0) {
            co_await l.changed.wait();
        }
        l.is_written = true;
    }
    ++a;
    co_await yield_now();
    ++b;
    const auto lock = co_await l.changed.scoped();
    l.is_written = false;
    l.changed.notify_all();
}

template <bool Wrong>
coro<> read_both(shared_lock& l, const int& a, const int& b, int& difference) {
    co_await begin_to_read<Wrong>(l);
    const int first = a;
    co_await yield_now();
    difference = b - first;
    co_await end_reading(l);
}

template <bool Wrong>
coro<> reader_counted_at_once() {
    shared_lock l;
    int a = 0;
    int b = 0;
    int difference = 0;
    co_await together(read_both<Wrong>(l, a, b, difference), write_both(l, a, b, 8));
    effect("difference", difference);
    expect(difference == 0, "half of a write was read");
}

/// A name is taken before the others are told. Wrong: after that. Who comes first has nobody to
/// tell, so that its name is taken at once.
struct hall {
    std::size_t present = 0;
    std::vector<std::string> names;
    int given = 0;
};

coro<> visit(hall& h, int late) {
    co_await be_late(late);
    ++h.present;
}

coro<> tell(std::size_t others) {
    for (; others > 0; --others) {
        co_await yield_now();
    }
}

template <bool Wrong>
coro<> take_name(hall& h, std::string name, int late) {
    co_await visit(h, late);
    if (std::ranges::find(h.names, name) != h.names.end()) { co_return; }
    if (!Wrong) { h.names.push_back(name); }
    co_await tell(h.present - 1);
    if (Wrong) { h.names.push_back(name); }
    ++h.given;
}

template <bool Wrong>
coro<> name_taken_before_told() {
    hall h;
    co_await together(take_name<Wrong>(h, "zoe", 0), visit(h, 3), take_name<Wrong>(h, "zoe", 6));
    effect("given", h.given);
    expect(h.given == 1, "two have one name");
}

/// A list is copied, changed, and put in the old one's place unless that is another one by then.
/// Wrong: puts it there.
struct catalogue {
    std::shared_ptr<const std::vector<int>> now = std::make_shared<std::vector<int>>();
};

template <bool Wrong>
coro<> add_item(catalogue& c, int item, int late) {
    co_await be_late(late);
    for (;;) {
        const auto before = c.now;
        auto next = std::make_shared<std::vector<int>>(*before);
        next->push_back(item);
        co_await yield_now();
        if (!Wrong && c.now != before) { continue; }
        c.now = std::move(next);
        co_return;
    }
}

template <bool Wrong>
coro<> replaced_if_unchanged() {
    catalogue c;
    co_await together(add_item<Wrong>(c, 1, 0), add_item<Wrong>(c, 2, 2));
    effect("items", c.now->size());
    expect(c.now->size() == 2, "an item is lost");
}

constexpr auto list = paired(std::to_array<program_pair>({
    {"reader-counted-at-once", "torn group", source::own, reader_counted_at_once<false>,
     reader_counted_at_once<true>},
    {"name-taken-before-told", "check then act", source::own, name_taken_before_told<false>,
     name_taken_before_told<true>},
    {"replaced-if-unchanged", "lost update", source::own, replaced_if_unchanged<false>,
     replaced_if_unchanged<true>},
}));

}  // namespace
}  // namespace race_corpus::tempting_pairs_file

namespace race_corpus {

std::span<const program> tempting_pairs() {
    return tempting_pairs_file::list;
}

}  // namespace race_corpus
