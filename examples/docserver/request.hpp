// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace docserver {

/// What a request says, as far as this server cares.
struct request {
    std::string method = "GET";
    std::string target = "/";
    unsigned version = 11;  ///< 10 or 11
    bool keep_alive = true;
    bool has_host = true;  ///< exactly one Host field
    std::string accept_encoding;
    std::string if_none_match;
    std::string if_modified_since;
    std::string range;
    std::string if_range;
    std::string referer;
    std::string user_agent;

    [[nodiscard]] bool is_head() const noexcept { return method == "HEAD"; }
};

struct request_limits {
    std::size_t header = std::size_t{16} * 1024;
    std::size_t body = std::size_t{64} * 1024;
};

/// Turns bytes into one request, with no input of its own: Beast's parser, fed by hand.
class request_parser {
public:
    explicit request_parser(const request_limits& limits = {});
    request_parser(const request_parser&) = delete;
    request_parser& operator=(const request_parser&) = delete;
    ~request_parser();

    /// Takes what it can use off the front of `bytes`. What belongs to the next request stays, and
    /// so does a head that is not complete: add to it and call again.
    void put(std::string& bytes);

    [[nodiscard]] bool is_complete() const;
    /// The status to refuse it with; 0 while nothing is wrong.
    [[nodiscard]] int refused() const noexcept { return refused_; }
    /// What was understood; all of it once it is complete.
    [[nodiscard]] request take() const;

private:
    struct parser;
    std::unique_ptr<parser> parser_;
    int refused_ = 0;
};

}  // namespace docserver
