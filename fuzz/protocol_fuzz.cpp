// SPDX-License-Identifier: Apache-2.0
// Bytes from a stranger, cut into pieces in two ways: the session survives both, and answers both
// alike.

#include <coroscope/profiler_server/protocol/session.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

namespace protocol = coroscope::profiler_server::protocol;

const protocol::command_table& commands() {
    static const auto filled = [] {
        protocol::command_table table;
        table.add("echo", [](const nlohmann::json& arguments) {
            return protocol::answer{arguments, protocol::count_argument(arguments, "limit", 1, 9)};
        });
        table.add("tasks", [](const nlohmann::json&) {
            return protocol::answer{nlohmann::json::array(), 0};
        });
        table.add_long("cpu_profile", [](const nlohmann::json& arguments, const std::stop_token&) {
            const auto seconds = protocol::count_argument(arguments, "seconds", 10, 300);
            const auto by = protocol::text_argument(arguments, "by").value_or("lineno");
            const auto parts = protocol::texts_argument(arguments, "include");
            return protocol::answer{{{"by", by}, {"parts", parts ? parts->size() : 0}}, seconds};
        });
        return table;
    }();
    return filled;
}

// All that the session says to a stream that arrives in pieces; what it says can be read.
std::string conversation(std::string_view stream, std::size_t piece) {
    protocol::session_options options;
    options.limits = {256, 8};
    const protocol::session::time_point start{std::chrono::hours(1)};
    protocol::session session(commands(), options, start);
    std::string said;
    while (!stream.empty()) {
        auto output = session.on_bytes(stream.substr(0, piece), start);
        stream.remove_prefix(std::min(piece, stream.size()));
        while (output.question || !output.bytes.empty()) {
            if (output.question) {
                output.bytes = protocol::encode_reply(commands().execute(*output.question));
            }
            (void)protocol::decode_reply(output.bytes);
            said += output.bytes;
            if (output.close) { return said; }
            output = session.on_written(start);
        }
        if (session.deadline() < start) { std::abort(); }
    }
    return said + session.on_end_of_input().bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) { return 0; }
    const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t piece = std::size_t{data[0]} % 32 + 1;
    if (conversation(stream, piece) != conversation(stream, std::max<std::size_t>(size, 1))) {
        std::abort();
    }
    return 0;
}
