// SPDX-License-Identifier: Apache-2.0
#include "text_table.hpp"

#include <algorithm>
#include <ostream>
#include <stdexcept>
#include <utility>

namespace coroscope::profiler_server::cli {

namespace {

// Bytes that begin a character, so that names in UTF-8 stay aligned.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
    }));
}

std::string shortened(std::string text, std::size_t widest) {
    constexpr std::string_view mark = "...";
    if (widest <= mark.size() || width(text) <= widest) { return text; }
    while (width(text) > widest - mark.size()) {
        const auto next = std::find_if(text.begin() + 1, text.end(), [](char byte) {
            return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
        });
        text.erase(text.begin(), next);
    }
    return std::string(mark) + text;
}

void print_row(std::ostream& out, const std::vector<column>& columns,
               const std::vector<std::size_t>& widths, const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t at = 0; at < cells.size(); ++at) {
        const std::string padding(widths[at] - width(cells[at]), ' ');
        const bool right = columns[at].align == alignment::right;
        line += (at == 0 ? "" : "  ") + (right ? padding + cells[at] : cells[at] + padding);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    out << line << '\n';
}

}  // namespace

text_table::text_table(std::vector<column> columns) : columns_(std::move(columns)) {}

void text_table::add(std::vector<std::string> cells) {
    if (cells.size() != columns_.size()) {
        throw std::logic_error("text_table: one cell for each column, please");
    }
    for (std::size_t at = 0; at < cells.size(); ++at) {
        cells[at] = shortened(printable(cells[at]), columns_[at].widest);
    }
    rows_.push_back(std::move(cells));
}

void text_table::print(std::ostream& out) const {
    std::vector<std::string> titles;
    std::vector<std::size_t> widths;
    for (const auto& column : columns_) {
        titles.push_back(column.title);
        widths.push_back(width(column.title));
    }
    for (const auto& row : rows_) {
        for (std::size_t at = 0; at < row.size(); ++at) {
            widths[at] = std::max(widths[at], width(row[at]));
        }
    }
    print_row(out, columns_, widths, titles);
    for (const auto& row : rows_) {
        print_row(out, columns_, widths, row);
    }
}

std::string printable(std::string_view text) {
    std::string clean(text);
    std::replace_if(
        clean.begin(), clean.end(),
        [](char byte) { return static_cast<unsigned char>(byte) < 0x20U || byte == 0x7F; }, '?');
    return clean;
}

}  // namespace coroscope::profiler_server::cli
