// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/memory_profiler.hpp>
#include <coroscope/instrumentation/memory_snapshot.hpp>

#include <cstddef>
#include <string>

namespace coroscope::instrumentation {

struct leak_options {
    /// As for a `memory_profiler`. Eight calls, so that what a `std::vector` asks for has the line
    /// of its user; that takes a microsecond or two for each allocation.
    memory_profiler_options memory{0, 8};
    memory_filter filter;
    std::size_t most_sites = 20;  ///< that the text lists
    /// Where the report is written as a `report::profile`, too, for `coroscope convert`. Empty:
    /// nowhere.
    std::string profile_file;
};

/// What of a snapshot is still alive, by the line and the task that allocated it, most bytes first:
///
///     alive, of what was allocated since the profiler was started: 1500 bytes in 5 blocks
///       1200 bytes in 3 blocks, task fetch
///         at make_block(unsigned long) blocks.cpp:31
///         at fetch(int) blocks.cpp:44
///       300 bytes in 2 blocks, outside of tasks
///         at ?
///     counted: malloc and its relatives, ...
///
/// What coroscope's own code asked for is summed up in one line: records, queues and caches, which
/// live as long as a loop or the process. **Cost**: milliseconds for the first line of each source.
[[nodiscard]] std::string leak_text(const memory_snapshot& at_end,
                                    const leak_options& options = {});

/// Starts a profiler of its own, and writes `leak_text` to standard error when the process ends:
/// after `main`, after what was registered with `atexit`, and after the destructors of statics. So
/// what is listed is memory that nobody gave back, be it lost or still reachable, such as what an
/// object that is never destroyed has. Nothing is written if nothing is alive that is not
/// coroscope's own, or if the process ends without returning from `main` or `exit` (`_exit`,
/// `abort`, a signal), or was forked meanwhile: the report is the first process's.
///
/// Throws as `memory_profiler::start`, so when it is called twice, too.
/// **Thread safety**: any thread.
void report_leaks_at_exit(const leak_options& options = {});

}  // namespace coroscope::instrumentation
