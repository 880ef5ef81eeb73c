// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/version.hpp>

#include "support/catch.hpp"

#include <algorithm>

using coroscope::profiler_server::protocol::library_version;

TEST_CASE("the library knows its version", "[protocol]") {
    const auto version = library_version();
    CHECK(std::count(version.begin(), version.end(), '.') == 2);
    CHECK(version.find_first_not_of("0123456789.") == std::string_view::npos);
}
