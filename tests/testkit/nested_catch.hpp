// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

/// Runs test cases that fail on purpose, in a process of their own: this very executable, which
/// knows them under hidden tags.
namespace nested {

/// Catch2 breaks lines where they are full, which depends on the length of the sources' path.
inline std::string unwrapped(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
    return text;
}

struct outcome {
    int status = 0;      ///< exit status; 128 + signal if one ended it
    std::string output;  ///< standard output and error
    [[nodiscard]] bool has(const std::string& text) const { return count(text) > 0; }
    [[nodiscard]] std::size_t count(const std::string& text) const {
        const auto all = unwrapped(output);
        const auto wanted = unwrapped(text);
        std::size_t found = 0;
        for (auto at = all.find(wanted); at != all.npos; at = all.find(wanted, at + 1)) {
            ++found;
        }
        return found;
    }
};

inline outcome run(const std::string& test_case, const std::string& environment = {},
                   const std::string& options = {}) {
    std::array<char, 4096> buffer{};
    const auto length = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
    if (length <= 0) { throw std::runtime_error("cannot find this executable"); }
    const std::string program(buffer.data(), static_cast<std::size_t>(length));
    const auto named = test_case.empty() ? std::string() : "'" + test_case + "' ";
    const auto command = environment + " '" + program + "' " + named + options + " 2>&1";
    auto* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) { throw std::runtime_error("cannot run " + command); }
    outcome result;
    std::size_t got = 0;
    while ((got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
        result.output.append(buffer.data(), got);
    }
    const int status = ::pclose(pipe);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}

}  // namespace nested
