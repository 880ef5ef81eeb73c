// SPDX-License-Identifier: Apache-2.0
#include "receive.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>

namespace serving {

coroscope::coro<arrival> receive(coroscope::stream& connection, std::string& input,
                                 coroscope::duration timeout) {
    constexpr std::size_t most = std::size_t{16} * 1024;
    try {
        const auto bytes = co_await coroscope::wait_for(connection.read(most), timeout);
        if (bytes.empty()) { co_return arrival::end; }
        input += bytes;
    } catch (const coroscope::timeout_error&) { co_return arrival::timeout; }
    co_return arrival::bytes;
}

}  // namespace serving
