// SPDX-License-Identifier: Apache-2.0
#include "thread_memory.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

// An address of code has 47 bits.
constexpr unsigned code_shift = 16;
constexpr unsigned bytes_shift = 8;

}  // namespace

std::uint64_t thread_memory::pack(const seen& made) noexcept {
    return reinterpret_cast<std::uintptr_t>(made.code) << code_shift
           | std::uint64_t{made.bytes} << bytes_shift | static_cast<std::uint64_t>(made.atomic);
}

thread_memory::seen thread_memory::unpack(std::uint64_t what, access_kind kind) noexcept {
    return {reinterpret_cast<const void*>(what >> code_shift), kind,  // NOLINT: as it was
            static_cast<std::uint8_t>(what >> bytes_shift), static_cast<atomicity>(what & 0xffU)};
}

// To drop what is empty is worth it if there is much of it.
thread_memory::cell* thread_memory::at(std::uintptr_t address) {
    if (auto* const known = pages_.find(address)) { return known; }
    if (pages_.size() >= most_pages_) {
        pages_.drop_empty();
        if (pages_.size() > most_pages_ / 4 * 3) { return nullptr; }
    }
    return &pages_.at(address);
}

void thread_memory::drop(cell& from, std::size_t place) noexcept {
    parts_.release(std::exchange(from.parts_[place], no_part));
}

// What comes before an access need not be kept beside it: whoever is unordered with the earlier one
// is so with the later one. A write that a read follows is: two reads are no race.
bool thread_memory::keep(cell& in, const seen& made, std::uint32_t part) {
    if (in.is_shared()) { return false; }
    if (in.is_empty()) { pages_.begin_use(); }
    const auto& now = parts_[part];
    const auto is_own = [&](std::uint32_t other) {
        return parts_[other].unit == now.unit;
    };
    for (const auto before : in.parts_) {
        if (before == no_part || is_own(before)) { continue; }
        if (!comes_before(static_cast<const access_record&>(parts_[before]), now)) { return false; }
    }
    const bool is_write = made.kind == access_kind::write;
    const std::size_t place = is_write ? 1 : 0;
    auto& kept = in.parts_[place];
    auto added = made;
    if (kept != no_part) {
        const auto old = unpack(in.what_[place], made.kind);
        const bool is_covered = (old.bytes & ~made.bytes) == 0;
        const bool is_another = kept != part || old.atomic != made.atomic;
        if (is_another && is_own(kept) && !is_covered) { return false; }
        if (!is_another) { added.bytes |= old.bytes; }
    }
    if (is_write && in.parts_[0] != no_part && !is_own(in.parts_[0])) { drop(in, 0); }
    in.what_[place] = pack(added);
    if (kept == part) { return true; }
    drop(in, place);
    kept = part;
    parts_.use(part);
    return true;
}

std::vector<thread_pointer> thread_memory::share(cell& which) {
    std::vector<thread_pointer> records;
    for (std::size_t place = 0; place < which.parts_.size(); ++place) {
        if (which.parts_[place] == no_part) { continue; }
        const auto kind = place == 1 ? access_kind::write : access_kind::read;
        const auto kept = unpack(which.what_[place], kind);
        auto record = std::make_shared<thread_record>(parts_[which.parts_[place]]);
        record->order += place;
        record->kind = kind;
        record->bytes = kept.bytes;
        record->code = kept.code;
        record->atomic = kept.atomic;
        record->is_computed = kind == access_kind::read;
        records.push_back(std::move(record));
    }
    std::ranges::sort(records, {}, [](const auto& each) { return each->order; });
    drop_all(which);
    which.parts_[0] = cell::shared_mark;
    return records;
}

void thread_memory::drop_all(cell& from) noexcept {
    if (from.is_shared()) { from.parts_[0] = no_part; }
    drop(from, 0);
    drop(from, 1);
}

void thread_memory::clear(cell& which) noexcept {
    if (which.is_empty()) { return; }
    drop_all(which);
    pages_.end_use();
}

void thread_memory::forget(std::uintptr_t begin, std::size_t bytes) noexcept {
    pages_.end_uses(begin, bytes, [this](cell& each) {
        const bool was_used = !each.is_empty();
        drop_all(each);
        return was_used;
    });
}

void thread_memory::forget_all() noexcept {
    pages_.end_all_uses([this](cell& each) { drop_all(each); });
}

}  // namespace coroscope::instrumentation::detail
