// SPDX-License-Identifier: Apache-2.0
#include "open_transports.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace coroscope::detail {

void open_transports::clear() noexcept {
    const auto all = std::exchange(open_, {});
    for (const auto& [place, t] : all) {
        t->leave_loop();
    }
}

void forget_transports(boost::asio::io_context& io) noexcept {
    if (boost::asio::has_service<open_transports>(io)) {
        boost::asio::use_service<open_transports>(io).clear();
    }
}

void report_protocol(loop& in, const char* message, std::exception_ptr thrown,
                     std::shared_ptr<base_protocol> protocol,
                     std::shared_ptr<base_transport> transport) noexcept {
    exception_context context;
    context.message = message;
    context.exception = std::move(thrown);
    context.protocol = std::move(protocol);
    context.transport = std::move(transport);
    in.call_exception_handler(context);
}

void report_left_open(loop& in, std::shared_ptr<base_transport> transport) noexcept {
    if (!in.debug()) { return; }
    exception_context context;
    context.message = "a transport was still open when its loop was closed; close it first";
    context.transport = std::move(transport);
    in.call_exception_handler(context);
}

write_buffer_limits limits_from(std::optional<std::size_t> high, std::optional<std::size_t> low) {
    constexpr auto usual = std::size_t{64} * 1024;
    write_buffer_limits limits;
    limits.high = high.value_or(low.has_value() ? *low * 4 : usual);
    limits.low = low.value_or(limits.high / 4);
    if (limits.low > limits.high) {
        throw std::invalid_argument("set_write_buffer_limits: low is " + std::to_string(limits.low)
                                    + ", above high, which is " + std::to_string(limits.high));
    }
    return limits;
}

}  // namespace coroscope::detail
