// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include "environment_variable.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace coroscope::testkit {
namespace {

using detail::variable;

[[nodiscard]] std::uint64_t parse_schedules(std::string_view text) {
    std::uint64_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number == 0) {
        throw std::invalid_argument("COROSCOPE_TEST_SCHEDULES is '" + std::string(text)
                                    + "'; it must be a whole number, 1 or more");
    }
    return number;
}

}  // namespace

explore_settings read_explore_settings(explore_options options) {
    explore_settings result{std::move(options), std::string(variable("COROSCOPE_TEST_REPLAY"))};
    const auto schedules = variable("COROSCOPE_TEST_SCHEDULES");
    if (!schedules.empty()) { result.options.max_executions = parse_schedules(schedules); }
    const auto part = variable("COROSCOPE_TEST_SHARD");
    if (!part.empty()) { result.options.shard = shard::parse(part); }
    return result;
}

}  // namespace coroscope::testkit
