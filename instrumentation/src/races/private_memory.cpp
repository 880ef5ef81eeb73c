// SPDX-License-Identifier: Apache-2.0
#include "private_memory.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t most_empty_pages = 256;  // 7 MiB

}  // namespace

void private_memory::begin_part(std::shared_ptr<const access_record> common) {
    end_part();
    if (free_parts_.empty()) {
        free_parts_.reserve(parts_.size() + 1);  // so that releasing needs no memory
        parts_.emplace_back();
        free_parts_.push_back(static_cast<std::uint32_t>(parts_.size() - 1));
    }
    present_ = free_parts_.back();
    free_parts_.pop_back();
    parts_[present_] = {std::move(common), 1};
    has_present_ = true;
}

void private_memory::end_part() noexcept {
    if (std::exchange(has_present_, false)) { release(present_); }
}

const access_record* private_memory::part_of(std::uint64_t segment) const noexcept {
    if (!has_present_ || parts_[present_].record->segment != segment) { return nullptr; }
    return parts_[present_].record.get();
}

void private_memory::release(std::uint32_t part) noexcept {
    if (--parts_[part].uses > 0) { return; }
    parts_[part].record = nullptr;
    free_parts_.push_back(part);
}

private_memory::granule& private_memory::at(std::uintptr_t address) {
    const auto number = address / page_bytes;
    if (latest_ == nullptr || number != latest_number_) {
        auto& found = pages_[number];
        if (found == nullptr) {
            found = std::make_unique<page>();
            ++empty_pages_;
        }
        latest_number_ = number;
        latest_ = found.get();
    }
    return latest_->granules[address % page_bytes / granule_bytes];
}

void private_memory::drop(granule& in, std::size_t place) noexcept {
    release(in.last_[place].part);
    std::move(in.last_.begin() + static_cast<std::ptrdiff_t>(place) + 1,
              in.last_.begin() + in.count_, in.last_.begin() + static_cast<std::ptrdiff_t>(place));
    --in.count_;
}

bool private_memory::keep(granule& in, kept_access made) {
    const auto& unit = parts_[present_].record->who->agent;
    if (in.is_shared_) { return false; }
    if (in.count_ > 0 && parts_[in.last_[0].part].record->who->agent != unit) { return false; }
    const auto end = in.last_.begin() + in.count_;
    const auto same = std::find_if(in.last_.begin(), end, [&](const kept_access& each) {
        return each.kind == made.kind && each.part == present_;
    });
    if (same != end) {
        same->bytes |= made.bytes;
        return true;
    }
    if (in.count_ == 0 && latest_->used++ == 0) { --empty_pages_; }
    if (in.count_ == most_kept) {
        // Rather one that was made by the same code: it may be read and written in turn. But not
        // the read that a write of its part came from, which would look as if it came from an older
        // one.
        const auto alike = std::find_if(in.last_.begin(), end, [&](const kept_access& each) {
            const auto* const next = &each + 1;
            const bool is_written_back = each.kind == access_kind::read && next != end
                                         && next->kind == access_kind::write
                                         && next->part == each.part;
            return each.kind == made.kind && each.code == made.code && !is_written_back;
        });
        drop(in, alike != end ? static_cast<std::size_t>(alike - in.last_.begin()) : 0);
    }
    made.part = present_;
    in.last_[in.count_++] = made;
    ++parts_[present_].uses;
    return true;
}

std::vector<std::shared_ptr<access_record>> private_memory::share(granule& which) {
    std::vector<std::shared_ptr<access_record>> records;
    for (std::size_t i = 0; i < which.count_; ++i) {
        const auto& kept = which.last_[i];
        auto record = std::make_shared<access_record>(*parts_[kept.part].record);
        record->order += i;
        record->kind = kept.kind;
        record->bytes = kept.bytes;
        record->code = kept.code;
        record->is_computed = kept.kind == access_kind::read;
        records.push_back(std::move(record));
    }
    clear(which);
    which.is_shared_ = true;
    return records;
}

void private_memory::clear(granule& which) noexcept {
    for (std::size_t i = 0; i < which.count_; ++i) {
        release(which.last_[i].part);
    }
    which.count_ = 0;
    which.is_shared_ = false;
}

void private_memory::forget(std::uintptr_t begin, std::size_t bytes) noexcept {
    const auto end = begin + bytes;
    auto at = begin / granule_bytes * granule_bytes;
    while (at < end) {
        const auto page_end = (at / page_bytes + 1) * page_bytes;
        const auto found = pages_.find(at / page_bytes);
        if (found != pages_.end()) {
            auto& in = *found->second;
            const bool was_used = in.used != 0;
            for (; at < std::min(end, page_end); at += granule_bytes) {
                auto& which = in.granules[at % page_bytes / granule_bytes];
                in.used -= which.is_used() ? 1U : 0U;
                clear(which);
            }
            if (was_used && in.used == 0) { ++empty_pages_; }
        }
        at = page_end;
    }
    if (empty_pages_ > most_empty_pages) { drop_empty_pages(); }
}

// Blocks come and go, and so a page that is empty mostly is not for long.
void private_memory::drop_empty_pages() noexcept {
    std::erase_if(pages_, [](const auto& each) { return each.second->used == 0; });
    empty_pages_ = 0;
    latest_ = nullptr;
}

void private_memory::forget_all() noexcept {
    for (auto& [number, in] : pages_) {
        for (auto& each : in->granules) {
            clear(each);
        }
    }
    pages_.clear();
    empty_pages_ = 0;
    latest_ = nullptr;
}

}  // namespace coroscope::instrumentation::detail
