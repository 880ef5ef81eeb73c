// SPDX-License-Identifier: Apache-2.0
#include "child_program.hpp"

#include <cstdio>
#include <memory>
#include <stdexcept>

#include <unistd.h>

namespace coroscope::benchmarks {

std::string own_file() {
    std::string self(4096, '\0');
    const auto length = ::readlink("/proc/self/exe", self.data(), self.size());
    if (length < 0) { throw std::runtime_error("cannot find this program's own file"); }
    self.resize(static_cast<std::size_t>(length));
    return self;
}

double number_printed_by(const std::string& command) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> child(::popen(command.c_str(), "r"),
                                                                ::pclose);
    double number = 0;
    if (child == nullptr || std::fscanf(child.get(), "%lf", &number) != 1) {
        throw std::runtime_error("a process that measures failed: " + command);
    }
    return number;
}

}  // namespace coroscope::benchmarks
