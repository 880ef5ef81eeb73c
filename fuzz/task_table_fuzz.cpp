// SPDX-License-Identifier: Apache-2.0
// Any bytes as a program's memory: either its tasks, or an inspection_error.

#include "profiler-server/inspector/table_image.hpp"
#include "table_inspector.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

using namespace coroscope;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    const test_support::memory_image memory({bytes.begin(), bytes.end()});
    try {
        const auto found = profiler_server::inspect_tables(memory, "the program", {4, true});
        if (found.list.tasks.size() > 4) { std::abort(); }
        for (const auto& task : found.list.tasks) {
            const auto text = report::json_line(to_json(task));
            const auto json = nlohmann::json::parse(text);
            if (report::read_task_snapshot(report::json_view(json)).id != task.id) { std::abort(); }
        }
    } catch (const profiler_server::inspection_error&) {}
    return 0;
}
