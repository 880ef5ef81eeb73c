// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "json_output.hpp"
#include "text_table.hpp"

#include <coroscope/profiler_server/inspector.hpp>

#include <coroscope/report/duration_text.hpp>

#include <ostream>
#include <string>
#include <vector>

namespace coroscope::profiler_server::cli {

namespace {

using report::format_duration;

constexpr std::size_t widest_task_name = 32;
constexpr std::size_t widest_wait = 64;
constexpr std::size_t widest_position = 48;

std::string position_text(const report::source_position& position) {
    return position.empty() ? "-" : to_string(position);
}

std::string waits_on(const report::task_snapshot& task) {
    if (task.wait_kind.empty()) { return "-"; }
    std::string text = task.wait_kind;
    if (task.wait_object.starts_with(text + " ")) {
        text = task.wait_object;
    } else if (!task.wait_object.empty()) {
        text += " " + task.wait_object;
    }
    if (!task.wait_owner.empty()) { text += ", held by " + task.wait_owner; }
    if (const auto due = task.due_in()) { text += ", due in " + format_duration(*due); }
    return text;
}

std::vector<std::string> row_of(const report::task_snapshot& task) {
    return {std::to_string(task.id),
            task.name,
            std::string(to_string(task.state)),
            waits_on(task),
            task.waiting_for ? format_duration(*task.waiting_for) : "-",
            std::to_string(task.steps),
            format_duration(task.busy),
            position_text(task.await_site),
            position_text(task.created_at)};
}

void print_table(std::ostream& out, const std::vector<report::task_snapshot>& tasks) {
    text_table table({{"ID", alignment::right},
                      {"NAME", alignment::left, widest_task_name},
                      {"STATE"},
                      {"WAITS ON", alignment::left, widest_wait},
                      {"FOR", alignment::right},
                      {"STEPS", alignment::right},
                      {"BUSY", alignment::right},
                      {"AT", alignment::left, widest_position},
                      {"CREATED AT", alignment::left, widest_position}});
    for (const auto& task : tasks) {
        table.add(row_of(task));
    }
    table.print(out);
}

void print_line(std::ostream& out, const char* indent, const std::string& file, std::uint32_t line,
                const std::string& function) {
    out << indent;
    if (file.empty()) {
        out << "(unknown)";
    } else {
        out << printable(file) << ':' << line;
    }
    if (!function.empty()) { out << " in " << printable(function); }
    out << '\n';
}

std::string title_of(const report::task_snapshot& task) {
    auto title = "task " + std::to_string(task.id) + " (" + task.name + "), "
                 + std::string(to_string(task.state));
    if (!task.wait_kind.empty()) { title += ": " + waits_on(task); }
    if (task.waiting_for) { title += ", for " + format_duration(*task.waiting_for); }
    return title;
}

// As `print_async_stack` writes it, with where the task came from.
void print_stack(std::ostream& out, const report::task_snapshot& task) {
    out << printable(title_of(task)) << '\n';
    if (!task.async_stack) {
        print_line(out, "  ", task.await_site.file, task.await_site.line, task.await_site.function);
    } else {
        for (const auto& frame : task.async_stack->frames) {
            print_line(out, "  ", frame.file, frame.line, frame.function);
        }
        if (task.async_stack->truncated) { out << "  (more frames could not be read)\n"; }
    }
    if (task.created_at.empty()) { return; }
    out << "created at\n";
    if (task.origin.empty()) {
        print_line(out, "  ", task.created_at.file, task.created_at.line, task.created_at.function);
    }
    for (const auto& position : task.origin) {
        print_line(out, "  ", position.file, position.line, position.function);
    }
}

int print_tasks(const report::task_list& list, const ps_options& options, const surroundings& io) {
    if (options.json) {
        print_json(io.out, array_of(list.tasks));
    } else if (list.tasks.empty()) {
        io.out << "no tasks are alive\n";
    } else if (options.stacks) {
        for (std::size_t i = 0; i < list.tasks.size(); ++i) {
            if (i > 0) { io.out << '\n'; }
            print_stack(io.out, list.tasks[i]);
        }
    } else {
        print_table(io.out, list.tasks);
    }
    if (list.omitted > 0) {
        io.err << "coroscope: " << list.omitted << " more tasks; see them with a higher --limit\n";
    }
    return success;
}

int print_inspection(const inspection& found, const ps_options& options, const surroundings& io) {
    for (const auto& note : found.notes) {
        io.err << "coroscope: " << printable(note) << '\n';
    }
    return print_tasks(found.list, options, io);
}

}  // namespace

int run_ps(const profiler_client& client, const ps_options& options, const surroundings& io) {
    return print_tasks(client.tasks(options.limit, options.stacks), options, io);
}

int run_ps_of_process(std::uint64_t pid, const ps_options& options, const surroundings& io) {
    return print_inspection(inspect_process(pid, {options.limit, options.stacks}), options, io);
}

int run_ps_of_core(const std::string& core, const std::string& executable,
                   const ps_options& options, const surroundings& io) {
    return print_inspection(inspect_core(core, executable, {options.limit, options.stacks}),
                            options, io);
}

}  // namespace coroscope::profiler_server::cli
