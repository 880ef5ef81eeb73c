// SPDX-License-Identifier: Apache-2.0
// Coroutines with hooks for debugging: run it with --coroscope-debug, or in a debugger with that.

#include <coroscope/instrumentation/debug_hooks.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <iostream>
#include <span>
#include <stdexcept>
#include <string>

using coroscope::coro;
using coroscope::instrumentation::post_mortem;
using coroscope::instrumentation::post_run;
using coroscope::instrumentation::pre_run;

namespace {

coro<int> look_up(std::string host) {
    co_await coroscope::yield_now();
    if (host.empty()) { throw std::invalid_argument("a host has a name"); }
    co_return 42;
}

coro<int> ask(std::string host) {
    const int address = co_await look_up(host);
    co_return address;
}

const auto ask_hooked = pre_run(post_run(post_mortem(ask)));

coro<> program() {
    const int address = co_await ask_hooked("localhost");
    std::cout << "localhost: " << address << '\n';
    try {
        co_await ask_hooked("");
    } catch (const std::invalid_argument& e) { std::cout << "caught: " << e.what() << '\n'; }
}

}  // namespace

int main(int argc, char** argv) {
    coroscope::instrumentation::init_debug_hooks(argc, argv);
    for (const std::string argument : std::span(argv + 1, argv + argc)) {
        if (argument == "--help") {
            std::cout << "usage: debug_hooks [--coroscope-debug] [ARGUMENT...]\n";
            return 0;
        }
        std::cout << "an argument of its own: " << argument << '\n';
    }
    coroscope::run(program());
}
