// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace coroscope::report {

/// Text that should have been a report, or a part of one, and is not.
///
/// The message reads `FILE: PLACE: PROBLEM; NEXT STEP`. The file is absent where the text did not
/// come from a file, the place is a JSON path (`$.slow_steps[3].wall_ns`) or a byte offset.
class report_error : public std::runtime_error {
public:
    report_error(std::string place, std::string problem, std::string next_step);

    /// The same error, saying which file it was found in.
    [[nodiscard]] report_error in_file(const std::string& file) const;

    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    [[nodiscard]] const std::string& place() const noexcept { return place_; }
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    [[nodiscard]] const std::string& next_step() const noexcept { return next_step_; }

private:
    report_error(std::string file, std::string place, std::string problem, std::string next_step);

    std::string file_;
    std::string place_;
    std::string problem_;
    std::string next_step_;
};

}  // namespace coroscope::report
