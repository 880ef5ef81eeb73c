// SPDX-License-Identifier: Apache-2.0
#include "benchmark.hpp"
#include "echo_load.hpp"
#include "measurement.hpp"
#include "pinning.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::benchmarks {
namespace {

constexpr std::array all{
    &yield_2,          &yield_1000,        &spawn_join,         &bytes_per_task,   &await_chain_10,
    &queue_pingpong,   &generator_next,    &mutex_handover,     &wait_for_in_time, &timers_1m,
    &timer_cancel_1m,  &post_cross_thread, &tcp_echo_50,        &tcp_echo_1000,    &tls_echo_50,
    &yield_2_deferred, &yield_2_concrete,  &spawn_join_concrete};

constexpr std::array comparisons{&step_cost_stats,
                                 &step_cost_recorder,
                                 &wait_profile,
                                 &loop_histograms,
                                 &yield_1000_everything_on,
                                 &spawn_cost_table,
                                 &origin_10,
                                 &origin_10_native,
                                 &snapshot_1m,
                                 &snapshot_disturbs,
                                 &alloc_exact,
                                 &alloc_sampled,
                                 &cpu_sampling_250,
                                 &cpu_sampling_1000,
                                 &profile_time_call,
                                 &profile_time_plain,
                                 &explore_executions,
                                 &virtual_year,
                                 &virtual_timers_1m,
                                 &race_unannotated_compute,
                                 &race_unannotated_await,
                                 &shared_access,
                                 &shared_access_site,
                                 &shared_bytes,
                                 &echo_annotated};

constexpr std::string_view usage =
    R"(usage: coroscope_benchmarks [--quick] [--rounds N] [--scale F] [--filter REGEX] [--output FILE]

Measures coroscope beside bare Boost.Asio and prints a table; less is better in both columns, and
a ratio greater than 1 says that ours is better.

  --quick         3 rounds and a quarter of the operations
  --rounds N      medians of N rounds (11)
  --scale F       multiplies the operations of each benchmark, at most 1, at least 1000 operations
  --filter REGEX  only the benchmarks in whose name REGEX is found
  --output FILE   writes the results as JSON
  --list          prints the names and ends
)";

struct options {
    effort how_much;
    std::regex filter{""};
    std::string output;
};

/// For the processes that `bytes_per_task` starts.
void print_memory(const std::string& of, std::size_t count) {
    const auto bytes = of == "asio" ? memory_of_asio_tasks(count)
                                    : memory_of_our_tasks(
                                        count, of == "bare" ? watching::bare : watching::observed);
    std::cout << bytes << std::endl;
    std::quick_exit(0);  // destroying the tasks is not what is measured
}

[[nodiscard]] bool matches(const std::regex& filter, std::string_view name) {
    return std::regex_search(name.begin(), name.end(), filter);
}

/// For the echo benchmarks of other languages: one client for all.
void print_echo_load(std::uint16_t port, std::size_t connections, std::size_t round_trips) {
    allow_open_files(connections + 100);
    echo_load load(port, connections, round_trips);
    std::cout << load.nanoseconds_per_round_trip() << std::endl;
}

void run(const options& chosen) {
    pin_measured_thread([] {
        constexpr std::size_t yields = 20'000;
        return yield_1000.ours(yields, watching::bare);
    });
    if (matches(chosen.filter, tcp_echo_1000.name)) { allow_open_files(2'200); }
    std::vector<result> rows;
    const auto add = [&rows](result row) {
        write_table_row(std::cout, row);
        rows.push_back(std::move(row));
    };
    write_table_head(std::cout);
    if (matches(chosen.filter, "rdtsc")) { add(measure_time_stamp(chosen.how_much)); }
    for (const auto* each : all) {
        if (!matches(chosen.filter, each->name)) { continue; }
        for (auto& row : measure(*each, chosen.how_much)) {
            add(std::move(row));
        }
    }
    for (const auto* each : comparisons) {
        if (matches(chosen.filter, each->name)) { add(measure(*each, chosen.how_much)); }
    }
    if (rows.empty()) { throw std::invalid_argument("no benchmark has such a name; see --list"); }
    if (!chosen.output.empty()) {
        std::ofstream file(chosen.output);
        write_json(file, rows);
        if (!file.flush()) { throw std::runtime_error("cannot write " + chosen.output); }
    }
}

void list() {
    std::cout << "rdtsc\n";
    for (const auto* each : all) {
        std::cout << each->name << '\n' << each->name << "_bare\n";
    }
    for (const auto* each : comparisons) {
        std::cout << each->name << '\n';
    }
}

/// False if there is nothing to measure.
[[nodiscard]] bool parse(const std::vector<std::string>& arguments, options& chosen) {
    std::size_t next = 0;
    const auto value = [&]() -> const std::string& {
        if (next == arguments.size()) {
            throw std::invalid_argument(arguments.back() + " needs a value; see --help");
        }
        return arguments[next++];
    };
    while (next < arguments.size()) {
        const auto& argument = arguments[next++];
        if (argument == "--help" || argument == "-h") {
            std::cout << usage;
            return false;
        }
        if (argument == "--list") {
            list();
            return false;
        }
        if (argument == "--memory-of") {
            const auto& of = value();
            print_memory(of, std::stoul(value()));
        } else if (argument == "--echo-load") {
            const auto port = static_cast<std::uint16_t>(std::stoul(value()));
            const auto connections = std::stoul(value());
            print_echo_load(port, connections, std::stoul(value()));
            return false;
        } else if (argument == "--quick") {
            chosen.how_much = {3, 0.25};
        } else if (argument == "--rounds") {
            chosen.how_much.rounds = std::max(1UL, std::stoul(value()));
        } else if (argument == "--scale") {
            chosen.how_much.scale = std::stod(value());
        } else if (argument == "--filter") {
            chosen.filter = std::regex(value());
        } else if (argument == "--output") {
            chosen.output = value();
        } else {
            throw std::invalid_argument("unknown option: " + argument + "; see --help");
        }
    }
    return true;
}

}  // namespace
}  // namespace coroscope::benchmarks

int main(int argc, char** argv) {
    try {
        coroscope::benchmarks::options chosen;
        if (coroscope::benchmarks::parse({argv + 1, argv + argc}, chosen)) {
            coroscope::benchmarks::run(chosen);
        }
    } catch (const std::invalid_argument& e) {
        std::cerr << "coroscope_benchmarks: " << e.what() << '\n';
        return 2;
    } catch (const std::exception& e) {
        std::cerr << "coroscope_benchmarks: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
