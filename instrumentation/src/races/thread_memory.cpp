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

std::uint32_t thread_memory::add_part(std::shared_ptr<const thread_record> common) {
    if (free_parts_.empty()) {
        free_parts_.reserve(parts_.size() + 1);  // so that releasing needs no memory
        parts_.emplace_back();
        free_parts_.push_back(static_cast<std::uint32_t>(parts_.size() - 1));
    }
    const auto part = free_parts_.back();
    free_parts_.pop_back();
    parts_[part] = {std::move(common), 1};
    return part;
}

void thread_memory::release(std::uint32_t part) noexcept {
    if (part == no_part || --parts_[part].uses > 0) { return; }
    parts_[part].record = nullptr;
    free_parts_.push_back(part);
}

// To look through all pages is worth it if many are given back.
thread_memory::cell* thread_memory::at(std::uintptr_t address) {
    const auto number = address / page_bytes;
    auto found = pages_.find(number);
    if (found == pages_.end()) {
        if (pages_.size() >= most_pages_) {
            drop_empty_pages();
            if (pages_.size() > most_pages_ / 4 * 3) { return nullptr; }
        }
        found = pages_.try_emplace(number, std::make_unique<page>()).first;
    }
    return &(*found->second)[address % page_bytes / granule_bytes];
}

void thread_memory::drop_empty_pages() noexcept {
    std::erase_if(pages_, [](const auto& each) {
        return std::ranges::all_of(*each.second, [](const cell& one) { return one.is_empty(); });
    });
}

void thread_memory::drop(cell& from, std::size_t place) noexcept {
    release(std::exchange(from.parts_[place], no_part));
}

// What comes before an access need not be kept beside it: whoever is unordered with the earlier one
// is so with the later one. A write that a read follows is: two reads are no race.
bool thread_memory::keep(cell& in, const seen& made, std::uint32_t part) {
    if (in.is_shared()) { return false; }
    const auto& now = *parts_[part].record;
    const auto is_own = [&](std::uint32_t other) {
        return parts_[other].record->unit == now.unit;
    };
    for (const auto before : in.parts_) {
        if (before == no_part || is_own(before)) { continue; }
        if (!comes_before(static_cast<const access_record&>(*parts_[before].record), now)) {
            return false;
        }
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
    ++parts_[part].uses;
    return true;
}

std::vector<thread_pointer> thread_memory::share(cell& which) {
    std::vector<thread_pointer> records;
    for (std::size_t place = 0; place < which.parts_.size(); ++place) {
        if (which.parts_[place] == no_part) { continue; }
        const auto kind = place == 1 ? access_kind::write : access_kind::read;
        const auto kept = unpack(which.what_[place], kind);
        auto record = std::make_shared<thread_record>(*parts_[which.parts_[place]].record);
        record->order += place;
        record->kind = kind;
        record->bytes = kept.bytes;
        record->code = kept.code;
        record->atomic = kept.atomic;
        record->is_computed = kind == access_kind::read;
        records.push_back(std::move(record));
    }
    std::ranges::sort(records, {}, [](const auto& each) { return each->order; });
    clear(which);
    which.parts_[0] = cell::shared_mark;
    return records;
}

void thread_memory::clear(cell& which) noexcept {
    if (which.is_shared()) { which.parts_[0] = no_part; }
    drop(which, 0);
    drop(which, 1);
}

void thread_memory::forget(std::uintptr_t begin, std::size_t bytes) noexcept {
    if (pages_.empty()) { return; }
    const auto end = begin + bytes;
    auto at = begin / granule_bytes * granule_bytes;
    while (at < end) {
        const auto page_begin = at / page_bytes * page_bytes;
        const auto stop = std::min(end, page_begin + page_bytes);
        const auto found = pages_.find(at / page_bytes);
        if (found != pages_.end()) {
            for (; at < stop; at += granule_bytes) {
                clear((*found->second)[at % page_bytes / granule_bytes]);
            }
        }
        at = page_begin + page_bytes;
    }
}

void thread_memory::forget_all() noexcept {
    for (auto& [number, cells] : pages_) {
        for (auto& each : *cells) {
            clear(each);
        }
    }
    pages_.clear();
}

}  // namespace coroscope::instrumentation::detail
