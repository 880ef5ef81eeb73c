// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/assertion_error.hpp>

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/stream.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace coroscope::testkit {

namespace detail {
class scripted_channel;
}

/// A stream whose other side follows a script.
///
///     mock_stream server("server");
///     server.expects_write("GET /\r\n").waits(2s).gives("200\r\n").ends();
///     client c(server.open());
///     co_await c.get("/");
///
/// The script is what the other side does, one step after the other: it takes what was written,
/// sends, sleeps, closes. How the code under test divides its writes does not matter. What it
/// writes while the other side sleeps waits for the step that expects it. A step that expects
/// something waits for ever: what then happens is up to the code under test, and its timeouts.
///
/// The test fails, with the stream's name, the step and its line, where something else is written,
/// more is written than expected, something is read when the script is at its end (let it end with
/// `ends` or `is_silent`), and where steps or sent bytes are left when the script is destroyed,
/// unless by an exception. The code under test then gets `connection_aborted`. In a test that is
/// stuck, the report of the deadlock says at which step.
///
/// **Thread safety**: the loop's thread. **Lifetime**: its stream may live longer.
class mock_stream {
public:
    /// On the loop that runs on this thread; throws `std::logic_error` if there is none.
    explicit mock_stream(std::string name = "mock stream");
    mock_stream(const mock_stream&) = delete;
    mock_stream& operator=(const mock_stream&) = delete;
    ~mock_stream();

    // --- The script

    mock_stream& expects_write(std::string bytes, await_site where = await_site::current());
    /// `write_eof`, or `close`.
    mock_stream& expects_eof(await_site where = await_site::current());
    mock_stream& expects_close(await_site where = await_site::current());
    /// Sends the bytes.
    mock_stream& gives(std::string bytes, await_site where = await_site::current());
    /// Sends them so that no read gets bytes of two pieces. The last size is repeated as often as
    /// needed; throws `std::invalid_argument` for a size of 0, or none.
    mock_stream& gives_in_pieces(std::string bytes, std::vector<std::size_t> sizes,
                                 await_site where = await_site::current());
    /// In pieces of random sizes, which the test's seed decides.
    mock_stream& gives_in_pieces(std::string bytes, await_site where = await_site::current());
    /// Goes on after this time, in the loop's time.
    mock_stream& waits(duration length, await_site where = await_site::current());
    /// Does nothing more; reads wait for ever.
    mock_stream& is_silent(await_site where = await_site::current());
    /// The connection breaks: reads fail when they have got what was sent before, writes at once.
    mock_stream& fails(boost::system::error_code error, await_site where = await_site::current());
    /// Sends nothing more: what reads get then is the end of the stream. Writing goes on.
    mock_stream& ends(await_site where = await_site::current());

    /// Whatever the script says: the connection breaks in the `n`-th operation, the first being
    /// number 1. An operation is a read that gets something, or a write.
    mock_stream& fails_in_operation(std::size_t n, boost::system::error_code error);

    // --- The test

    /// The end for the code under test; throws `invalid_state_error` the second time.
    [[nodiscard]] stream open(stream_options options = {});
    /// Throws `assertion_error` if the script has not come to its end, or not all that was sent was
    /// read.
    void assert_finished(await_site where = await_site::current()) const;
    /// Everything that was written so far.
    [[nodiscard]] const std::string& written() const noexcept;

private:
    std::shared_ptr<detail::scripted_channel> channel_;
    int exceptions_;  ///< in flight when it was made
};

}  // namespace coroscope::testkit
