// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/inspector.hpp>

#include "core_file.hpp"
#include "live_process.hpp"
#include "table_inspector.hpp"

namespace coroscope::profiler_server {

inspection inspect_process(std::uint64_t pid, const inspection_options& options) {
    const live_process space(pid);
    return inspect_tables(space, "process " + std::to_string(pid), options);
}

inspection inspect_core(const std::filesystem::path& core, const std::filesystem::path& executable,
                        const inspection_options& options) {
    const core_file space(core, executable);
    const auto& notes = space.notes();
    try {
        auto found = inspect_tables(space, core.string(), options);
        found.notes.insert(found.notes.begin(), notes.begin(), notes.end());
        return found;
    } catch (const inspection_error& error) {
        std::string message = error.what();
        for (const auto& note : notes) {
            message += "; " + note;
        }
        throw inspection_error(error.failure(), message);
    }
}

}  // namespace coroscope::profiler_server
