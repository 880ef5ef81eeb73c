// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace coroscope::report::detail {

/// The page around a flame graph's data: before it, and after it.
extern const std::string_view flame_graph_page_head;
extern const std::string_view flame_graph_page_tail;

}  // namespace coroscope::report::detail
