// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "record_reader.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::profiler_server {

/// What is not in a task's record, but behind its addresses.
struct task_details {
    std::uint64_t owner = 0;  ///< id of the task that holds the mutex waited for
    std::string long_name;    ///< empty: the record's is all there is
    std::vector<std::uint64_t> sites;
    bool is_walked = false;     ///< `sites` are the task's
    bool is_truncated = false;  ///< there are more frames than `sites`
};

/// Reads details of tasks that stand still, and makes sure that they stood still all the while.
class detail_reader {
public:
    detail_reader(const address_space& space, const table_layout& layout,
                  const record_reader& records)
        : space_(space),
          layout_(layout),
          records_(records) {}

    /// For each record in turn. A task that has moved meanwhile is read again, a few times; one
    /// that goes on moving is taken to run. One that has ended keeps the record it had.
    [[nodiscard]] std::vector<task_details> read(std::vector<raw_record>& records,
                                                 bool stacks) const;

private:
    struct job {
        raw_record* record;
        task_details* details;
        std::uint64_t frame = 0;
    };
    void read_once(std::vector<job>& jobs, bool stacks) const;
    void read_owners(const std::vector<job>& jobs) const;
    void read_long_name(const job& of) const;
    void walk_frames(std::vector<job> jobs) const;
    /// Goes on to the next frame; false where the walk is over.
    [[nodiscard]] bool step(job& j, std::span<const std::byte> frame, bool is_read) const;
    [[nodiscard]] std::vector<job> that_moved(const std::vector<job>& jobs) const;

    const address_space& space_;
    const table_layout& layout_;
    const record_reader& records_;
};

}  // namespace coroscope::profiler_server
