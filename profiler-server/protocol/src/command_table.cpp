// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/command_table.hpp>

#include <algorithm>
#include <exception>

namespace coroscope::profiler_server::protocol {

void command_table::add(std::string name, handler run) {
    for (const auto& row : rows_) {
        if (row.first == name) {
            throw std::logic_error("command '" + name + "' is in the table; give it another name");
        }
    }
    rows_.emplace_back(std::move(name), std::move(run));
}

std::vector<std::string> command_table::names() const {
    std::vector<std::string> names;
    for (const auto& row : rows_) {
        names.push_back(row.first);
    }
    return names;
}

reply command_table::execute(const request& request) const {
    reply reply;
    reply.id = request.id;
    const auto row = std::find_if(rows_.begin(), rows_.end(), [&](const auto& candidate) {
        return candidate.first == request.command;
    });
    if (row == rows_.end()) {
        reply.error = {error_code::unknown_command,
                       "no command of this name; name one of the known ones", names()};
        return reply;
    }
    reply.command = request.command;
    try {
        auto answer = row->second(request.arguments);
        reply.result = std::move(answer.result);
        reply.omitted = answer.omitted;
    } catch (const bad_argument& error) {
        reply.error = {error_code::bad_argument, error.what(), {}};
    } catch (const std::exception& error) {
        reply.error = {error_code::internal,
                       std::string("the program could not answer: ") + error.what()
                           + "; ask again, and report it if it stays so",
                       {}};
    } catch (...) {
        reply.error = {error_code::internal,
                       "the program could not answer; ask again, and report it if it stays so",
                       {}};
    }
    return reply;
}

std::uint64_t count_argument(const nlohmann::json& arguments, std::string_view name,
                             std::uint64_t otherwise, std::uint64_t most) {
    const auto found = arguments.find(name);
    if (found == arguments.end()) { return otherwise; }
    const bool whole = found->is_number_unsigned()
                       || (found->is_number_integer() && found->get<std::int64_t>() > 0);
    if (!whole || found->get<std::uint64_t>() < 1 || found->get<std::uint64_t>() > most) {
        throw bad_argument("arguments." + std::string(name) + " must be a whole number from 1 to "
                           + std::to_string(most));
    }
    return found->get<std::uint64_t>();
}

bool flag_argument(const nlohmann::json& arguments, std::string_view name) {
    const auto found = arguments.find(name);
    if (found == arguments.end()) { return false; }
    if (!found->is_boolean()) {
        throw bad_argument("arguments." + std::string(name) + " must be true or false");
    }
    return found->get<bool>();
}

}  // namespace coroscope::profiler_server::protocol
