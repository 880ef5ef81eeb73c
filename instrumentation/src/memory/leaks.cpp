// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/leaks.hpp>

#include "place_stacks.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <unistd.h>

namespace coroscope::instrumentation {
namespace {

struct alive_amounts {
    std::int64_t bytes = 0;
    std::int64_t blocks = 0;

    void add(const memory_amounts& amounts) noexcept {
        bytes += amounts.live_bytes();
        blocks += amounts.live_blocks();
    }
};

std::string to_text(const alive_amounts& amounts) {
    return std::to_string(amounts.bytes) + " bytes in " + std::to_string(amounts.blocks)
           + (amounts.blocks == 1 ? " block" : " blocks");
}

/// The heading and the stack below it.
std::string site_of(const memory_place& place, const memory_filter& filter,
                    detail::named_addresses& known) {
    std::string who = ", outside of tasks";
    if (place.loop_id != 0 || !place.task.empty()) {
        who = place.task.empty() ? ", a task without a name" : ", task " + place.task;
    }
    std::string stack;
    for (const auto& frame : detail::stack_of(place, known).frames) {
        if (!detail::counts(frame, filter)) { continue; }
        stack += "    at " + (frame.function.empty() ? "" : frame.function + ' ') + frame.file + ':'
                 + std::to_string(frame.line) + '\n';
    }
    return who + '\n' + (stack.empty() ? "    at ?\n" : stack);
}

/// By their text, the largest first, and what is coroscope's own.
struct alive_sites {
    std::vector<std::pair<std::string, alive_amounts>> listed;
    alive_amounts own;

    alive_sites(const memory_snapshot& alive, const memory_filter& filter) {
        std::map<std::string, alive_amounts> sums;
        detail::named_addresses known;
        for (const auto& place : alive.places) {
            auto& sum = detail::is_own(place, known) ? own : sums[site_of(place, filter, known)];
            sum.add(place.amounts);
        }
        listed.assign(sums.begin(), sums.end());
        std::sort(listed.begin(), listed.end(), [](const auto& a, const auto& b) {
            return a.second.bytes != b.second.bytes ? a.second.bytes > b.second.bytes
                                                    : a.first < b.first;
        });
    }

    [[nodiscard]] std::string text(std::size_t most) const {
        std::string made;
        alive_amounts rest;
        for (std::size_t i = 0; i < listed.size(); ++i) {
            const auto& [where, amounts] = listed[i];
            if (i < most) {
                made += "  " + to_text(amounts) + where;
            } else {
                rest.bytes += amounts.bytes;
                rest.blocks += amounts.blocks;
            }
        }
        if (listed.size() > most) {
            made += "  " + to_text(rest) + ", " + std::to_string(listed.size() - most)
                    + " more sites\n";
        }
        if (own.blocks > 0) { made += "  " + to_text(own) + " are coroscope's own\n"; }
        return made;
    }
};

std::string text_of(const memory_snapshot& alive, const alive_sites& sites, std::size_t most) {
    alive_amounts all;
    all.add(alive.total());
    auto text = "alive, of what was allocated since the profiler was started: " + to_text(all)
                + '\n' + sites.text(most);
    if (alive.dropped > 0) {
        text +=
            "not counted, for want of room: " + std::to_string(alive.dropped) + " allocations\n";
    }
    if (alive.period > 0) { text += "the amounts are estimates from samples\n"; }
    if (!alive.note.empty()) { text += "counted: " + alive.note + '\n'; }
    return text;
}

/// What is to be done at the end, and the process that is to do it. Never destroyed.
struct pending_report {
    leak_options options;
    memory_profiler profiler;
    pid_t process;

    explicit pending_report(const leak_options& wanted)
        : options(wanted),
          profiler(wanted.memory),
          process(::getpid()) {}
};

constinit std::atomic<pending_report*> pending{nullptr};

void write_profile(const memory_snapshot& alive, const std::string& file) {
    auto* const stream = std::fopen(file.c_str(), "w");
    const auto text = to_json(alive.to_profile()).dump() + '\n';
    const bool is_written =
        stream != nullptr && std::fwrite(text.data(), 1, text.size(), stream) == text.size();
    if (stream == nullptr || std::fclose(stream) != 0 || !is_written) {
        const auto trouble = "coroscope: the leak profile could not be written to " + file + '\n';
        std::fputs(trouble.c_str(), stderr);
    }
}

/// Called with what the linker calls last of a program's own: statics are gone by then.
[[gnu::destructor]] void write_pending() {
    const auto* const report = pending.load();
    if (report == nullptr || report->process != ::getpid()) { return; }
    const detail::unwatched_memory mine;
    const auto alive = report->profiler.snapshot().alive();
    const alive_sites sites(alive, report->options.filter);
    if (sites.listed.empty() && alive.dropped == 0) { return; }
    std::fputs(text_of(alive, sites, report->options.most_sites).c_str(), stderr);
    if (!report->options.profile_file.empty()) {
        write_profile(alive, report->options.profile_file);
    }
}

}  // namespace

std::string leak_text(const memory_snapshot& at_end, const leak_options& options) {
    const detail::unwatched_memory mine;
    const auto alive = at_end.alive();
    return text_of(alive, alive_sites(alive, options.filter), options.most_sites);
}

void report_leaks_at_exit(const leak_options& options) {
    const detail::unwatched_memory mine;
    auto report = std::make_unique<pending_report>(options);
    report->profiler.start();
    pending = report.release();
}

}  // namespace coroscope::instrumentation
