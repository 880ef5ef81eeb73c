// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::report {

/// What was allocated, and how much of that was freed, by whomever. A difference may be negative.
struct memory_amounts {
    std::int64_t allocated_bytes = 0;
    std::int64_t allocated_blocks = 0;
    std::int64_t freed_bytes = 0;
    std::int64_t freed_blocks = 0;

    [[nodiscard]] std::int64_t live_bytes() const noexcept { return allocated_bytes - freed_bytes; }
    [[nodiscard]] std::int64_t live_blocks() const noexcept {
        return allocated_blocks - freed_blocks;
    }
    memory_amounts& operator+=(const memory_amounts& other) noexcept;
    memory_amounts& operator-=(const memory_amounts& other) noexcept;
    friend bool operator==(const memory_amounts&, const memory_amounts&) = default;
};

/// What rows stand for.
enum class memory_key : std::uint8_t {
    lineno,     ///< `file:line`
    filename,   ///< a file
    traceback,  ///< a whole stack, innermost first
    task,       ///< a task's name; empty: outside of tasks
};

/// Which frames of a stack make the key.
struct memory_filter {
    /// Parts of file names. A frame counts if its file has one of the former (or there is none) and
    /// none of the latter. By default headers of the system and of this library are left out, so
    /// that a vector's line is that of its user.
    std::vector<std::string> include;
    std::vector<std::string> exclude{"/usr/include/", "/usr/lib/", "/coroscope/runtime/",
                                     "/coroscope/instrumentation/", "/memory_hooks/src/"};
    bool cumulative = false;  ///< each frame of a stack counts, not only the innermost
};

struct memory_row {
    std::string key;  ///< `?`: not known; `(other)`: see `limit_rows`
    memory_amounts amounts;

    friend bool operator==(const memory_row&, const memory_row&) = default;
};

/// One call of a function whose memory is profiled.
struct memory_call {
    std::chrono::nanoseconds completed_at{0};  ///< of the loop's clock, as in `call_record`
    std::vector<memory_row> rows;              ///< what it changed, the largest first

    friend bool operator==(const memory_call&, const memory_call&) = default;
};

/// What became of all calls of one name, and what they allocated and freed.
struct memory_stats {
    std::uint64_t calls = 0;  ///< finished ones: returned + threw + cancelled
    std::uint64_t returned = 0;
    std::uint64_t threw = 0;
    std::uint64_t cancelled = 0;
    memory_amounts total;
    std::vector<memory_call> recent;   ///< the last calls, oldest first
    std::uint64_t recent_dropped = 0;  ///< calls that are no longer in `recent`

    friend bool operator==(const memory_stats&, const memory_stats&) = default;
};

/// Profiled name to statistics.
using memory_table = std::map<std::string, memory_stats, std::less<>>;

/// Adds statistics of another profiler; equal names become one row, the added calls the later ones.
void merge_memory(memory_table& into, const memory_table& more);

/// The largest change of live bytes first.
void sort_rows(std::vector<memory_row>& rows);

/// Keeps the first `most` rows of each call; the rest of each becomes one more, `(other)`, so that
/// their sum is what it was. Returns how many rows were put together.
std::uint64_t limit_rows(memory_table& table, std::size_t most);

[[nodiscard]] std::string_view to_string(memory_key key);
/// The key of that name; nothing where there is none.
[[nodiscard]] std::optional<memory_key> find_memory_key(std::string_view name);

[[nodiscard]] nlohmann::json to_json(const memory_stats& stats);
[[nodiscard]] nlohmann::json to_json(const memory_table& table);

[[nodiscard]] memory_stats read_memory_stats(const json_view& json);
[[nodiscard]] memory_table read_memory_table(const json_view& json);

}  // namespace coroscope::report
