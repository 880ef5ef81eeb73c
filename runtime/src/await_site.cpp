// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/await_site.hpp>

#include <string_view>

namespace coroscope {
namespace {

/// The ")" that belongs to the "(" at `open`.
[[nodiscard]] std::size_t matching_close(std::string_view text, std::size_t open) {
    int depth = 0;
    for (auto i = open; i < text.size(); ++i) {
        depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
        if (depth == 0) { return i; }
    }
    return std::string_view::npos;
}

/// Cuts everything from the parameter list on: the first top-level "(" that is not part of a
/// lambda's or an anonymous namespace's name.
[[nodiscard]] std::string_view without_parameters(std::string_view text) {
    int angles = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '<' && text.substr(0, i).ends_with("operator")) { continue; }
        if (text.substr(i).starts_with("()") && text.substr(0, i).ends_with("operator")) {
            ++i;
            continue;
        }
        if (c == '<') {
            ++angles;
        } else if (c == '>' && (i == 0 || text[i - 1] != '-')) {
            --angles;
        } else if (c == '(' && angles == 0) {
            for (const std::string_view part : {"(anonymous namespace)", "(anonymous class)"}) {
                if (text.substr(i).starts_with(part)) { i += part.size() - 1; }
            }
            if (text[i] == '(') {
                const auto close = matching_close(text, i);
                // "main()::<lambda(int)>": the parameters of an enclosing function.
                if (close != std::string_view::npos && text.substr(close + 1).starts_with("::")) {
                    i = close;
                    continue;
                }
                return text.substr(0, i);
            }
        }
    }
    return text;
}

/// Cuts the return type: everything up to the last top-level space.
[[nodiscard]] std::string_view without_return_type(std::string_view text) {
    int depth = 0;
    for (auto i = text.size(); i > 0; --i) {
        const char c = text[i - 1];
        if (c == '>' || c == ')') {
            ++depth;
        } else if (c == '<' || c == '(') {
            --depth;
        } else if (c == ' ' && depth == 0 && !text.substr(0, i - 1).ends_with("operator")) {
            return text.substr(i);
        }
    }
    return text;
}

}  // namespace

std::string plain_function_name(const char* spelling) {
    if (spelling == nullptr || *spelling == '\0') { return "?"; }
    auto text = without_return_type(without_parameters(spelling));
    for (const std::string_view suffix : {"::operator()", "::operator ()"}) {
        if (text.ends_with(suffix)) { text.remove_suffix(suffix.size()); }
    }
    return text.empty() ? std::string(spelling) : std::string(text);
}

std::string function_name(const await_site& site) {
    return site.line() == 0 ? "?" : plain_function_name(site.function_name());
}

std::string to_string(const await_site& site) {
    if (site.line() == 0) { return "?"; }
    return std::string(site.file_name()) + ":" + std::to_string(site.line());
}

}  // namespace coroscope
