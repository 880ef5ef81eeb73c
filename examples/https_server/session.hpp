// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service.hpp"

namespace https_server {

/// Serves one connection: requests one after the other until either side has had enough.
[[nodiscard]] coroscope::coro<> serve_connection(service& s, coroscope::stream connection);

}  // namespace https_server
