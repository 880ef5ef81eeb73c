// SPDX-License-Identifier: Apache-2.0
#include "step_times.hpp"

#include "system_calls.hpp"

#include <algorithm>

namespace coroscope::instrumentation::detail {
namespace {

using std::chrono::nanoseconds;

[[nodiscard]] nanoseconds part(nanoseconds amount, nanoseconds room) {
    return std::clamp(amount, nanoseconds(0), std::max(room, nanoseconds(0)));
}

[[nodiscard]] std::uint64_t grown(std::uint64_t from, std::uint64_t to) {
    return to - std::min(from, to);
}

void split_wall_time(const step_times& times, report::step_cause& cause) {
    const auto head = times.until_first_look;
    const auto tail = times.wall - head;
    const auto head_cpu = part(times.first.cpu - times.before.cpu, head);
    const auto tail_cpu = part(times.now.cpu - times.first.cpu, tail);
    cause.cpu = head_cpu + tail_cpu;
    cause.not_scheduled = part(times.first.run_delay - times.before.run_delay, head - head_cpu)
                          + part(times.now.run_delay - times.first.run_delay, tail - tail_cpu);
    auto rest = part(times.wall - cause.cpu - cause.not_scheduled, times.wall);
    // The kernel books a wait for a processor when it is over.
    const bool never_waited = cause.voluntary_switches == 0 && !times.place.is_blocked();
    const auto unbooked = never_waited ? rest : part(times.overslept, rest);
    cause.not_scheduled += unbooked;
    cause.blocked = rest - unbooked;
}

}  // namespace

report::step_cause judge(const step_times& times) {
    const auto where = times.place.where;
    report::step_cause cause;
    cause.voluntary_switches = grown(times.before.voluntary_switches, times.now.voluntary_switches);
    cause.involuntary_switches =
        grown(times.before.involuntary_switches, times.now.involuntary_switches);
    cause.minor_faults = grown(times.before.minor_faults, times.now.minor_faults);
    cause.major_faults = grown(times.before.major_faults, times.now.major_faults);
    split_wall_time(times, cause);
    if (where == thread_place::kind::system_call) {
        cause.system_call = name_of_system_call(times.place.number);
        cause.target = target_of_system_call(times.place);
    }
    if (cause.cpu >= std::max(cause.blocked, cause.not_scheduled)) { return cause; }
    if (cause.not_scheduled >= cause.blocked) {
        cause.verdict = report::step_verdict::not_scheduled;
        return cause;
    }
    const bool by_fault = where == thread_place::kind::fault
                          || (where != thread_place::kind::system_call && cause.major_faults > 0);
    cause.verdict = by_fault ? report::step_verdict::page_faults : report::step_verdict::blocked;
    return cause;
}

}  // namespace coroscope::instrumentation::detail
