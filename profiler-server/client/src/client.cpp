// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/client.hpp>

#include "timed_connection.hpp"

#include <coroscope/report/duration_text.hpp>
#include <coroscope/report/error.hpp>
#include <coroscope/report/json_view.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::profiler_server {

namespace {

protocol::request plain(const char* command) {
    protocol::request request;
    request.command = command;
    return request;
}

template <typename Value>
std::vector<Value> read_all(const report::json_view& json,
                            Value (*read)(const report::json_view&)) {
    std::vector<Value> values;
    for (const auto& element : json.elements()) {
        values.push_back(read(element));
    }
    return values;
}

// Reads a reply's result, and says whose it was where it cannot be read.
template <typename Read>
auto decoded(const protocol::reply& reply, const std::string& address, Read read) {
    try {
        return read(report::json_view(reply.result, "$.result"));
    } catch (const report::report_error& error) {
        throw client_error(client_failure::broken, "the answer of " + address + " to "
                                                       + reply.command
                                                       + " cannot be read: " + error.what());
    }
}

}  // namespace

client_error::client_error(client_failure failure, const std::string& message,
                           std::optional<protocol::protocol_error> reply_error)
    : std::runtime_error(message),
      failure_(failure),
      reply_error_(std::move(reply_error)) {}

profiler_client::profiler_client(std::string host, std::uint16_t port,
                                 const client_options& options)
    : host_(std::move(host)),
      port_(port),
      options_(options) {}

std::string profiler_client::address() const {
    return host_ + ":" + std::to_string(port_);
}

report::time_table profiler_client::time_stats() const {
    return decoded(ask(plain("time_stats")), address(), report::read_time_table);
}

report::task_list profiler_client::tasks(std::uint64_t limit, bool stacks) const {
    auto request = plain("tasks");
    request.arguments["limit"] = limit;
    if (stacks) { request.arguments["stacks"] = true; }
    const auto reply = ask(request);
    const auto read = [](const auto& json) {
        return read_all(json, report::read_task_snapshot);
    };
    return {decoded(reply, address(), read), reply.omitted};
}

std::vector<report::finding> profiler_client::findings() const {
    const auto read = [](const auto& json) {
        return read_all(json, report::read_finding);
    };
    return decoded(ask(plain("findings")), address(), read);
}

std::vector<report::slow_step> profiler_client::slow_steps() const {
    const auto read = [](const auto& json) {
        return read_all(json, report::read_slow_step);
    };
    return decoded(ask(plain("slow_steps")), address(), read);
}

std::vector<report::loop_stats> profiler_client::loop_stats() const {
    const auto read = [](const auto& json) {
        return read_all(json, report::read_loop_stats);
    };
    return decoded(ask(plain("loop_stats")), address(), read);
}

server_version profiler_client::version() const {
    return decoded(ask(plain("version")), address(), [](const report::json_view& json) {
        return server_version{json.at("program").text(), json.at("pid").count(),
                              json.at("coroscope").text(), json.at("protocol").count(),
                              json.at("report_schema").count()};
    });
}

memory_answer profiler_client::memory_stats(report::memory_key by,
                                            const report::memory_filter& filter,
                                            std::uint64_t limit) const {
    auto request = plain("memory_stats");
    request.arguments = {{"by", to_string(by)},
                         {"cumulative", filter.cumulative},
                         {"include", filter.include},
                         {"exclude", filter.exclude},
                         {"limit", limit}};
    const auto reply = ask(request);
    return {decoded(reply, address(), report::read_memory_table), reply.omitted};
}

profile_answer profiler_client::cpu_profile(std::chrono::seconds length,
                                            const cpu_profile_options& options) const {
    constexpr std::chrono::seconds longest = std::chrono::hours(1);  // no server takes so many
    auto request = plain("cpu_profile");
    request.arguments = {{"seconds", length.count()}, {"frequency", options.frequency}};
    return ask_profile(std::move(request), options.limit,
                       options_.timeout + std::min(length, longest));
}

profile_answer profiler_client::wait_profile(std::uint64_t limit) const {
    return ask_profile(plain("wait_profile"), limit, options_.timeout);
}

profile_answer profiler_client::memory_profile(std::uint64_t limit) const {
    return ask_profile(plain("memory_profile"), limit, options_.timeout);
}

profile_answer profiler_client::ask_profile(protocol::request request, std::uint64_t limit,
                                            std::chrono::milliseconds timeout) const {
    request.arguments["limit"] = limit;
    const auto reply = ask(request, timeout);
    return {decoded(reply, address(), report::read_profile), reply.omitted};
}

nlohmann::json profiler_client::request(const nlohmann::json& request) const {
    auto reply = nlohmann::json::parse(exchange(report::json_line(request), options_.timeout),
                                       nullptr, false);
    if (reply.is_discarded()) {
        throw client_error(client_failure::broken, "the answer of " + address()
                                                       + " is not JSON; check that a coroscope "
                                                         "endpoint listens there");
    }
    return reply;
}

protocol::reply profiler_client::ask(const protocol::request& request) const {
    return ask(request, options_.timeout);
}

protocol::reply profiler_client::ask(const protocol::request& request,
                                     std::chrono::milliseconds timeout) const {
    const auto text = exchange(encode_request(request), timeout);
    protocol::reply reply;
    try {
        reply = protocol::decode_reply(text);
    } catch (const report::report_error& error) {
        throw client_error(client_failure::broken,
                           "the answer of " + address() + " cannot be read: " + error.what());
    }
    if (reply.error) {
        std::string known;
        for (const auto& name : reply.error->known) {
            known += (known.empty() ? " (known: " : ", ") + name;
        }
        throw client_error(client_failure::refused,
                           address() + " refused " + request.command + ": " + reply.error->message
                               + known + (known.empty() ? "" : ")"),
                           reply.error);
    }
    return reply;
}

std::string profiler_client::exchange(const std::string& request,
                                      std::chrono::milliseconds timeout) const {
    timed_connection connection(timeout);
    switch (const auto outcome =
                connection.exchange(host_, port_, request, options_.max_reply_bytes);
            outcome.failed) {
    case timed_connection::step::none: return outcome.reply;
    case timed_connection::step::connect:
        throw client_error(client_failure::connect,
                               "cannot connect to " + address() + ": " + outcome.reason
                                   + "; start the program with a profiler server on this address "
                                     "(start_profiler_server), or name its --host and --port");
    case timed_connection::step::timeout: break;
    case timed_connection::step::transfer:
        throw client_error(client_failure::broken,
                           address() + " gave no whole answer: " + outcome.reason
                               + "; check that a coroscope endpoint listens there");
    }
    throw client_error(client_failure::timeout,
                       address() + " gave no answer within "
                           + report::format_duration(timeout)
                           + "; allow more with --timeout, or check that the program is not "
                             "stopped");
}

}  // namespace coroscope::profiler_server
