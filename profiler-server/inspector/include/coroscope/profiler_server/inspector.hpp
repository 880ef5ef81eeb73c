// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/snapshot.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace coroscope::profiler_server {

/// Why a process or a core file tells nothing.
enum class inspection_failure {
    no_process,     ///< there is none with that number, or it has ended
    no_permission,  ///< the system does not let us read its memory
    not_a_core,     ///< not a core file of a 64-bit program of this kind of machine, or cut
    no_table,       ///< no task table in it: the program does not use coroscope, or no task yet
    newer_table,    ///< written by a newer coroscope than this one
    broken_table,   ///< what the table says of itself makes no sense
};

/// The message names the process or file and says what to do next.
class inspection_error : public std::runtime_error {
public:
    inspection_error(inspection_failure failure, const std::string& message)
        : std::runtime_error(message),
          failure_(failure) {}

    [[nodiscard]] inspection_failure failure() const noexcept { return failure_; }

private:
    inspection_failure failure_;
};

struct inspection_options {
    std::size_t limit = 1'000;  ///< most tasks to tell of
    bool stacks = false;        ///< the async stack of each, too
};

/// What was found, and what could not be.
struct inspection {
    report::task_list list;          ///< in order of loop and creation
    std::vector<std::string> notes;  ///< what is missing, and why; for people
};

/// Lists the tasks of a running process by the task table in its memory (`task_table_header`). The
/// process needs no profiler server, is not stopped and does not notice; its loops may be blocked.
/// Each task that lives throughout the call is listed exactly once; one that never stands still for
/// long enough to be read is listed as running, with what does not change.
///
/// Needs the right to trace the process: the same user, and what Yama and the container allow.
/// **Cost**: three copies of the table, 0.4 s of processor time for a million tasks.
/// Throws `inspection_error`.
[[nodiscard]] inspection inspect_process(std::uint64_t pid, const inspection_options& options = {});

/// The same for a core file. What such a file leaves out, such as the names of source files, is
/// read from the program's own files, which must be those that ran; `executable` takes the place of
/// the program's, where it has moved. Durations end at the last step before the core was made.
/// Throws `inspection_error`.
[[nodiscard]] inspection inspect_core(const std::filesystem::path& core,
                                      const std::filesystem::path& executable = {},
                                      const inspection_options& options = {});

}  // namespace coroscope::profiler_server
