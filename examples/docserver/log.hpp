// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "options.hpp"
#include "request.hpp"
#include "response.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace docserver {

/// Writes lines to standard error, each at once and as a whole. **Thread safety**: any thread.
class log {
public:
    explicit log(log_level least) : least_(least) {}

    void write(log_level level, std::string_view text) const;
    /// One line in the combined log format, and the time it took; at level info.
    void access(std::string_view client, const request& r, const outcome& done,
                std::chrono::nanoseconds took) const;

private:
    log_level least_;
};

/// For log lines: quotes, backslashes and what is not printable ASCII as `\xHH`.
[[nodiscard]] std::string log_escape(std::string_view text);

}  // namespace docserver
