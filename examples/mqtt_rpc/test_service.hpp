// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus.hpp"
#include "method.hpp"
#include "service.hpp"

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <ostream>
#include <string>

namespace mqtt_rpc {

inline constexpr const char* test_service_name = "TestService";
inline constexpr const char* test_function_name = "remote_function";

/// Says on `out` that it was called, and gives back one of its arguments.
[[nodiscard]] inline coroscope::coro<double> remote_function(std::ostream& out, std::int64_t,
                                                             double f, std::string) {
    out << "It worked\n" << std::flush;
    co_return f;
}

inline void add_test_function(service& to, std::ostream& out) {
    using function = std::function<coroscope::coro<double>(std::int64_t, double, std::string)>;
    function bound = [&out](std::int64_t i, double f, std::string s) {
        return remote_function(out, i, f, std::move(s));
    };
    to.add(test_function_name, method({"i", "f", "s"}, std::move(bound)));
}

}  // namespace mqtt_rpc
