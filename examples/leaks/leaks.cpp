// SPDX-License-Identifier: Apache-2.0
// Two tasks that serve requests. One of them never gives its buffers back.
#include <coroscope/instrumentation/leaks.hpp>
#include <coroscope/instrumentation/memory_hooks.hpp>
#include <coroscope/instrumentation/memory_profiler.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <regex>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;

// As a C library would have it: who calls it frees what it returns.
[[gnu::noinline]] char* read_request() {
    auto* const buffer = static_cast<char*>(std::malloc(1024));
    std::strcpy(buffer, "GET /");
    return buffer;
}

coro<> serve_well(int requests) {
    for (int i = 0; i < requests; ++i) {
        auto* const request = read_request();
        co_await yield_now();
        std::free(request);
    }
}

coro<> serve_badly(int requests) {
    for (int i = 0; i < requests; ++i) {
        auto* const request = read_request();
        co_await yield_now();
        if (std::strcmp(request, "GET /") != 0) { std::free(request); }
    }
}

coro<> serve(int requests) {
    auto good = get_running_loop().create_task(serve_well(requests), "good");
    auto bad = get_running_loop().create_task(serve_badly(requests), "bad");
    co_await good;
    co_await bad;
}

int main() {
    run(serve(0));  // what coroscope keeps for later tasks is there from now on
    hook_memory();
    leak_options options;
    memory_profiler memory(options.memory);
    memory.start();
    run(serve(5));
    const auto text = leak_text(memory.snapshot(), options);
    std::cout << std::regex_replace(text, std::regex(" [^ ]*/"), " ");  // files without folders
}
