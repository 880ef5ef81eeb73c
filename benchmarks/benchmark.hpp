// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace coroscope::benchmarks {

/// Whether the measured loop has observers attached. Both measure the time of every step.
enum class watching { observed, bare };

/// One thing that is measured on our side and on the peer's. Both return the cost of one operation
/// (nanoseconds or bytes, so that less is better) and do the same work `count` times.
struct benchmark {
    std::string_view name;
    std::string_view unit;
    std::string_view peer_name;
    std::size_t count;  ///< operations of a full run
    double (*ours)(std::size_t count, watching how);
    double (*peer)(std::size_t count);
};

/// What something costs more than the same without it, or than something else. One row, and no bare
/// one: both sides say themselves what is attached.
struct comparison {
    enum class kind {
        difference,  ///< `ours` of the row is what ours costs more
        ratio,
        rate,  ///< both are so many a second: more is better
    };
    std::string_view name;
    std::string_view unit;
    std::string_view peer_name;
    std::size_t count;
    double (*ours)(std::size_t count);
    double (*peer)(std::size_t count);
    kind what;
};

extern const comparison step_cost_stats;
extern const comparison step_cost_recorder;
extern const comparison wait_profile;
extern const comparison loop_histograms;
extern const comparison yield_1000_everything_on;
extern const comparison spawn_cost_table;
extern const comparison origin_10;
extern const comparison origin_10_native;
extern const comparison snapshot_1m;
extern const comparison snapshot_disturbs;
extern const comparison alloc_exact;
extern const comparison alloc_sampled;
extern const comparison profile_time_call;
extern const comparison profile_time_plain;
extern const comparison cpu_sampling_250;
extern const comparison cpu_sampling_1000;
extern const comparison explore_executions;
extern const comparison virtual_year;
extern const comparison virtual_timers_1m;
extern const comparison race_unannotated_compute;
extern const comparison race_unannotated_await;
extern const comparison shared_access;
extern const comparison shared_access_site;
extern const comparison shared_bytes;
extern const comparison echo_annotated;

extern const benchmark yield_2;
extern const benchmark yield_1000;
extern const benchmark spawn_join;
extern const benchmark bytes_per_task;
extern const benchmark await_chain_10;
extern const benchmark queue_pingpong;
extern const benchmark timers_1m;
extern const benchmark timer_cancel_1m;
extern const benchmark post_cross_thread;
extern const benchmark tcp_echo_50;
extern const benchmark tcp_echo_1000;
extern const benchmark tls_echo_50;
extern const benchmark generator_next;
extern const benchmark mutex_handover;
extern const benchmark wait_for_in_time;

// The same beside awaitables that name io_context's executor, as few programs do, where
// awaitable<T> would use any_io_executor.
inline constexpr std::string_view concrete_awaitable =
    "boost::asio::awaitable<T, io_context::executor_type>";
// The same beside the cheapest idiom of Asio that keeps the default executor.
extern const benchmark yield_2_deferred;
extern const benchmark yield_2_concrete;
extern const benchmark spawn_join_concrete;

/// Set up a population of suspended tasks and give the resident memory that each costs, in bytes.
/// To be called in a process that has done nothing else; `bytes_per_task` starts such processes.
[[nodiscard]] double memory_of_our_tasks(std::size_t count, watching how);
[[nodiscard]] double memory_of_asio_tasks(std::size_t count);

/// The cost in nanoseconds of one stamp as the loop takes them, and of one `steady_clock` read.
[[nodiscard]] double cost_of_time_stamp();
[[nodiscard]] double cost_of_steady_clock();

}  // namespace coroscope::benchmarks
