// SPDX-License-Identifier: Apache-2.0
#include "histogram_rows.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include "waiting/pause.hpp"

#include <bit>
#include <new>
#include <utility>

namespace coroscope::instrumentation {
namespace {

constexpr std::size_t first_slots = 1'024;
constexpr std::size_t most_slots_a_task = 4;  // some pairs have one slot, however many there are

[[nodiscard]] const coroscope::detail::frame_base& root_of(
    const coroscope::detail::frame_base& innermost) noexcept {
    const auto* frame = &innermost;
    while (frame->parent != nullptr) {
        frame = frame->parent;
    }
    return *frame;
}

}  // namespace

row_key key_of_coroutine(await_site in_root) {
    row_key key;
    key.what = row_key::kind::coroutine;
    key.place_id = in_root.function_name();  // one for all the sites in a function
    key.place = in_root;
    return key;
}

row_key key_of_creation(await_site call) {
    row_key key;
    key.what = row_key::kind::created_at;
    key.place_id = std::bit_cast<const void*>(call);
    key.place = call;
    return key;
}

std::string text_of_coroutine(const row_key& key) {
    switch (key.what) {
    case row_key::kind::coroutine: return function_name(key.place);
    case row_key::kind::created_at: return "created at " + to_string(key.place);
    case row_key::kind::callbacks: return "(callbacks)";
    case row_key::kind::other: break;
    }
    return std::string(report::other_key);
}

std::string histogram_row::coroutine_text() const {
    return text_of_coroutine(key);
}

std::string histogram_row::name_text() const {
    if (key.what == row_key::kind::callbacks) { return "(callbacks)"; }
    if (!key.is_named) { return std::string(report::other_key); }
    return name.empty() ? "(unnamed)" : name;
}

histogram_rows::histogram_rows(std::size_t max_coroutines, std::size_t max_names)
    : max_coroutines_(max_coroutines),
      max_names_(max_names),
      slots_(first_slots),
      mask_(first_slots - 1) {
    rows_.reserve(2 + 2 * max_coroutines + max_names);
    row_key key;
    key.is_named = false;
    static_cast<void>(make(key));
    key.what = row_key::kind::callbacks;
    key.is_named = true;
    static_cast<void>(make(key));
}

histogram_row& histogram_rows::make(const row_key& key) {
    const detail::unwatched_memory mine;
    auto row = std::make_unique<histogram_row>(key, std::string(key.name));
    index_.emplace(row->key, row.get());
    rows_.push_back(std::move(row));
    size_.store(rows_.size(), std::memory_order_release);
    return *rows_.back();
}

histogram_row& histogram_rows::find_or_make(row_key key) {
    if (const auto found = index_.find(key); found != index_.end()) { return *found->second; }
    if (!key.name.empty() && names_ == max_names_) {
        key.is_named = false;
        key.name = {};
        return find_or_make(key);
    }
    auto first_of_coroutine = key;
    first_of_coroutine.is_named = false;
    first_of_coroutine.name = {};
    const auto any = index_.lower_bound(first_of_coroutine);
    const bool is_known =
        any != index_.end() && any->first.what == key.what && any->first.place_id == key.place_id;
    if (!is_known && coroutines_ == max_coroutines_) { return *rows_[0]; }
    auto& made = make(key);
    if (!is_known) { ++coroutines_; }
    if (!key.name.empty()) { ++names_; }
    return made;
}

histogram_row& histogram_rows::look_up(const coroscope::detail::task_core& task,
                                       const coroscope::detail::frame_base& innermost) noexcept {
    try {
        const auto& root = root_of(innermost);
        const auto& record = task.record();
        if (!has_site(root)) {
            auto key = key_of_creation(record.origin.load(std::memory_order_relaxed).call());
            key.name = task.given_name();
            return find_or_make(key);
        }
        auto key = key_of_coroutine(root.site);
        key.name = task.given_name();
        auto& row = find_or_make(key);
        const auto id = record.id.load(std::memory_order_relaxed);
        auto& old = slots_[id & mask_];
        if (old.id != 0 && old.id != id && ++evictions_ > slots_.size()) {
            grow_slots(task.loop->task_count.load(std::memory_order_relaxed));
        }
        slots_[id & mask_] = {id, renames_of(record), &row};
        return row;
    } catch (const std::bad_alloc&) { return *rows_[0]; }
}

/// Tasks push each other out all the time: there may be too few slots for them.
void histogram_rows::grow_slots(std::size_t tasks) {
    evictions_ = 0;
    if (slots_.size() >= most_slots_a_task * tasks) { return; }
    std::vector<slot> larger(2 * slots_.size());
    mask_ = larger.size() - 1;
    for (const auto& s : slots_) {
        if (s.id != 0) { larger[s.id & mask_] = s; }
    }
    slots_ = std::move(larger);
}

}  // namespace coroscope::instrumentation
