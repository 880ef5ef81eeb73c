// SPDX-License-Identifier: Apache-2.0
#include "record_reader.hpp"

#include <coroscope/profiler_server/inspector.hpp>

#include <algorithm>
#include <cstring>
#include <string>

namespace coroscope::profiler_server {
namespace {

constexpr std::uint64_t most_slabs = std::uint64_t{1} << 18U;
constexpr std::uint64_t widest_stride = 65536;
constexpr std::uint64_t largest_slab = std::uint64_t{1} << 30U;
// Small enough to stay in the processor's cache from the first copy to the third.
constexpr std::size_t copied_bytes = std::size_t{128} * 1024;
constexpr int attempts = 16;

[[noreturn]] void fail(std::string_view where, const std::string& what) {
    throw inspection_error(inspection_failure::broken_table,
                           "the task table of " + std::string(where) + " cannot be right: " + what
                               + ". Its memory was overwritten, or is not all there");
}

std::uint64_t address_of(const void* pointer) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

bool is_odd(std::uint64_t sequence) noexcept {
    return (sequence & 1U) != 0;
}

}  // namespace

record_reader::record_reader(const address_space& space, const table_layout& layout,
                             std::string_view where)
    : space_(space),
      layout_(layout) {
    const auto& header = layout.header;
    if (header.is_used == 0) { return; }
    const auto count = space.value_at<std::uint64_t>(address_of(header.slab_count));
    if (!count || *count > most_slabs) { fail(where, "the number of its slabs"); }
    std::uint64_t chunk = 0;
    for (std::uint64_t i = 0; i < *count; ++i) {
        const auto place = i % header.slab_chunk_size;
        if (place == 0) {
            const auto at = i / header.slab_chunk_size * sizeof(std::uint64_t);
            const auto next = space.value_at<std::uint64_t>(address_of(header.slab_chunks) + at);
            if (!next) { fail(where, "the list of its slabs"); }
            chunk = *next;
        }
        slabs_.push_back(read_slab(chunk + place * layout.entry_bytes));
    }
    check_slabs(where);
}

record_reader::slab record_reader::read_slab(std::uint64_t entry) const {
    const auto part = [&](std::uint32_t offset) {
        return space_.value_at<std::uint64_t>(entry + offset).value_or(0);
    };
    const auto& header = layout_.header;
    return {part(header.slab_first_offset), part(header.slab_stride_offset),
            part(header.slab_carved_offset)};
}

/// Among others that no memory is in two slabs: so there is no more to copy than the program has.
void record_reader::check_slabs(std::string_view where) const {
    auto sorted = slabs_;
    std::sort(sorted.begin(), sorted.end(),
              [](const slab& a, const slab& b) { return a.first < b.first; });
    std::uint64_t end = 0;
    for (const auto& s : sorted) {
        if (s.stride < layout_.block_bytes || s.stride > widest_stride) {
            fail(where, "a slab with a record every " + std::to_string(s.stride) + " bytes");
        }
        if (s.carved > largest_slab / s.stride) {
            fail(where, "a slab with " + std::to_string(s.carved) + " records");
        }
        if (s.first < end || s.first > ~std::uint64_t{0} - largest_slab) {
            fail(where, "slabs that overlap");
        }
        end = s.first + s.carved * s.stride;
    }
}

void record_reader::decode(bytes copy, raw_record& record) const {
    const auto& l = layout_;
    record.sequence = l.sequence.in(copy);
    record.loop_id = l.loop_id.in(copy);
    record.parent_id = l.parent_id.in(copy);
    record.state = l.state.in(copy);
    record.waits_for = l.waits_for.in(copy);
    record.wait_object = l.wait_object.in(copy);
    record.wait_detail = l.wait_detail.in(copy);
    record.site = l.site.in(copy);
    record.origin = l.origin.in(copy);
    record.frame = l.frame.in(copy);
    record.busy_ticks = l.busy_ticks.in(copy);
    record.scheduled_ticks = l.scheduled_ticks.in(copy);
    record.waiting_ticks = l.waiting_ticks.in(copy);
    record.changed_at = l.changed_at.in(copy);
    record.woken_at = l.woken_at.in(copy);
    record.memory = l.memory.in(copy);
    const auto name = l.name.bytes_in(copy);
    std::memcpy(record.name.data(), name.data(), name.size());
    const char* const end = record.name.data() + name.size();
    const char* const zero = std::find<const char*>(record.name.data(), end, '\0');
    record.name_bytes = static_cast<std::uint8_t>(zero - record.name.data());
    record.name_is_cut = zero == end && !name.empty();
}

record_reader::verdict record_reader::judge(bytes before, bytes copy, bytes after,
                                            raw_record& record) const {
    const auto& l = layout_;
    record.id = l.id.in(copy);
    if (record.id == 0 || l.magic.in(copy) != l.header.record_magic) { return verdict::free; }
    decode(copy, record);
    if (l.state_name(record.state) == "done") { return verdict::free; }
    const auto sequence = record.sequence;
    const bool same = l.sequence.in(before) == sequence && l.sequence.in(after) == sequence
                      && l.id.in(before) == record.id && l.id.in(after) == record.id;
    if (!same) { return verdict::moving; }
    record.runs = is_odd(sequence);
    // Who wakes a task leaves its sequence alone, and writes the state last.
    const bool stands = record.runs || l.state.in(before) == record.state;
    return stands ? verdict::taken : verdict::moving;
}

bool record_reader::read_again(raw_record& record) const {
    const auto size = layout_.block_bytes;
    std::vector<std::byte> copies(3 * size);
    const std::span all(copies);
    const auto before = all.first(size);
    const auto copy = all.subspan(size, size);
    const auto after = all.last(size);
    const auto id = record.id;
    auto latest = record;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        for (const auto part : {before, copy, after}) {
            if (space_.read(record.address, part) != size) { return false; }
        }
        const auto found = judge(before, copy, after, latest);
        if (found == verdict::free || latest.id != id || layout_.id.in(after) != id) {
            return false;
        }
        record = latest;
        if (found == verdict::taken) { return true; }
    }
    record.runs = true;
    return true;
}

void record_reader::take(std::uint64_t address, bytes before, bytes copy, bytes after,
                         std::vector<raw_record>& to) const {
    raw_record record;
    record.address = address;
    const auto found = judge(before, copy, after, record);
    if (found == verdict::taken || (found == verdict::moving && read_again(record))) {
        to.push_back(record);
    }
}

void record_reader::read_slab_records(const slab& from, std::vector<raw_record>& to) {
    const auto whole = std::max<std::uint64_t>(1, copied_bytes / from.stride);
    std::vector<std::byte> copies(3 * whole * from.stride);
    for (std::uint64_t done = 0; done < from.carved; done += whole) {
        const auto records = std::min(whole, from.carved - done);
        const auto size = (records - 1) * from.stride + layout_.block_bytes;
        const auto begin = from.first + done * from.stride;
        auto got = size;
        std::array<bytes, 3> copy;
        for (std::size_t i = 0; i < copy.size(); ++i) {
            const auto room = std::span(copies).subspan(i * whole * from.stride, size);
            got = std::min(got, space_.read(begin, room));
            copy[i] = room;
        }
        const auto part = [&](std::size_t i, std::uint64_t record) {
            return copy[i].subspan(record * from.stride, layout_.block_bytes);
        };
        for (std::uint64_t i = 0; i < records; ++i) {
            if (i * from.stride + layout_.block_bytes > got) {
                unreadable_ += from.carved - done - i;
                return;
            }
            take(begin + i * from.stride, part(0, i), part(1, i), part(2, i), to);
        }
    }
}

std::vector<raw_record> record_reader::read_all() {
    std::vector<raw_record> records;
    for (const auto& s : slabs_) {
        if (s.carved > 0) { read_slab_records(s, records); }
    }
    return records;
}

}  // namespace coroscope::profiler_server
