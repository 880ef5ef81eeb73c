// SPDX-License-Identifier: Apache-2.0
// Writes every memory profile there is into a folder: see google_pprof_memory_test.py.
#include "hooked_memory.hpp"

#include <coroscope/instrumentation/leaks.hpp>
#include <coroscope/report/profile_export.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace hooked_memory;

namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20U;

void write(const std::string& file, const report::profile& profile, const char* value) {
    std::ofstream(file) << report::pprof_file(profile, *report::find_value(profile, value),
                                              "profiled_program");
}

coro<> keeping(std::vector<block>& kept, std::size_t size) {
    for (int i = 0; i < 4; ++i) {
        auto made = make_block(size);
        co_await yield_now();
        if (i % 2 == 0) { kept.push_back(std::move(made)); }
    }
}

/// Two tasks, twice: what is there after the first time, and what the second time adds.
void profile_tasks(const std::string& folder) {
    profiled p;
    std::vector<block> kept;
    loop l;
    const auto run_both = [&](std::size_t size) {
        auto one = l.create_task(keeping(kept, size), "one");
        auto other = l.create_task(keeping(kept, 3 * size), "other");
        l.run_until_complete(one);
        l.run_until_complete(other);
    };
    run_both(mebibyte);
    const auto before = p.memory.snapshot();
    write(folder + "/heap.prof", before.to_profile(), "inuse_space");
    write(folder + "/allocated.prof", before.to_profile(), "alloc_space");
    write(folder + "/objects.prof", before.to_profile(), "inuse_objects");
    run_both(2 * mebibyte);
    write(folder + "/growth.prof", p.memory.snapshot().since(before).to_profile("growth"),
          "inuse_space");
}

coro<> losing() {
    co_await yield_now();
    use(make_block(5 * mebibyte).release());
}

coro<> all() {
    co_await get_running_loop().create_task(losing(), "loser");
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) { return 2; }
    const std::string folder = arguments[1];
    profile_tasks(folder);
    leak_options options;
    options.profile_file = folder + "/leaks.json";
    report_leaks_at_exit(options);
    run(all());
}
