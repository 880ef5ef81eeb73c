// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace coroscope::report {

/// What kept a step from its end.
enum class step_verdict {
    computing,      ///< it ran on a processor
    blocked,        ///< it waited in the kernel, in a system call
    page_faults,    ///< it waited in the kernel for memory to be read
    not_scheduled,  ///< it could have run, and the operating system did not let it
};

/// Where a step spent its time, and so why it was slow. `cpu`, `blocked` and `not_scheduled` add up
/// to the wall time.
struct step_cause {
    step_verdict verdict = step_verdict::computing;
    std::string system_call;  ///< that it was last seen to wait in; empty: in none
    std::string target;       ///< what that was given: `descriptor 5, pipe:[81733]`
    std::chrono::nanoseconds cpu{0};
    std::chrono::nanoseconds blocked{0};        ///< in the kernel
    std::chrono::nanoseconds not_scheduled{0};  ///< ready to run, or its process was stopped
    std::uint64_t voluntary_switches = 0;       ///< times that it had to wait
    std::uint64_t involuntary_switches = 0;     ///< times that others were let in
    std::uint64_t minor_faults = 0;             ///< page faults served from memory
    std::uint64_t major_faults = 0;             ///< page faults served from a device

    friend bool operator==(const step_cause&, const step_cause&) = default;
};

/// `blocked in the kernel: read (descriptor 5, pipe:[81733])`, without the times.
[[nodiscard]] std::string describe_verdict(const step_cause& cause);

/// The verdict, then where the time went:
/// `computing (CPU 0.149 s, blocked 0.000 s, not scheduled 0.001 s)`. Page faults and switches
/// follow where there were many.
[[nodiscard]] std::string to_string(const step_cause& cause);

[[nodiscard]] std::string_view to_string(step_verdict verdict);

[[nodiscard]] nlohmann::json to_json(const step_cause& cause);
[[nodiscard]] step_cause read_step_cause(const json_view& json);

}  // namespace coroscope::report
