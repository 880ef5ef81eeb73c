// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/pipe.hpp>

#include <coroscope/runtime/loop.hpp>

#include "stream_state.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <memory>
#include <utility>

#include <sys/stat.h>

namespace coroscope {

namespace detail {
namespace {

using boost::system::error_code;

[[nodiscard]] error_code problem_with(int descriptor) {
    struct stat facts = {};
    if (::fstat(descriptor, &facts) != 0) { return {errno, boost::system::system_category()}; }
    if (S_ISFIFO(facts.st_mode) || S_ISSOCK(facts.st_mode) || S_ISCHR(facts.st_mode)) { return {}; }
    return boost::asio::error::operation_not_supported;  // always ready, says poll
}

}  // namespace

std::shared_ptr<stream_state> adopt_pipe(loop& in, file_descriptor end,
                                         byte_channel::direction goes,
                                         const stream_options& options) {
    stream_state::check(options);
    byte_channel::pipe_type pipe(in.io_context());
    auto error = problem_with(end.get());
    if (!error) { pipe.assign(end.get(), error); }
    if (error) {
        throw boost::system::system_error(
            error, "descriptor " + std::to_string(end.get()) + " cannot be used as a pipe");
    }
    static_cast<void>(end.release());
    return std::make_shared<stream_state>(in.core(), std::move(pipe), goes, options);
}

}  // namespace detail

stream open_read_pipe(file_descriptor end, stream_options options) {
    return stream(detail::adopt_pipe(get_running_loop(), std::move(end),
                                     detail::byte_channel::direction::in, options));
}

stream open_write_pipe(file_descriptor end, stream_options options) {
    return stream(detail::adopt_pipe(get_running_loop(), std::move(end),
                                     detail::byte_channel::direction::out, options));
}

}  // namespace coroscope
