// SPDX-License-Identifier: Apache-2.0
// Any bytes: either a report, which then survives being written and judged, or a report_error.

#include <coroscope/report/gate.hpp>
#include <coroscope/report/report.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace report = coroscope::report;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto read = report::from_json({reinterpret_cast<const char*>(data), size});
        // The first writing leaves out what says nothing, such as a line without a file.
        const auto again = report::from_json(report::to_json(read).dump());
        if (report::from_json(report::to_json(again).dump()) != again) { std::abort(); }
        const auto result = report::check_gate(read, {read.slow_threshold, 0}, &again);
        if (result.lines.empty()) { std::abort(); }
    } catch (const report::report_error&) {}
    return 0;
}
