// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/protocol/reply.hpp>
#include <coroscope/profiler_server/protocol/request.hpp>

#include <coroscope/report/finding.hpp>
#include <coroscope/report/memory_stats.hpp>
#include <coroscope/report/profile.hpp>
#include <coroscope/report/slow_step.hpp>
#include <coroscope/report/snapshot.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace coroscope::profiler_server {

struct client_options {
    /// For connecting, asking and reading together; looking up a name in the DNS is not included.
    std::chrono::milliseconds timeout{5'000};
    std::size_t max_reply_bytes = std::size_t{512} << 20U;
};

/// Why there is no answer.
enum class client_failure {
    connect,  ///< nobody listens there, or the host cannot be reached
    timeout,  ///< no whole answer in time
    broken,   ///< the connection ended, or what came is no answer of ours
    refused,  ///< the server answered with an error: `client_error::reply_error`
};

/// There is no answer. The message names the address and says what to do next.
class client_error : public std::runtime_error {
public:
    client_error(client_failure failure, const std::string& message,
                 std::optional<protocol::protocol_error> reply_error = {});

    [[nodiscard]] client_failure failure() const noexcept { return failure_; }
    [[nodiscard]] const std::optional<protocol::protocol_error>& reply_error() const noexcept {
        return reply_error_;
    }

private:
    client_failure failure_;
    std::optional<protocol::protocol_error> reply_error_;
};

/// Who answers.
struct server_version {
    std::string program;
    std::uint64_t pid = 0;
    std::string library;  ///< version of coroscope
    std::uint64_t protocol = 0;
    std::uint64_t report_schema = 0;
};

/// A profile, and how many of its smallest samples a limit has put together, at `(other)`.
struct profile_answer {
    report::profile profile;
    std::uint64_t omitted = 0;
};

/// Memory by function, and how many rows of calls a limit has put together, as `(other)`.
struct memory_answer {
    report::memory_table table;
    std::uint64_t omitted = 0;
};

inline constexpr std::uint64_t default_samples = 10'000;
inline constexpr std::uint64_t default_rows = 100;

struct cpu_profile_options {
    std::uint64_t frequency = 250;          ///< samples in a second of a thread's CPU time
    std::uint64_t limit = default_samples;  ///< the largest samples that come one by one
};

/// Asks a profiler server; for tools and tests. Every call connects, asks one question, waits for
/// the answer, and throws `client_error` if there is none.
///
/// The calls block. In a coroutine, use `run_in_executor`.
///
/// **Thread safety**: const throughout; one client may be used by several threads.
class profiler_client {
public:
    profiler_client(std::string host, std::uint16_t port, const client_options& options = {});

    [[nodiscard]] report::time_table time_stats() const;
    [[nodiscard]] report::task_list tasks(std::uint64_t limit = 1'000, bool stacks = false) const;
    /// Slow steps included.
    [[nodiscard]] std::vector<report::finding> findings() const;
    [[nodiscard]] std::vector<report::slow_step> slow_steps() const;
    [[nodiscard]] std::vector<report::loop_stats> loop_stats() const;
    [[nodiscard]] server_version version() const;

    /// `limit`: rows of each call.
    [[nodiscard]] memory_answer memory_stats(report::memory_key by = report::memory_key::lineno,
                                             const report::memory_filter& filter = {},
                                             std::uint64_t limit = default_rows) const;
    /// Takes so many seconds (1 to 300), and up to `client_options::timeout` more.
    [[nodiscard]] profile_answer cpu_profile(std::chrono::seconds length,
                                             const cpu_profile_options& options = {}) const;
    /// `limit`: as `cpu_profile_options::limit`.
    [[nodiscard]] profile_answer wait_profile(std::uint64_t limit = default_samples) const;
    [[nodiscard]] profile_answer memory_profile(std::uint64_t limit = default_samples) const;

    /// Sends any JSON value and returns the reply as it came, errors included.
    [[nodiscard]] nlohmann::json request(const nlohmann::json& request) const;

    /// Asks, and throws where the reply is an error.
    [[nodiscard]] protocol::reply ask(const protocol::request& request) const;

    /// `host:port`.
    [[nodiscard]] std::string address() const;

private:
    [[nodiscard]] protocol::reply ask(const protocol::request& request,
                                      std::chrono::milliseconds timeout) const;
    [[nodiscard]] profile_answer ask_profile(protocol::request request, std::uint64_t limit,
                                             std::chrono::milliseconds timeout) const;
    [[nodiscard]] std::string exchange(const std::string& request,
                                       std::chrono::milliseconds timeout) const;

    std::string host_;
    std::uint16_t port_;
    client_options options_;
};

}  // namespace coroscope::profiler_server
