// SPDX-License-Identifier: Apache-2.0
#include "profile_output.hpp"
#include "text_table.hpp"

#include <algorithm>
#include <ostream>

namespace coroscope::profiler_server::cli {

namespace {

int show(const profile_answer& answer, const profiler_client& client,
         const profile_options& options, const surroundings& io) {
    const auto& profile = answer.profile;
    if (!profile.note.empty()) { io.err << "coroscope: note: " << printable(profile.note) << '\n'; }
    if (profile.samples.empty()) { io.err << "coroscope: the profile is empty\n"; }
    if (answer.omitted > 0) {
        io.err << "coroscope: the " << answer.omitted
               << " smallest samples are together, as (other); --limit takes more\n";
    }
    write_profile(profile, client.address(), options.output, io);
    return success;
}

}  // namespace

int run_cpu_profile(const profiler_client& client, const profile_options& options,
                    const surroundings& io) {
    if (io.err_is_terminal) {
        io.err << "coroscope: profiling " << client.address() << " for " << options.seconds
               << " s ..." << std::endl;
    }
    const auto longest = static_cast<std::uint64_t>(std::chrono::seconds::max().count());
    const std::chrono::seconds length(std::min(options.seconds, longest));
    return show(client.cpu_profile(length, {options.frequency, options.limit}), client, options,
                io);
}

int run_wait_profile(const profiler_client& client, const profile_options& options,
                     const surroundings& io) {
    return show(client.wait_profile(options.limit), client, options, io);
}

int run_memory_profile(const profiler_client& client, const profile_options& options,
                       const surroundings& io) {
    return show(client.memory_profile(options.limit), client, options, io);
}

}  // namespace coroscope::profiler_server::cli
