// SPDX-License-Identifier: Apache-2.0
#include "place_stacks.hpp"

#include "thread_capture.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

const std::vector<report::stack_frame>& frames_of(void* call, named_addresses& known) {
    auto found = known.find(call);
    if (found == known.end()) {
        auto named = name_return_addresses(std::span<void* const>(&call, 1));
        found = known.emplace(call, std::move(named.frames)).first;
    }
    return found->second;
}

bool has_any(const std::string& file, const std::vector<std::string>& parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const auto& part) { return file.find(part) != std::string::npos; });
}

bool begins_with(std::string_view text, std::string_view begin) {
    return text.substr(0, begin.size()) == begin;
}

bool is_library(const report::stack_frame& frame) {
    const std::string_view function = frame.function;
    return begins_with(function, "std::") || begins_with(function, "__gnu_cxx::")
           || begins_with(function, "operator new") || begins_with(frame.file, "/usr/");
}

bool is_ours(const report::stack_frame& frame) {
    return begins_with(frame.function, "coroscope::");
}

/// Where a loop, or a coroutine's end, goes on with a coroutine.
bool resumes(const report::stack_frame& frame) {
    return begins_with(frame.function, "std::")
           && frame.function.find("coroutine_handle<") != std::string::npos;
}

/// Without parameters, and with g++'s word for a namespace without a name.
std::string name_of(std::string function) {
    constexpr std::string_view other_word = "(anonymous namespace)";
    for (auto at = function.find(other_word); at != std::string::npos;
         at = function.find(other_word, at)) {
        function.replace(at, other_word.size(), "{anonymous}");
    }
    function.resize(std::min(function.size(), function.find('(')));
    return function;
}

/// The calls, of a task those down to the coroutine that ran: behind it is the loop.
std::vector<report::stack_frame> calls_of(const memory_place& place, named_addresses& known) {
    std::vector<report::stack_frame> made;
    bool has_users = false;
    for (void* call : place.calls) {
        for (const auto& frame : frames_of(call, known)) {
            if (place.loop_id != 0 && (resumes(frame) || (has_users && is_ours(frame)))) {
                return made;
            }
            has_users = has_users || (!is_library(frame) && !is_ours(frame));
            made.push_back(frame);
        }
    }
    return made;
}

bool has_line_in(const std::vector<report::stack_frame>& frames, const std::string& function) {
    const auto name = name_of(function);
    return std::any_of(frames.begin(), frames.end(), [&](const auto& frame) {
        return frame.line != 0 && !is_library(frame) && name_of(frame.function) == name;
    });
}

}  // namespace

report::stack stack_of(const memory_place& place, named_addresses& known) {
    report::stack made;
    made.frames = calls_of(place, known);
    for (std::size_t i = 0; i < place.awaits.size(); ++i) {
        const auto position = position_of(place.awaits[i]);
        // The coroutine that runs awaits nothing: the line of the call is the better one.
        if (i == 0 && has_line_in(made.frames, position.function)) { continue; }
        report::stack_frame frame;
        frame.function = position.function;
        frame.file = position.file;
        frame.line = position.line;
        made.frames.push_back(std::move(frame));
    }
    return made;
}

bool counts(const report::stack_frame& frame, const memory_filter& filter) {
    return !frame.file.empty() && !has_any(frame.file, filter.exclude)
           && (filter.include.empty() || has_any(frame.file, filter.include));
}

bool is_own(const memory_place& place, named_addresses& known) {
    const auto frames = calls_of(place, known);
    const auto first = std::find_if_not(frames.begin(), frames.end(), is_library);
    return first != frames.end() && is_ours(*first);
}

}  // namespace coroscope::instrumentation::detail
