// SPDX-License-Identifier: Apache-2.0
#include "profile_commands.hpp"

#include <map>
#include <string>

namespace coroscope::profiler_server::cli {

namespace {

const std::map<std::string, export_format>& formats() {
    static const std::map<std::string, export_format> all{{"pprof", export_format::pprof},
                                                          {"collapsed", export_format::collapsed},
                                                          {"speedscope", export_format::speedscope},
                                                          {"html", export_format::html},
                                                          {"json", export_format::json}};
    return all;
}

CLI::Option* add_output(CLI::App& command, profile_output& output) {
    auto* to = command.add_option("--to", output.to, "pprof, collapsed, speedscope, html or json")
                   ->transform(CLI::Transformer(formats()))
                   ->type_name("FORMAT");
    command.add_option("--value", output.value, "which of its values; the last unless told")
        ->type_name("NAME");
    command.add_option("-o,--output", output.file, "instead of standard output")->type_name("FILE");
    return to;
}

}  // namespace

profile_commands::profile_commands(CLI::App& app, connection_options& connection)
    : connection_(connection) {
    add_memory(app);
    auto* cpu = add_profile(app, "cpu-profile", "Where CPU time goes: samples for some seconds",
                            run_cpu_profile);
    add_count(*cpu, "--seconds", "how long to sample, 1 to 300; 10 unless told", profile_.seconds);
    add_count(*cpu, "--frequency", "samples in a second of CPU time; 250 unless told",
              profile_.frequency);
    add_profile(app, "wait-profile", "Where tasks have waited so far, and for how long",
                run_wait_profile);
    add_profile(app, "memory-profile", "Who has allocated memory so far, and keeps it",
                run_memory_profile);
    add_convert(app);
}

void profile_commands::add_memory(CLI::App& app) {
    auto* command = app.add_subcommand("memory", "Profiled functions: what they allocate and keep");
    memory_command_ = command;
    add_connection(*command, connection_, add_address(*command, connection_));
    const auto read_key = [this](const std::string& text) {
        const auto key = report::find_memory_key(text);
        if (!key) {
            throw CLI::ValidationError(
                "--by", "'" + text + "' is none of lineno, filename, traceback, task");
        }
        memory_.by = *key;
    };
    command
        ->add_option_function<std::string>(
            "--by", read_key, "lineno, filename, traceback or task; lineno unless told")
        ->type_name("KEY");
    command->add_flag("--cumulative", memory_.filter.cumulative,
                      "each frame of a stack counts, not only the innermost");
    command->add_option("--include", memory_.filter.include, "only files with this in their names")
        ->type_name("PART");
    command
        ->add_option("--exclude", exclude_,
                     "no files with this in their names; those of the system and of coroscope "
                     "unless told")
        ->type_name("PART");
    add_count(*command, "--limit", "rows of each call; 100 unless told", memory_.limit);
    command->add_flag("--json", memory_.json, "print JSON");
}

CLI::App* profile_commands::add_profile(CLI::App& app, const std::string& name,
                                        const std::string& description, runner act) {
    auto* command = app.add_subcommand(name, description);
    add_connection(*command, connection_, add_address(*command, connection_));
    add_output(*command, profile_.output);
    add_count(*command, "--limit", "the largest samples that come one by one; 10000 unless told",
              profile_.limit);
    profile_commands_.push_back({command, act});
    return command;
}

void profile_commands::add_convert(CLI::App& app) {
    auto* command = app.add_subcommand("convert", "A profile as a file for another viewer");
    convert_command_ = command;
    command->add_option("PROFILE", convert_.profile, "the profile, as JSON")->required();
    add_output(*command, convert_.output)->required();
}

std::optional<int> profile_commands::run(const surroundings& io) const {
    if (convert_command_->parsed()) { return run_convert(convert_, io); }
    if (memory_command_->parsed()) {
        auto options = memory_;
        options.filter.exclude = exclude_.value_or(options.filter.exclude);
        return run_memory(connection_.client(), options, io);
    }
    for (const auto& each : profile_commands_) {
        if (each.command->parsed()) { return each.run(connection_.client(), profile_, io); }
    }
    return std::nullopt;
}

}  // namespace coroscope::profiler_server::cli
