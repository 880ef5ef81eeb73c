// SPDX-License-Identifier: Apache-2.0
// By how much the unannotated mode of race detection slows a program down, beside the thread
// sanitizer: race_cost_program.cpp, built three times.
#include "benchmark.hpp"
#include "child_program.hpp"

#include <string>

namespace coroscope::benchmarks {
namespace {

enum class load { compute, await };

/// Nanoseconds for an operation of a build of the program. The addresses are not randomised, since
/// the sanitizer's shadow does not fit all; what it finds is not what is measured.
[[nodiscard]] double cost_of(const std::string& build, load what, std::size_t count) {
    return number_printed_by(
        "TSAN_OPTIONS=report_bugs=0 exec setarch -R '" + own_file() + "_race_cost_" + build + "' "
        + (what == load::compute ? "compute " : "await ") + std::to_string(count));
}

template <load What>
double with_hooks(std::size_t count) {
    return cost_of("hooks", What, count) / cost_of("plain", What, count);
}

template <load What>
double with_sanitizer(std::size_t count) {
    return cost_of("tsan", What, count) / cost_of("plain", What, count);
}

}  // namespace

const comparison race_unannotated_compute{"race_unannotated_compute", "times",
                                          "the thread sanitizer",     40'000,
                                          with_hooks<load::compute>,  with_sanitizer<load::compute>,
                                          comparison::kind::ratio};
const comparison race_unannotated_await{"race_unannotated_await", "times",
                                        "the thread sanitizer",   20'000,
                                        with_hooks<load::await>,  with_sanitizer<load::await>,
                                        comparison::kind::ratio};

}  // namespace coroscope::benchmarks
