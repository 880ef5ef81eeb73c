// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table_header.hpp>

#include <coroscope/runtime/creation_origin.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/task_table.hpp>

#include "task_slabs.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

// offsetof of classes with bases is what both compilers support and warn about.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace {

using coroscope::task_record;
using coroscope::task_table_field;
using coroscope::task_table_header;
using coroscope::detail::frame_base;
using coroscope::detail::origin_entry;
using coroscope::detail::task_core;
using coroscope::detail::task_extras;
using coroscope::detail::task_record_bytes;
using coroscope::detail::task_slab_entry;
using coroscope::detail::task_slabs;

template <std::size_t Size>
consteval std::array<char, Size> text(std::string_view from) {
    std::array<char, Size> to{};
    if (from.size() >= Size) { throw "too long"; }
    std::copy(from.begin(), from.end(), to.begin());
    return to;
}

consteval task_table_field field(std::string_view name, std::size_t offset, std::size_t size) {
    return {text<24>(name), static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(size)};
}

#define COROSCOPE_FIELD(member) \
    field(#member, offsetof(task_record, member), sizeof(task_record::member))

constexpr std::array fields{
    COROSCOPE_FIELD(sequence),
    COROSCOPE_FIELD(state),
    COROSCOPE_FIELD(waits_for),
    COROSCOPE_FIELD(magic),
    COROSCOPE_FIELD(loop_id),
    COROSCOPE_FIELD(site),
    COROSCOPE_FIELD(busy_ticks),
    COROSCOPE_FIELD(scheduled_ticks),
    COROSCOPE_FIELD(waiting_ticks),
    COROSCOPE_FIELD(changed_at),
    COROSCOPE_FIELD(woken_at),
    COROSCOPE_FIELD(wait_object),
    COROSCOPE_FIELD(wait_detail),
    COROSCOPE_FIELD(id),
    COROSCOPE_FIELD(parent_id),
    COROSCOPE_FIELD(origin),
    COROSCOPE_FIELD(memory),
    COROSCOPE_FIELD(name),
    field("frame", task_record_bytes + offsetof(task_core, top), sizeof(frame_base*)),
};
#undef COROSCOPE_FIELD

consteval auto all_fields() {
    std::array<task_table_field, task_table_header::most_fields> all{};
    std::copy(fields.begin(), fields.end(), all.begin());
    return all;
}

// What libstdc++ calls std::string: the letters' address, then their number.
constexpr std::uint32_t string_length_offset = sizeof(void*);

}  // namespace

extern "C" {
constinit task_table_header coroscope_task_table{
    .magic = text<16>("coroscope tasks"),
    .version = task_table_header::current_version,
    .header_bytes = sizeof(task_table_header),
    .self = &coroscope_task_table,
    .is_used = 0,
    .pointer_bytes = sizeof(void*),
    .slab_chunks = task_slabs.chunks(),
    .slab_count = task_slabs.count_address(),
    .slab_chunk_size = coroscope::detail::task_slab_list::chunk_size,
    .slab_entry_bytes = sizeof(task_slab_entry),
    .slab_first_offset = offsetof(task_slab_entry, first),
    .slab_stride_offset = offsetof(task_slab_entry, stride),
    .slab_carved_offset = offsetof(task_slab_entry, carved),
    .record_bytes = sizeof(task_record),
    .record_magic = task_record::magic_value,
    .task_offset = task_record_bytes,
    .sequence_steps_mask = task_record::renaming - 1,
    .frame_parent_offset = offsetof(frame_base, parent),
    .frame_task_offset = offsetof(frame_base, task),
    .frame_site_offset = offsetof(frame_base, site),
    .frame_resume_offset = -static_cast<std::int32_t>(2 * sizeof(void*)),
    .origin_count_offset = offsetof(origin_entry, count),
    .origin_sites_offset = sizeof(origin_entry),
    .name_extras_offset = task_record_bytes + offsetof(task_core, extras_),
    .name_address_offset = offsetof(task_extras, name),
    .name_length_offset = offsetof(task_extras, name) + string_length_offset,
    .nanoseconds_per_tick = 1.0,
    .ticks_are_tsc = 0,
    .field_count = fields.size(),
    .fields = all_fields(),
    .states = text<64>("ready,running,waiting,done"),
    .wait_kinds =
        text<256>("nothing,sleep,task,future,gather,executor,io,clock,mutex,event,condition,"
                  "semaphore,barrier,queue,group,generator,process"),
};
}
