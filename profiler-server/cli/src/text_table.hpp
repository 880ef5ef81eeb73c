// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::profiler_server::cli {

enum class alignment { left, right };

struct column {
    std::string title;
    alignment align = alignment::left;
    std::size_t widest = 0;  ///< longer texts lose their beginning; 0: any width
};

/// Rows under titles, as wide as their contents, two spaces between columns, no trailing blanks.
class text_table {
public:
    explicit text_table(std::vector<column> columns);

    /// One text for each column.
    void add(std::vector<std::string> cells);

    void print(std::ostream& out) const;

private:
    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// The text with control characters replaced by `?`, so that a name from another program cannot
/// write to the terminal what it likes.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace coroscope::profiler_server::cli
