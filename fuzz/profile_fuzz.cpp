// SPDX-License-Identifier: Apache-2.0
// Any bytes: either a profile, which then survives being written and goes into every format, or a
// report_error.

#include <coroscope/report/error.hpp>
#include <coroscope/report/profile_export.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace report = coroscope::report;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto json = nlohmann::json::parse(data, data + size, nullptr, false);
    if (json.is_discarded()) { return 0; }
    try {
        const auto read = report::read_profile(report::json_view(json));
        // The first writing leaves out what says nothing, such as a line without a file.
        const auto written = report::to_json(read);
        const auto again = report::read_profile(report::json_view(written));
        if (report::to_json(again) != written) { std::abort(); }
        for (std::size_t value = 0; value < again.values.size(); ++value) {
            static_cast<void>(report::collapsed_stacks(again, value));
            static_cast<void>(report::pprof_file(again, value, "program"));
            if (report::flame_graph_html(again, value, "title").empty()) { std::abort(); }
        }
        if (!nlohmann::json::accept(report::speedscope_json(again, "name"))) { std::abort(); }
    } catch (const report::report_error&) {}
    return 0;
}
