// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/command_table.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace coroscope::profiler_server::protocol {

void command_table::add(std::string name, handler run) {
    auto ignoring_stop = [run = std::move(run)](const nlohmann::json& arguments,
                                                const std::stop_token&) {
        return run(arguments);
    };
    add({std::move(name), std::move(ignoring_stop), false});
}

void command_table::add_long(std::string name, long_handler run) {
    add({std::move(name), std::move(run), true});
}

void command_table::add(entry added) {
    if (find(added.name) != nullptr) {
        throw std::logic_error("command '" + added.name
                               + "' is in the table; give it another name");
    }
    rows_.push_back(std::move(added));
}

const command_table::entry* command_table::find(std::string_view name) const {
    const auto found = std::find_if(rows_.begin(), rows_.end(),
                                    [name](const entry& each) { return each.name == name; });
    return found == rows_.end() ? nullptr : &*found;
}

std::vector<std::string> command_table::names() const {
    std::vector<std::string> names;
    for (const auto& row : rows_) {
        names.push_back(row.name);
    }
    return names;
}

bool command_table::is_long(std::string_view name) const {
    const auto* const row = find(name);
    return row != nullptr && row->is_long;
}

reply command_table::execute(const request& request, const std::stop_token& stop) const {
    reply reply;
    reply.id = request.id;
    const auto* const row = find(request.command);
    if (row == nullptr) {
        reply.error = {error_code::unknown_command,
                       "no command of this name; name one of the known ones", names()};
        return reply;
    }
    reply.command = request.command;
    try {
        auto answer = row->run(request.arguments, stop);
        reply.result = std::move(answer.result);
        reply.omitted = answer.omitted;
    } catch (const command_error& error) {
        reply.error = {error.code(), error.what(), {}};
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

std::optional<std::string> text_argument(const nlohmann::json& arguments, std::string_view name) {
    const auto found = arguments.find(name);
    if (found == arguments.end()) { return std::nullopt; }
    if (!found->is_string()) {
        throw bad_argument("arguments." + std::string(name) + " must be a string");
    }
    return found->get<std::string>();
}

std::optional<std::vector<std::string>> texts_argument(const nlohmann::json& arguments,
                                                       std::string_view name) {
    const auto found = arguments.find(name);
    if (found == arguments.end()) { return std::nullopt; }
    const bool all_texts = found->is_array()
                           && std::all_of(found->begin(), found->end(),
                                          [](const auto& each) { return each.is_string(); });
    if (!all_texts) {
        throw bad_argument("arguments." + std::string(name) + " must be an array of strings");
    }
    return found->get<std::vector<std::string>>();
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
