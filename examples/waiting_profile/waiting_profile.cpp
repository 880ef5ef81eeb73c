// SPDX-License-Identifier: Apache-2.0
// A request that waits for a reader, which waits for a mutex, whose holder sleeps: where each of
// them waits, and what the request's time went to. With --times the shares, which differ from run
// to run.
#include <coroscope/instrumentation/critical_path.hpp>
#include <coroscope/instrumentation/flight_recorder.hpp>
#include <coroscope/instrumentation/wait_profiler.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <set>
#include <string>
#include <string_view>

using coroscope::coro;
using namespace std::chrono_literals;

namespace store {

coro<> write(coroscope::mutex& rows, coroscope::event& is_writing) {
    const auto lock = co_await rows.scoped();
    is_writing.set();
    co_await coroscope::sleep_for(20ms);  // a slow disk, say
}

coro<> read(coroscope::mutex& rows) {
    const auto lock = co_await rows.scoped();
}

coro<> serve_request(coroscope::mutex& rows) {
    const auto reader = coroscope::get_running_loop().create_task(read(rows), "reader");
    co_await reader;
}

coro<> serve() {
    coroscope::mutex rows;
    coroscope::event is_writing;
    auto& loop = coroscope::get_running_loop();
    const auto writer = loop.create_task(write(rows, is_writing), "writer");
    co_await is_writing.wait();
    const auto request = loop.create_task(serve_request(rows), "request");
    co_await request;
    co_await writer;
}

}  // namespace store

namespace {

/// Which task waited for what, and where; `[yield]` and `[first step]` are turns only.
void print_waits(const coroscope::report::profile& profile) {
    std::set<std::string> lines;
    for (const auto& sample : profile.samples) {
        if (sample.task.empty() || sample.stack.size() < 2) { continue; }
        const auto& what = profile.frames[sample.stack[0]].function;
        if (what == "[first step]") { continue; }
        lines.insert("  " + sample.task + " " + what + " in "
                     + profile.frames[sample.stack[1]].function + ", "
                     + std::to_string(sample.values[0]) + " time(s)\n");
    }
    std::cout << "where tasks waited\n";
    for (const auto& line : lines) {
        std::cout << line;
    }
}

/// What nobody did by computing.
void print_path(const coroscope::instrumentation::critical_path& path) {
    using coroscope::instrumentation::path_state;
    std::cout << "what task " << path.name << " waited for in the end\n";
    for (const auto& piece : path.pieces) {
        if (piece.state != path_state::waiting) { continue; }
        std::cout << "  " << piece.name << " [" << to_string(piece.waits_for) << "] in "
                  << coroscope::function_name(piece.at) << '\n';
    }
}

void run(bool with_times) {
    coroscope::loop loop;
    coroscope::instrumentation::flight_recorder recorder;
    loop.add_observer(recorder);
    const coroscope::instrumentation::wait_profiler waits(loop);
    loop.run_until_complete(store::serve());
    const auto profile = waits.read();
    const auto path = coroscope::instrumentation::find_critical_path(recorder, "request");

    print_waits(profile);
    print_path(path.value());
    if (with_times) { std::cout << critical_path_text(*path); }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view option = argc > 1 ? argv[1] : "";
    if (argc > 2 || (!option.empty() && option != "--times")) {
        std::cout << "usage: waiting_profile [--times]\n";
        return option == "--help" ? 0 : 2;
    }
    try {
        run(!option.empty());
    } catch (const std::exception& e) {
        std::cerr << "waiting_profile: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
