// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/future.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace coroscope {

namespace detail {
class file_state;
}

/// How a file is opened, as in C: `read` "r", `write` "w" (made or emptied), `append` "a",
/// `update` "r+".
enum class file_mode { read, write, append, update };

/// From where `async_file::seek` counts.
enum class seek_from { begin, current, end };

/// A file whose operations block threads of the loop's default executor, and not the loop.
///
///     auto file = co_await coroscope::open_file("run.txt", coroscope::file_mode::write);
///     file.write("one\n");           // in the order of the calls, awaited or not
///     file.write("two\n");
///     co_await file.close();
///
/// An operation begins when it is called: they run one after another, in that order, also those
/// that nobody awaits (what they throw then goes to the exception handler). **Cancelling** a task
/// that awaits one takes it back if it has not begun; otherwise it goes on. **Errors**:
/// `boost::system::system_error` naming the path; `invalid_state_error` after `close`.
/// **Lifetime**: destroying the object closes the file after what was begun. **Thread safety**: the
/// loop's thread only.
class async_file {
public:
    /// For the library's own components.
    explicit async_file(std::shared_ptr<detail::file_state> state) noexcept;
    async_file(async_file&& other) noexcept;
    async_file& operator=(async_file&& other) noexcept;
    ~async_file();

    /// Up to `n` bytes, fewer only at the end of the file; empty there.
    future<std::string> read(std::size_t n, await_site where = await_site::current());
    /// A line with its `\n`; the rest without one at the end of the file, empty after that.
    future<std::string> read_line(await_site where = await_site::current());
    /// From the present position to the end.
    future<std::string> read_all(await_site where = await_site::current());
    /// All of the bytes.
    future<> write(std::string bytes, await_site where = await_site::current());
    /// Gives the new position from the beginning.
    future<std::uint64_t> seek(std::int64_t offset, seek_from from = seek_from::begin,
                               await_site where = await_site::current());
    /// Until the disk has what was written (`fsync`).
    future<> sync(await_site where = await_site::current());
    /// After what was called before. The second call does nothing.
    future<> close(await_site where = await_site::current());

    [[nodiscard]] const std::string& path() const noexcept;

private:
    [[nodiscard]] detail::file_state& state() const;
    std::shared_ptr<detail::file_state> state_;
};

/// Opens a file in the executor. Throws `boost::system::system_error` naming the path.
[[nodiscard]] coro<async_file> open_file(std::string path, file_mode mode = file_mode::read,
                                         await_site where = await_site::current());

/// A file for `with`: opened on the way in, closed on the way out, after all that was begun.
///
///     co_await coroscope::with(coroscope::async_open("a.txt"), copy, text);
class async_open {
public:
    explicit async_open(std::string path, file_mode mode = file_mode::read)
        : path_(std::move(path)),
          mode_(mode) {}
    [[nodiscard]] coro<async_file&> enter();
    [[nodiscard]] coro<> exit(std::exception_ptr error);

private:
    std::string path_;
    file_mode mode_;
    std::optional<async_file> file_;
};

/// The contents of a file, read in the executor.
[[nodiscard]] coro<std::string> read_file(std::string path,
                                          await_site where = await_site::current());

/// Makes or replaces the contents of a file. Not atomic: a reader may see a part.
[[nodiscard]] coro<> write_file(std::string path, std::string bytes,
                                await_site where = await_site::current());

}  // namespace coroscope
