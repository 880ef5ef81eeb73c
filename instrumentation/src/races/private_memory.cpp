// SPDX-License-Identifier: Apache-2.0
#include "private_memory.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation::detail {

void private_memory::begin_part(std::shared_ptr<const access_record> common) {
    end_part();
    present_ = parts_.add(std::move(common));
}

void private_memory::end_part() noexcept {
    parts_.release(std::exchange(present_, parts_.none));
}

const access_record* private_memory::part_of(std::uint64_t segment) const noexcept {
    if (present_ == parts_.none || parts_[present_].segment != segment) { return nullptr; }
    return &parts_[present_];
}

void private_memory::drop(granule& in, std::size_t place) noexcept {
    parts_.release(in.last_[place].part);
    std::move(in.last_.begin() + static_cast<std::ptrdiff_t>(place) + 1,
              in.last_.begin() + in.count_, in.last_.begin() + static_cast<std::ptrdiff_t>(place));
    --in.count_;
}

bool private_memory::keep(granule& in, kept_access made) {
    const auto& unit = parts_[present_].who->agent;
    if (in.is_shared_) { return false; }
    if (in.count_ > 0 && parts_[in.last_[0].part].who->agent != unit) { return false; }
    const auto end = in.last_.begin() + in.count_;
    const auto same = std::find_if(in.last_.begin(), end, [&](const kept_access& each) {
        return each.kind == made.kind && each.part == present_;
    });
    if (same != end) {
        same->bytes |= made.bytes;
        return true;
    }
    if (in.count_ == 0) { pages_.begin_use(); }
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
    parts_.use(present_);
    return true;
}

std::vector<std::shared_ptr<access_record>> private_memory::share(granule& which) {
    std::vector<std::shared_ptr<access_record>> records;
    for (std::size_t i = 0; i < which.count_; ++i) {
        const auto& kept = which.last_[i];
        auto record = std::make_shared<access_record>(parts_[kept.part]);
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
        parts_.release(which.last_[i].part);
    }
    which.count_ = 0;
    which.is_shared_ = false;
}

void private_memory::forget(std::uintptr_t begin, std::size_t bytes) noexcept {
    pages_.end_uses(begin, bytes, [this](granule& each) {
        const bool was_used = each.is_used();
        clear(each);
        return was_used;
    });
}

void private_memory::forget_all() noexcept {
    pages_.end_all_uses([this](granule& each) { clear(each); });
}

}  // namespace coroscope::instrumentation::detail
