// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <compare>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <string>

namespace mqtt_rpc {

using json = nlohmann::json;

/// A kind of request: where it is published, and what to think of if no reply comes.
struct request_kind {
    const char* topic;
    const char* if_silent;

    /// Where the replies are published.
    [[nodiscard]] std::string response() const { return std::string(topic) + "/response"; }
};
inline constexpr request_kind register_request{"register_remote_method",
                                               "is the registrar running?"};
inline constexpr request_kind get_request{
    "get_remote_method", "are the registrar and a service that has this method running?"};
inline constexpr request_kind call_request{"call_remote_method", "is the service still running?"};

/// What a request and its reply have in common.
struct call_id {
    std::string uuid;
    std::string service;
    std::string function;

    /// `SERVICE.FUNCTION`
    [[nodiscard]] std::string method() const { return service + '.' + function; }
    friend auto operator<=>(const call_id&, const call_id&) = default;
};
/// With a uuid that nobody has had before.
[[nodiscard]] call_id new_call_id(std::string service, std::string function);

// What payloads say. Each is a JSON object with `uuid`, `service`, `function`, and:

/// `signature`, for people: `(i: int) -> float`.
struct registration {
    call_id id;
    std::string signature;
};
/// Nothing else.
struct question {
    call_id id;
};
/// `args`, a list, and `kwargs`, an object.
struct invocation {
    call_id id;
    json args;
    json kwargs;
};
/// `result`, or else `error`, a text.
struct reply {
    call_id id;
    json result;
    std::optional<std::string> error;
};

[[nodiscard]] std::string to_text(const registration& what);
[[nodiscard]] std::string to_text(const question& what);
[[nodiscard]] std::string to_text(const invocation& what);
[[nodiscard]] std::string to_text(const reply& what);

/// A payload that is none of ours; `what()` says why, and repeats nothing of it.
class bad_payload : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// These throw `bad_payload`.
[[nodiscard]] registration read_registration(const std::string& payload);
[[nodiscard]] question read_question(const std::string& payload);
[[nodiscard]] invocation read_invocation(const std::string& payload);
[[nodiscard]] reply read_reply(const std::string& payload);

void log_bad_payload(std::ostream& log, const std::string& topic, const bad_payload& why);

}  // namespace mqtt_rpc
