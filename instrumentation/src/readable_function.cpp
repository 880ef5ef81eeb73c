// SPDX-License-Identifier: Apache-2.0
#include "symbolizer.hpp"

#include <coroscope/runtime/await_site.hpp>

#include <cstdlib>
#include <memory>

#include <cxxabi.h>

namespace coroscope::instrumentation::detail {
namespace {

struct free_deleter {
    void operator()(char* memory) const noexcept { std::free(memory); }
};

}  // namespace

std::string readable_function(const char* symbol) {
    int status = 0;
    const std::unique_ptr<char, free_deleter> demangled(
        abi::__cxa_demangle(symbol, nullptr, nullptr, &status));
    std::string text = demangled != nullptr ? demangled.get() : symbol;
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
