// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/subprocess.hpp>

#include "runtime/stream_pair.hpp"

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

/// What tests of subprocesses share.
namespace subprocess_pair {

using coroscope::captured_output;
using coroscope::command;
using coroscope::coro;
using coroscope::process;
using coroscope::redirect;
using coroscope::subprocess_options;

[[nodiscard]] inline subprocess_options all_pipes() {
    subprocess_options options;
    options.input = redirect::pipe();
    options.output = redirect::pipe();
    options.error = redirect::pipe();
    return options;
}

/// A shell command with three pipes.
[[nodiscard]] inline coro<process> start_shell(std::string command,
                                               subprocess_options options = all_pipes()) {
    return coroscope::create_subprocess_shell(std::move(command), std::move(options));
}

[[nodiscard]] inline coro<process> start_program(command what,
                                                 subprocess_options options = all_pipes()) {
    return coroscope::create_subprocess_exec(std::move(what), std::move(options));
}

/// What a shell command writes to its standard output.
[[nodiscard]] inline coro<std::string> output_of(std::string command,
                                                 subprocess_options options = all_pipes()) {
    auto p = co_await start_shell(std::move(command), std::move(options));
    const auto captured = co_await p.communicate();
    co_return captured.output;
}

/// Whether the process is there, dead and not reaped included.
[[nodiscard]] inline bool exists(pid_t pid) {
    return ::kill(pid, 0) == 0 || errno == EPERM;
}

/// Whether this process has any child, dead or alive.
[[nodiscard]] inline bool has_children() {
    siginfo_t facts = {};
    return ::waitid(P_ALL, 0, &facts, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// Runs other things until the condition holds.
template <class Condition>
coro<> until(Condition holds) {
    bool is_so = holds();
    while (!is_so) {
        co_await coroscope::yield_now();
        is_so = holds();
    }
}

}  // namespace subprocess_pair
