// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/stall_watchdog.hpp>

#include "seconds_text.hpp"

#include <coroscope/report/source_position.hpp>

#include <string>

namespace coroscope::instrumentation {
namespace {

std::string place_in_function(const report::source_position& position) {
    auto text = to_string(position);
    if (!position.function.empty()) { text += " in " + position.function; }
    return text;
}

/// asyncio's sentence says what took how long; this has not ended.
std::string unfinished_summary(const report::slow_step& step) {
    auto text = summary(step);
    const std::string took = " took ";
    if (const auto at = text.rfind(took); at != std::string::npos) {
        text.replace(at, took.size(), " has taken ");
    }
    return text + " so far";
}

}  // namespace

std::string stack_text(const report::stack& stack) {
    std::string text;
    std::size_t number = 0;
    for (const auto& frame : stack.frames) {
        text += "    #" + std::to_string(number++) + " "
                + (frame.function.empty() ? "?" : frame.function);
        if (!frame.file.empty()) {
            text += " at " + frame.file + ":" + std::to_string(frame.line);
        } else if (!frame.module.empty()) {
            text += " in " + frame.module;
        }
        text += "\n";
    }
    if (stack.truncated) { text += "    (truncated: the stack goes on)\n"; }
    return text;
}

std::string stall_text(const stall& s) {
    const auto& step = s.step;
    auto text = unfinished_summary(step) + "\n";
    if (step.kind == report::step_kind::task) {
        text += "  runs since: "
                + (step.from.empty() ? "the coroutine's start" : place_in_function(step.from))
                + "\n";
    }
    if (!step.created_at.empty()) {
        text += "  created at: " + place_in_function(step.created_at) + "\n";
    }
    if (step.cause) { text += "  " + to_string(*step.cause) + "\n"; }
    text += "  threshold: " + seconds(step.threshold) + " seconds, lasted "
            + std::to_string(s.times_threshold) + " times that, loop "
            + std::to_string(step.loop_id) + "\n";
    if (s.suppressed > 0) {
        text += "  " + std::to_string(s.suppressed) + " suppressed: stalls before this one\n";
    }
    if (!step.stack_trouble.empty()) { text += "  no stack: " + step.stack_trouble + "\n"; }
    if (step.stack) { text += "  stack:\n" + stack_text(*step.stack); }
    return text;
}

}  // namespace coroscope::instrumentation
