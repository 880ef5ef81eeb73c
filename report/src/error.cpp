// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/error.hpp>

#include <utility>

namespace coroscope::report {

namespace {

std::string message_of(const std::string& file, const std::string& place,
                       const std::string& problem, const std::string& next_step) {
    std::string message;
    for (const auto* part : {&file, &place}) {
        if (!part->empty()) { message += *part + ": "; }
    }
    message += problem;
    if (!next_step.empty()) { message += "; " + next_step; }
    return message;
}

}  // namespace

report_error::report_error(std::string file, std::string place, std::string problem,
                           std::string next_step)
    : std::runtime_error(message_of(file, place, problem, next_step)),
      file_(std::move(file)),
      place_(std::move(place)),
      problem_(std::move(problem)),
      next_step_(std::move(next_step)) {}

report_error::report_error(std::string place, std::string problem, std::string next_step)
    : report_error({}, std::move(place), std::move(problem), std::move(next_step)) {}

report_error report_error::in_file(const std::string& file) const {
    return {file, place_, problem_, next_step_};
}

}  // namespace coroscope::report
