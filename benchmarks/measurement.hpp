// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "benchmark.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace coroscope::benchmarks {

/// One line of the result.
struct result {
    std::string name;
    double ours;
    std::string peer;
    double peer_value;
    std::string unit;
    double ratio;  ///< greater than 1: ours is better
};

struct effort {
    std::size_t rounds = 11;
    double scale = 1.0;  ///< of every benchmark's count
};

/// Runs a benchmark: after one round to warm up, `rounds` times ours with observers, the peer, and
/// ours without observers, in changing order. Values are medians; the ratio is the median of the
/// rounds' ratios. All in a process of its own. Gives two results, the second with `_bare` appended
/// to its name.
[[nodiscard]] std::vector<result> measure(const benchmark& what, const effort& how_much);
/// The same for a comparison: ours and the peer in changing order. A difference is the median of
/// the rounds' differences, and at least a hundredth.
[[nodiscard]] result measure(const comparison& what, const effort& how_much);
/// The row `rdtsc`.
[[nodiscard]] result measure_time_stamp(const effort& how_much);

void write_table_head(std::ostream& out);
void write_table_row(std::ostream& out, const result& row);
void write_json(std::ostream& out, const std::vector<result>& rows);

}  // namespace coroscope::benchmarks
