// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/facts_source.hpp>

namespace coroscope::profiler_server {

namespace {

[[noreturn]] void has_no(const std::string& profiler) {
    throw no_facts_error(no_facts_error::reason::unavailable,
                         "this program has shown no " + profiler
                             + " to its profiler server; make one and name it to facts_about");
}

}  // namespace

report::profile facts_source::cpu_profile(const cpu_profile_request& /*wanted*/,
                                          const std::stop_token& /*stop*/) {
    has_no("cpu_profiler");
}

report::profile facts_source::wait_profile() {
    has_no("wait_profiler");
}

report::profile facts_source::memory_profile() {
    has_no("memory_profiler");
}

}  // namespace coroscope::profiler_server
