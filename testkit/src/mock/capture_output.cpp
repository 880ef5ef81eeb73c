// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/capture_output.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <streambuf>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace coroscope::testkit {
namespace {

/// Hands on whatever comes, at once.
template <class Write>
class passing_buffer final : public std::streambuf {
public:
    explicit passing_buffer(Write write) : write_(std::move(write)) {}

protected:
    int_type overflow(int_type c) override {
        if (traits_type::eq_int_type(c, traits_type::eof())) { return traits_type::not_eof(c); }
        const char byte = traits_type::to_char_type(c);
        write_(std::string_view(&byte, 1));
        return c;
    }
    std::streamsize xsputn(const char* bytes, std::streamsize n) override {
        write_(std::string_view(bytes, static_cast<std::size_t>(n)));
        return n;
    }

private:
    Write write_;
};

/// The standard streams write into other buffers for a scope.
class stream_buffers {
public:
    stream_buffers(std::streambuf& out, std::streambuf& err)
        : out_(std::cout.rdbuf(&out)),
          err_(std::cerr.rdbuf(&err)),
          log_(std::clog.rdbuf(&err)) {}
    stream_buffers(const stream_buffers&) = delete;
    stream_buffers& operator=(const stream_buffers&) = delete;
    ~stream_buffers() {
        std::cout.rdbuf(out_);
        std::cerr.rdbuf(err_);
        std::clog.rdbuf(log_);
    }

private:
    std::streambuf* out_;
    std::streambuf* err_;
    std::streambuf* log_;
};

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// A descriptor that leads into a file of its own for a scope.
class descriptor_file {
public:
    explicit descriptor_file(int number) : number_(number) {
        file_ = ::memfd_create("captured output", MFD_CLOEXEC);
        if (file_ < 0) { throw_errno("capture_output: no memory file"); }
        saved_ = ::fcntl(number, F_DUPFD_CLOEXEC, 3);
        if (saved_ < 0 || ::dup2(file_, number) < 0) {
            const int error = errno;
            close_all();
            errno = error;
            throw_errno("capture_output: the descriptor cannot be redirected");
        }
    }
    descriptor_file(const descriptor_file&) = delete;
    descriptor_file& operator=(const descriptor_file&) = delete;
    ~descriptor_file() {
        std::fflush(nullptr);
        ::dup2(saved_, number_);
        close_all();
    }
    [[nodiscard]] std::string text() const {
        std::fflush(nullptr);
        std::string all;
        std::array<char, 4096> piece{};
        ssize_t n = 0;
        while ((n = ::pread(file_, piece.data(), piece.size(), static_cast<off_t>(all.size())))
               > 0) {
            all.append(piece.data(), static_cast<std::size_t>(n));
        }
        return all;
    }
    /// Behind what C's streams have kept back so far.
    void write(std::string_view bytes) const {
        std::fflush(nullptr);
        while (!bytes.empty()) {
            const auto n = ::write(number_, bytes.data(), bytes.size());
            if (n <= 0) { return; }
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }

private:
    void close_all() const noexcept {
        ::close(file_);
        if (saved_ >= 0) { ::close(saved_); }
    }

    int number_;
    int file_ = -1;
    int saved_ = -1;
};

}  // namespace

class capture_output::redirection {
public:
    virtual ~redirection() = default;
    [[nodiscard]] virtual std::string text() = 0;
    [[nodiscard]] virtual std::string out() = 0;
    [[nodiscard]] virtual std::string err() = 0;

    class of_streams;
    class of_descriptors;
};

class capture_output::redirection::of_streams final : public redirection {
public:
    std::string text() override { return copy_of(all_); }
    std::string out() override { return copy_of(out_); }
    std::string err() override { return copy_of(err_); }

private:
    struct keep {
        of_streams& in;
        std::string& part;
        void operator()(std::string_view bytes) const {
            const std::lock_guard lock(in.mutex_);
            in.all_ += bytes;
            part += bytes;
        }
    };
    [[nodiscard]] std::string copy_of(const std::string& text) {
        const std::lock_guard lock(mutex_);
        return text;
    }

    std::mutex mutex_;
    std::string all_;
    std::string out_;
    std::string err_;
    passing_buffer<keep> out_buffer_{keep{*this, out_}};
    passing_buffer<keep> err_buffer_{keep{*this, err_}};
    stream_buffers scope_{out_buffer_, err_buffer_};
};

class capture_output::redirection::of_descriptors final : public redirection {
public:
    std::string text() override { return out() + err(); }
    std::string out() override { return out_.text(); }
    std::string err() override { return err_.text(); }

private:
    struct hand_on {
        const descriptor_file& to;
        void operator()(std::string_view bytes) const { to.write(bytes); }
    };
    struct flushed {
        flushed() {
            std::cout.flush();
            std::fflush(nullptr);
        }
    };

    flushed before_;
    descriptor_file out_{STDOUT_FILENO};
    descriptor_file err_{STDERR_FILENO};
    passing_buffer<hand_on> out_buffer_{hand_on{out_}};
    passing_buffer<hand_on> err_buffer_{hand_on{err_}};
    stream_buffers scope_{out_buffer_, err_buffer_};
};

capture_output::capture_output(from what) {
    if (what == from::streams) {
        redirection_ = std::make_unique<redirection::of_streams>();
    } else {
        redirection_ = std::make_unique<redirection::of_descriptors>();
    }
}

capture_output::~capture_output() = default;

std::string capture_output::text() const {
    return redirection_->text();
}

std::string capture_output::out() const {
    return redirection_->out();
}

std::string capture_output::err() const {
    return redirection_->err();
}

std::vector<std::string> capture_output::lines() const {
    const auto all = text();
    std::vector<std::string> found;
    for (std::size_t begin = 0; begin < all.size();) {
        const auto end = std::min(all.find('\n', begin), all.size());
        found.push_back(all.substr(begin, end - begin));
        begin = end + 1;
    }
    return found;
}

}  // namespace coroscope::testkit
