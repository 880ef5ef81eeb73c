// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/spawn.hpp>

#include <coroscope/runtime/error.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace coroscope::detail {

std::exception_ptr as_asio_exception(const std::exception_ptr& thrown) noexcept {
    if (!is_cancellation(thrown)) { return thrown; }
    return std::make_exception_ptr(
        boost::system::system_error(boost::asio::error::operation_aborted, "coroscope::spawn"));
}

std::exception_ptr closed_loop_exception() {
    return std::make_exception_ptr(
        broken_loop_error("coroscope::spawn: the loop is closed; the coroutine did not run"));
}

}  // namespace coroscope::detail
