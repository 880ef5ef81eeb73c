// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "request_reader.hpp"

#include <coroscope/runtime/tls.hpp>

#include <optional>
#include <string>

namespace https_server {

using response = http::response<http::string_body>;

/// The page that is asked for; 404 where there is none, 405 for methods other than GET and HEAD.
[[nodiscard]] response answer(const request& r, const std::optional<coroscope::tls_facts>& facts);

/// A refusal, after which the connection is closed.
[[nodiscard]] response refuse(http::status status);

/// As it is sent: without the body in answer to HEAD, but with its length.
[[nodiscard]] std::string to_bytes(response r, http::verb in_answer_to);

}  // namespace https_server
