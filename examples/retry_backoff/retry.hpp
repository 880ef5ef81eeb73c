// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

/// Somebody to ask, who may be slow or down.
class service {
public:
    virtual ~service() = default;
    virtual coroscope::coro<std::string> ask() = 0;
};

/// Asks until there is an answer: five seconds a try, then twice as long a pause as before, up to
/// fifteen minutes.
inline coroscope::coro<std::string> ask_patiently(service& whom) {
    using namespace std::chrono_literals;
    coroscope::duration pause = 1s;
    for (;;) {
        try {
            co_return co_await coroscope::wait_for(whom.ask(), 5s);
        } catch (const std::runtime_error&) {  // down, or too slow: try again
        }
        co_await coroscope::sleep_for(pause);
        pause = std::min<coroscope::duration>(pause * 2, 15min);
    }
}
