// SPDX-License-Identifier: Apache-2.0
#include "table_layout.hpp"

#include <coroscope/profiler_server/inspector.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace coroscope::profiler_server {
namespace {

constexpr std::uint32_t largest_block = 4096;
constexpr std::uint32_t largest_frame_part = 256;
constexpr std::uint32_t widest_name = 32;
constexpr std::uint32_t most_slab_chunk_entries = 65536;

template <std::size_t Size>
std::string_view text_of(const std::array<char, Size>& text) {
    return {text.data(),
            static_cast<std::size_t>(std::find(text.begin(), text.end(), '\0') - text.begin())};
}

template <std::size_t Size>
std::vector<std::string> names_of(const std::array<char, Size>& text) {
    std::vector<std::string> names(1);
    for (const char c : text_of(text)) {
        if (c == ',') {
            names.emplace_back();
        } else {
            names.back().push_back(c);
        }
    }
    return names;
}

std::string_view name_at(const std::vector<std::string>& names, std::uint64_t number) noexcept {
    return number < names.size() ? std::string_view(names[number]) : std::string_view();
}

/// Checks one header, and says what is wrong with it.
class header_check {
public:
    header_check(const task_table_header& header, std::string_view where)
        : header_(header),
          where_(where) {}

    void require(bool holds, std::string_view what) const {
        if (holds) { return; }
        throw inspection_error(inspection_failure::broken_table,
                               "the task table of " + std::string(where_)
                                   + " cannot be right: " + std::string(what)
                                   + ". Its memory was overwritten, or read while it changed; if it "
                                     "is the same when you try again, report a bug of coroscope");
    }

    [[nodiscard]] table_member member(std::string_view name, bool required = false) const {
        for (std::size_t i = 0; i < header_.field_count; ++i) {
            const auto& field = header_.fields[i];
            if (text_of(field.name) != name) { continue; }
            const bool is_number =
                field.size == 1 || field.size == 2 || field.size == 4 || field.size == 8;
            require(field.offset < largest_block
                        && (name == "name" ? field.size <= widest_name : is_number),
                    "the member " + std::string(name) + " of its records");
            return {field.offset, field.size};
        }
        require(!required, "its records have no " + std::string(name));
        return {};
    }

    void numbers() const {
        const auto& h = header_;
        require(h.version > 0, "the version");
        require(h.header_bytes >= sizeof(h), "the size of the header");
        require(h.field_count <= h.fields.size(), "the number of fields");
        require(h.pointer_bytes == sizeof(void*), "the size of pointers");
        require(h.record_bytes > 0 && h.record_bytes <= largest_block, "the size of records");
        require(h.task_offset <= largest_block, "where tasks lie");
        require(h.slab_chunk_size > 0 && h.slab_chunk_size <= most_slab_chunk_entries,
                "the number of slabs in a chunk");
        for (const auto offset :
             {h.slab_first_offset, h.slab_stride_offset, h.slab_carved_offset}) {
            require(offset + sizeof(std::uint64_t) <= h.slab_entry_bytes, "the entry of a slab");
        }
        require(h.slab_entry_bytes <= largest_frame_part, "the entry of a slab");
        for (const auto offset :
             {h.frame_parent_offset, h.frame_task_offset, h.frame_site_offset}) {
            require(offset <= largest_frame_part - sizeof(std::uint64_t), "the layout of frames");
        }
        for (const auto offset :
             {h.origin_count_offset, h.origin_sites_offset, h.name_extras_offset,
              h.name_address_offset, h.name_length_offset}) {
            require(offset <= largest_block, "the layout of origins and names");
        }
        require(std::isfinite(h.nanoseconds_per_tick) && h.nanoseconds_per_tick > 0
                    && h.nanoseconds_per_tick <= 1e6,
                "the length of a tick");
    }

private:
    const task_table_header& header_;
    std::string_view where_;
};

constexpr std::size_t scanned_bytes = std::size_t{256} * 1024;

/// The program's data: writable mappings of files, and what the loader put behind them.
std::vector<memory_region> data_regions(const address_space& space) {
    std::vector<memory_region> found;
    std::uint64_t end_of_data = 0;
    for (const auto& region : space.regions()) {
        const bool adjoins = region.begin == end_of_data;
        if (!region.file_backed && !adjoins) { continue; }
        end_of_data = region.end;
        if (region.writable) { found.push_back(region); }
    }
    return found;
}

/// The places of a region that hold the magic and their own address.
void find_in(const address_space& space, const memory_region& region,
             std::vector<task_table_header>& found) {
    constexpr std::string_view magic{"coroscope tasks", 16};
    constexpr std::uint64_t alignment = alignof(task_table_header);
    std::vector<std::byte> piece(scanned_bytes);
    auto at = (region.begin + alignment - 1) / alignment * alignment;
    while (at < region.end) {
        const auto wanted = std::min<std::uint64_t>(piece.size(), region.end - at);
        const auto got = space.read(at, std::span(piece).first(wanted));
        for (std::size_t i = 0; i + magic.size() <= got; i += alignment) {
            if (std::memcmp(&piece[i], magic.data(), magic.size()) != 0) { continue; }
            const auto header = space.value_at<task_table_header>(at + i);
            if (header && reinterpret_cast<std::uintptr_t>(header->self) == at + i) {
                found.push_back(*header);
            }
        }
        // Beyond what is there a damaged core file may claim any size.
        if (got < wanted) { return; }
        at += wanted;
    }
}

}  // namespace

std::uint64_t table_member::in(std::span<const std::byte> block) const noexcept {
    std::uint64_t number = 0;
    std::memcpy(&number, block.data() + offset_, size_);  // little-endian, as all we run on
    return number;
}

table_layout::table_layout(const task_table_header& from, std::string_view where) : header(from) {
    const header_check check(header, where);
    check.numbers();
    sequence = check.member("sequence", true);
    state = check.member("state", true);
    magic = check.member("magic", true);
    id = check.member("id", true);
    waits_for = check.member("waits_for");
    loop_id = check.member("loop_id");
    site = check.member("site");
    busy_ticks = check.member("busy_ticks");
    scheduled_ticks = check.member("scheduled_ticks");
    waiting_ticks = check.member("waiting_ticks");
    changed_at = check.member("changed_at");
    woken_at = check.member("woken_at");
    wait_object = check.member("wait_object");
    wait_detail = check.member("wait_detail");
    parent_id = check.member("parent_id");
    origin = check.member("origin");
    memory = check.member("memory");
    name = check.member("name");
    frame = check.member("frame");
    for (const auto& member : {sequence, state, waits_for, magic, loop_id, site, busy_ticks,
                               scheduled_ticks, waiting_ticks, changed_at, woken_at, wait_object,
                               wait_detail, id, parent_id, origin, memory, name, frame}) {
        block_bytes = std::max(block_bytes, member.end());
    }
    for (const auto offset :
         {header.frame_parent_offset, header.frame_task_offset, header.frame_site_offset}) {
        frame_bytes = std::max<std::size_t>(frame_bytes, offset + sizeof(std::uint64_t));
    }
    entry_bytes = header.slab_entry_bytes;
    states = names_of(header.states);
    wait_kinds = names_of(header.wait_kinds);
}

std::string_view table_layout::state_name(std::uint64_t number) const noexcept {
    return name_at(states, number);
}

std::string_view table_layout::wait_kind_name(std::uint64_t number) const noexcept {
    return name_at(wait_kinds, number);
}

std::vector<task_table_header> find_tables(const address_space& space, std::string_view where) {
    std::vector<task_table_header> found;
    for (const auto& region : data_regions(space)) {
        find_in(space, region, found);
    }
    if (found.empty()) {
        throw inspection_error(inspection_failure::no_table,
                               "no coroscope runtime in " + std::string(where)
                                   + "; is it a program that is linked with coroscope::runtime?");
    }
    constexpr auto known = task_table_header::current_version;
    for (const auto& header : found) {
        if (header.version > known) {
            throw inspection_error(inspection_failure::newer_table,
                                   "the task table of " + std::string(where) + " has version "
                                       + std::to_string(header.version)
                                       + ", and this coroscope reads up to version "
                                       + std::to_string(known)
                                       + "; use the coroscope that the program was built with");
        }
    }
    return found;
}

}  // namespace coroscope::profiler_server
