// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/facts_source.hpp>
#include <coroscope/profiler_server/protocol/command_table.hpp>

#include <string>

namespace coroscope::profiler_server {

/// What clients can ask; `facts` must outlive the table.
[[nodiscard]] protocol::command_table make_command_table(facts_source& facts,
                                                         const std::string& program);

}  // namespace coroscope::profiler_server
