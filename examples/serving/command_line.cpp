// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <coroscope/report/duration_text.hpp>

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>

namespace serving {

void add_duration(CLI::App& app, const std::string& name, const std::string& description,
                  std::chrono::nanoseconds& value) {
    const auto read = [name, &value](const std::string& text) {
        const auto duration = coroscope::report::parse_duration(text);
        if (!duration) {
            throw CLI::ValidationError(name,
                                       "'" + text + "' is not a duration; write 5ms, 1.5s or 2m");
        }
        value = *duration;
    };
    app.add_option_function<std::string>(name, read, description)
        ->type_name("DURATION")
        ->default_str(coroscope::report::format_duration(value));
}

std::optional<int> parse(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        const bool asked_for = e.get_exit_code() == 0;
        app.exit(e);
        return asked_for ? 0 : 2;
    }
    return std::nullopt;
}

int report_errors(const std::string& program, const std::function<void()>& rest) {
    try {
        rest();
    } catch (const std::exception& e) {
        std::cerr << program << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}

}  // namespace serving
