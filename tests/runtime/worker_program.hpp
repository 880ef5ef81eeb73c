// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/process_pool.hpp>
#include <coroscope/runtime/subprocess.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

#include <unistd.h>

/// The program of a process pool's workers: the test executable again, told so by a variable.
namespace worker_program {

inline constexpr const char* variable = "COROSCOPE_TEST_WORKER";

[[nodiscard]] inline int be_a_worker() {
    coroscope::worker_functions functions;
    functions["echo"] = [](std::string text) {
        return text;
    };
    functions["print"] = [](const std::string&) {
        std::cout << "not a reply" << std::endl;
        return std::string();
    };
    functions["pid"] = [](const std::string&) {
        return std::to_string(::getpid());
    };
    functions["sum"] = [](const std::string& text) {
        const auto space = text.find(' ');
        return std::to_string(std::stoi(text) + std::stoi(text.substr(space)));
    };
    functions["fail"] = [](const std::string& text) -> std::string {
        throw std::out_of_range("failed: " + text);
    };
    functions["crash"] = [](const std::string&) -> std::string {
        ::raise(SIGKILL);
        return {};
    };
    functions["hang"] = [](const std::string&) {
        ::pause();
        return std::string();
    };
    return coroscope::process_worker_main(functions);
}

// Before main, which is Catch's.
inline const bool is_no_worker = [] {
    if (std::getenv(variable) != nullptr) { ::_exit(be_a_worker()); }
    return true;
}();

[[nodiscard]] inline coroscope::process_pool make_pool(std::size_t workers) {
    coroscope::process_pool_options options;
    options.workers = workers;
    options.process.variables = coroscope::current_environment();
    options.process.variables->insert_or_assign(variable, std::string("1"));
    options.process.error = coroscope::redirect::devnull();
    return coroscope::process_pool(coroscope::command("/proc/self/exe"), options);
}

}  // namespace worker_program
