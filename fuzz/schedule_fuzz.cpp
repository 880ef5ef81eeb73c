// SPDX-License-Identifier: Apache-2.0
// Any bytes: either a schedule, which then survives being written, or an invalid_argument.

#include "explore/schedule.hpp"

#include "explore/agent_tree.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace testkit = coroscope::testkit::detail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const auto read = testkit::parse_schedule(text);
        const auto written = testkit::to_text(read);
        if (!(testkit::parse_schedule(written) == read)) { std::abort(); }
        for (const auto& each : read.deviations) {
            if (!testkit::hash_of_path(each.agent).has_value()) { std::abort(); }
        }
    } catch (const std::invalid_argument&) {}
    return 0;
}
