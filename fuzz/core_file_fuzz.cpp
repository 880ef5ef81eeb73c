// SPDX-License-Identifier: Apache-2.0
// Any bytes as a core file: either memory to read tasks from, or an inspection_error.

#include "core_file.hpp"
#include "table_inspector.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

using namespace coroscope::profiler_server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        const core_file core({bytes.begin(), bytes.end()});
        for (const auto& region : core.regions()) {
            if (region.begin > region.end) { std::abort(); }
            static_cast<void>(core.text_at(region.begin, 100));
        }
        static_cast<void>(inspect_tables(core, "the core", {4, true}));
    } catch (const inspection_error&) {}
    return 0;
}
