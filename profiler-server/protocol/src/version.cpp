// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/version.hpp>

namespace coroscope::profiler_server::protocol {

std::string_view library_version() {
    return COROSCOPE_VERSION;  // the build's: the project's version
}

}  // namespace coroscope::profiler_server::protocol
