// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/async_file.hpp>

#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>

#include "sited.hpp"

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace coroscope {
namespace {

constexpr std::size_t block_size = std::size_t{64} * 1024;

[[noreturn]] void fail(const char* doing, const std::string& path) {
    throw boost::system::system_error(errno, boost::system::system_category(),
                                      std::string(doing) + " the file '" + path + "'");
}

[[nodiscard]] int flags_of(file_mode mode) noexcept {
    switch (mode) {
    case file_mode::read: return O_RDONLY;
    case file_mode::write: return O_WRONLY | O_CREAT | O_TRUNC;
    case file_mode::append: return O_WRONLY | O_CREAT | O_APPEND;
    case file_mode::update: return O_RDWR;
    }
    return O_RDONLY;
}

/// A file as a thread uses it. What was read ahead for lines is given back before anything that
/// depends on the position.
class blocking_file {
public:
    blocking_file(std::string path, file_mode mode) : path_(std::move(path)) {
        descriptor_ = file_descriptor(::open(path_.c_str(), flags_of(mode) | O_CLOEXEC, 0666));
        if (descriptor_.get() < 0) { fail("opening", path_); }
    }

    [[nodiscard]] std::string read(std::size_t n) {
        while (ahead_.size() < n && read_ahead(n - ahead_.size())) {}
        auto result = ahead_.substr(0, n);
        ahead_.erase(0, result.size());
        return result;
    }
    [[nodiscard]] std::string read_line() {
        std::size_t searched = 0;
        auto end = ahead_.find('\n');
        while (end == std::string::npos) {
            searched = ahead_.size();
            if (!read_ahead(block_size)) { return std::exchange(ahead_, {}); }
            end = ahead_.find('\n', searched);
        }
        auto line = ahead_.substr(0, end + 1);
        ahead_.erase(0, line.size());
        return line;
    }
    [[nodiscard]] std::string read_all() {
        while (read_ahead(block_size)) {}
        return std::exchange(ahead_, {});
    }
    void write(std::string_view bytes) {
        give_back();
        while (!bytes.empty()) {
            const auto n = ::write(descriptor_.get(), bytes.data(), bytes.size());
            if (n >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(n));
            } else if (errno != EINTR) {
                fail("writing", path_);
            }
        }
    }
    [[nodiscard]] std::uint64_t seek(std::int64_t offset, seek_from from) {
        give_back();
        const int whence = from == seek_from::begin     ? SEEK_SET
                           : from == seek_from::current ? SEEK_CUR
                                                        : SEEK_END;
        const auto now = ::lseek(descriptor_.get(), offset, whence);
        if (now < 0) { fail("seeking in", path_); }
        return static_cast<std::uint64_t>(now);
    }
    void sync() {
        if (::fsync(descriptor_.get()) != 0) { fail("syncing", path_); }
    }
    /// Some file systems tell only now that a write has failed.
    void close() {
        const int number = descriptor_.release();
        if (number >= 0 && ::close(number) != 0 && errno != EINTR) { fail("closing", path_); }
    }

private:
    /// False at the end of the file.
    bool read_ahead(std::size_t most) {
        const auto before = ahead_.size();
        ahead_.resize(before + std::min(most, 16 * block_size));
        ssize_t n = -1;
        do {
            n = ::read(descriptor_.get(), ahead_.data() + before, ahead_.size() - before);
        } while (n < 0 && errno == EINTR);
        ahead_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n < 0) { fail("reading", path_); }
        return n > 0;
    }
    void give_back() {
        if (ahead_.empty()) { return; }
        if (::lseek(descriptor_.get(), -static_cast<off_t>(ahead_.size()), SEEK_CUR) < 0) {
            fail("seeking in", path_);
        }
        ahead_.clear();
    }

    std::string path_;
    file_descriptor descriptor_;
    std::string ahead_;
};

}  // namespace

namespace detail {

/// A file on a loop: what is asked of it goes through one line.
class file_state : public std::enable_shared_from_this<file_state> {
private:
    // A job keeps all this: its future may ask the line to take it back.
    template <class F>
    auto begin_in(executor& in, F operation, await_site where) {
        auto job = [self = shared_from_this(), f = std::move(operation)]() mutable {
            return f(*self->file_);
        };
        return get_running_loop().run_in_executor(in, std::move(job), where);
    }

public:
    file_state(std::string p, std::shared_ptr<blocking_file> opened)
        : path(std::move(p)),
          file_(std::move(opened)) {}

    template <class F>
    auto begin(F operation, await_site where) {
        if (is_closed) {
            throw invalid_state_error("the file '" + path + "' was used after its close()");
        }
        return begin_in(line_, std::move(operation), where);
    }
    /// Once begun it is done, also if the one who waits for it is cancelled.
    future<> close(await_site where) {
        auto close = [](blocking_file& f) {
            f.close();
        };
        auto closed = begin_in(for_good_, std::move(close), where);
        is_closed = true;
        return closed;
    }

    const std::string path;
    bool is_closed = false;

private:
    /// The line, for jobs that are not taken back.
    class one_way final : public executor {
    public:
        explicit one_way(executor& to) noexcept : to_(to) {}
        void submit(callback job) override { to_.submit(std::move(job)); }

    private:
        executor& to_;
    };

    std::shared_ptr<blocking_file> file_;
    serial_executor line_;
    one_way for_good_{line_};
};

}  // namespace detail

async_file::async_file(std::shared_ptr<detail::file_state> state) noexcept
    : state_(std::move(state)) {}
async_file::async_file(async_file&& other) noexcept = default;
async_file& async_file::operator=(async_file&& other) noexcept = default;
async_file::~async_file() = default;

detail::file_state& async_file::state() const {
    if (!state_) { throw invalid_state_error("an async_file was used after it was moved from"); }
    return *state_;
}

future<std::string> async_file::read(std::size_t n, await_site where) {
    return state().begin([n](blocking_file& f) { return f.read(n); }, where);
}

future<std::string> async_file::read_line(await_site where) {
    return state().begin([](blocking_file& f) { return f.read_line(); }, where);
}

future<std::string> async_file::read_all(await_site where) {
    return state().begin([](blocking_file& f) { return f.read_all(); }, where);
}

future<> async_file::write(std::string bytes, await_site where) {
    auto write = [bytes = std::move(bytes)](blocking_file& f) {
        f.write(bytes);
    };
    return state().begin(std::move(write), where);
}

future<std::uint64_t> async_file::seek(std::int64_t offset, seek_from from, await_site where) {
    return state().begin([offset, from](blocking_file& f) { return f.seek(offset, from); }, where);
}

future<> async_file::sync(await_site where) {
    return state().begin([](blocking_file& f) { f.sync(); }, where);
}

future<> async_file::close(await_site where) {
    auto& s = state();
    if (s.is_closed) {
        auto done = get_running_loop().create_future<>(where);
        done.set_result();
        return done;
    }
    return s.close(where);
}

const std::string& async_file::path() const noexcept {
    static const std::string none;
    return state_ ? state_->path : none;
}

coro<async_file> open_file(std::string path, file_mode mode, await_site where) {
    auto open = [path, mode] {
        return std::make_shared<blocking_file>(path, mode);
    };
    auto pending = get_running_loop().run_in_executor(std::move(open), where);
    auto opened = co_await detail::at(where, std::move(pending));
    co_return async_file(std::make_shared<detail::file_state>(std::move(path), std::move(opened)));
}

coro<async_file&> async_open::enter() {
    file_.emplace(co_await open_file(path_, mode_));
    co_return *file_;
}

coro<> async_open::exit(std::exception_ptr) {
    co_await file_->close();
}

coro<std::string> read_file(std::string path, await_site where) {
    auto read = [path = std::move(path)] {
        return blocking_file(path, file_mode::read).read_all();
    };
    auto pending = get_running_loop().run_in_executor(std::move(read), where);
    co_return co_await detail::at(where, std::move(pending));
}

coro<> write_file(std::string path, std::string bytes, await_site where) {
    auto write = [path = std::move(path), bytes = std::move(bytes)] {
        blocking_file file(path, file_mode::write);
        file.write(bytes);
        file.close();
    };
    auto pending = get_running_loop().run_in_executor(std::move(write), where);
    co_await detail::at(where, std::move(pending));
}

}  // namespace coroscope
