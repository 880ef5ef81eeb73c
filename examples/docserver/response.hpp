// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "files.hpp"
#include "request.hpp"

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace docserver {

/// Where a response goes: a connection, or a string in tests.
class response_sink {
public:
    response_sink() = default;
    response_sink(const response_sink&) = delete;
    response_sink& operator=(const response_sink&) = delete;
    virtual ~response_sink() = default;

    /// Never waits.
    virtual void write(std::string_view bytes) = 0;
    /// Lets others run, and waits while too much is unsent.
    [[nodiscard]] coroscope::coro<> drain(
        coroscope::await_site where = coroscope::await_site::current()) {
        return wait_until_drained(where);
    }

private:
    [[nodiscard]] virtual coroscope::coro<> wait_until_drained(coroscope::await_site where) = 0;
};

struct response_head {
    int status = 200;
    std::vector<std::pair<std::string_view, std::string>> fields;

    void add(std::string_view name, std::string value) {
        fields.emplace_back(name, std::move(value));
    }
};

/// What became of a request, for the access log.
struct outcome {
    int status = 0;
    std::uint64_t body_bytes = 0;
    bool keep_alive = false;
};

/// The status line and all fields, Date and Connection included, up to the empty line.
[[nodiscard]] std::string to_text(const response_head& head, bool keep_alive);

[[nodiscard]] std::string_view reason_of(int status);

/// Writes a complete response with this body; without it for HEAD.
outcome respond(const request& r, response_head head, std::string_view body, response_sink& out);

/// Writes a response that consists of its status, with a line of text as body. 400, 408, 413, 431,
/// 500, 503 and 505 end the connection.
outcome refuse(request r, int status, response_sink& out);

/// The page that lists a directory. `path` is its place below the root.
[[nodiscard]] std::string directory_page(std::string_view path,
                                         const std::vector<directory_entry>& entries);

[[nodiscard]] std::string html_escape(std::string_view text);

}  // namespace docserver
