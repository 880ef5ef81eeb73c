// SPDX-License-Identifier: Apache-2.0
#include "symbolizer.hpp"

#include <coroscope/runtime/await_site.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <cxxabi.h>

namespace coroscope::instrumentation::detail {
namespace {

struct free_deleter {
    void operator()(char* memory) const noexcept { std::free(memory); }
};

/// Empty: it is no mangled name.
[[nodiscard]] std::string demangle(const char* symbol) {
    int status = 0;
    const std::unique_ptr<char, free_deleter> demangled(
        abi::__cxa_demangle(symbol, nullptr, nullptr, &status));
    return demangled != nullptr ? demangled.get() : std::string();
}

/// What g++ declares in a coroutine has a name in which the function is that of the coroutine's
/// body, of a frame: `f(f()::_Z1fv.Frame*)::x` is `f()::x`.
[[nodiscard]] std::string demangle_in_coroutine(std::string symbol) {
    constexpr std::string_view frame = ".Frame";
    for (const std::string_view suffix : {".Frame.actor", ".Frame.destroy"}) {
        for (auto at = symbol.find(suffix); at != symbol.npos; at = symbol.find(suffix, at)) {
            at += frame.size();
            symbol.erase(at, suffix.size() - frame.size());
        }
    }
    auto text = demangle(symbol.c_str());
    constexpr std::string_view parameter = ".Frame*)";
    for (auto end = text.find(parameter); end != text.npos; end = text.find(parameter)) {
        const auto close = end + parameter.size() - 1;
        int depth = 1;
        auto open = close;
        while (open > 0 && depth > 0) {
            --open;
            depth += text[open] == ')' ? 1 : text[open] == '(' ? -1 : 0;
        }
        text.erase(open + 1, close - open - 1);
    }
    return text;
}

}  // namespace

std::string readable_function(const char* symbol) {
    auto text = demangle(symbol);
    if (text.empty()) { text = demangle_in_coroutine(symbol); }
    if (text.empty()) { text = symbol; }
    if (const auto clone = text.find(" [clone"); clone != std::string::npos) { text.resize(clone); }
    // As compilers write it elsewhere: `<lambda(int)>` for `{lambda(int)#1}`.
    for (auto begin = text.find("{lambda("); begin != std::string::npos;
         begin = text.find("{lambda(", begin)) {
        const auto number = text.find(")#", begin);
        const auto end = text.find('}', begin);
        if (number == std::string::npos || end == std::string::npos || end < number) { break; }
        text.erase(number + 2, end - number - 1);
        text[number + 1] = '>';
        text[begin] = '<';
    }
    return plain_function_name(text.c_str());
}

}  // namespace coroscope::instrumentation::detail
