// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace coroscope {

/// One member of a task's record: where it lies, in bytes from the record's beginning.
struct task_table_field {
    std::array<char, 24> name;  ///< ends with a zero
    std::uint32_t offset;
    std::uint32_t size;
};

/// Describes the task table to whoever reads it from outside: another process, a debugger, a core
/// file. In the program's initialised data, under the symbol `coroscope_task_table`; where symbols
/// are stripped, found by its magic at an address that is a multiple of 64, and told from copies by
/// `self`. All of it may be read at any time. Numbers are native, pointers those of the process.
///
/// To list tasks: for each slab, for each of its `carved` blocks, copy the record; skip it if `id`
/// is 0; copy again if `sequence` is odd or has changed meanwhile, and give up after a few tries,
/// which means that the task runs. Durations are ticks: times `nanoseconds_per_tick`.
///
/// A site is the address of `{const char* file; const char* function; uint32_t line, column}`, or
/// 0. An origin is a site; with its lowest bit set, the address of an entry with several (see
/// below). To walk a task's frames: `frame` in the record is the innermost; at a frame's address
/// lie, at the offsets given, the frame that awaits it (0: the last), the task it belongs to (which
/// is `record + task_offset`: anything else is stale), and its site.
struct alignas(64) task_table_header {
    static constexpr std::uint32_t current_version = 1;
    static constexpr std::size_t most_fields = 20;

    std::array<char, 16> magic;  ///< "coroscope tasks"
    std::uint32_t version;       ///< readers refuse what is newer
    std::uint32_t header_bytes;
    const task_table_header* self;
    std::uint32_t is_used;  ///< 0: no task was ever created
    std::uint32_t pointer_bytes;

    // The slabs: `*slab_count` entries in chunks of `slab_chunk_size`, to which `slab_chunks` is an
    // array of pointers.
    const void* slab_chunks;
    const void* slab_count;
    std::uint32_t slab_chunk_size;
    std::uint32_t slab_entry_bytes;
    std::uint32_t slab_first_offset;   ///< address of the first record
    std::uint32_t slab_stride_offset;  ///< bytes from record to record
    std::uint32_t slab_carved_offset;  ///< records so far

    std::uint32_t record_bytes;
    std::uint32_t record_magic;
    std::uint32_t task_offset;          ///< of the task, from its record
    std::uint64_t sequence_steps_mask;  ///< `(sequence & mask) / 2` is the number of steps

    std::uint32_t frame_parent_offset;
    std::uint32_t frame_task_offset;
    std::uint32_t frame_site_offset;
    std::int32_t frame_resume_offset;  ///< the address to resume at: a pointer into the program

    std::uint32_t origin_count_offset;  ///< of an entry: how many sites
    std::uint32_t origin_sites_offset;

    // A name of which the record holds only the beginning: at the first of these offsets from the
    // record lies the address of a structure that has, at the others, the letters' address and
    // their number.
    std::uint32_t name_extras_offset;
    std::uint32_t name_address_offset;
    std::uint32_t name_length_offset;

    double nanoseconds_per_tick;
    std::uint32_t ticks_are_tsc;  ///< else of CLOCK_MONOTONIC

    std::uint32_t field_count;
    std::array<task_table_field, most_fields> fields;
    std::array<char, 64> states;       ///< names in the order of their numbers, with commas
    std::array<char, 256> wait_kinds;  ///< the same
};

}  // namespace coroscope

extern "C" {
/// See `coroscope::task_table_header`. Written by the runtime alone.
extern coroscope::task_table_header coroscope_task_table;
}
