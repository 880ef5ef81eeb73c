// SPDX-License-Identifier: Apache-2.0
#include "file_bytes.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coroscope::profiler_server {

std::optional<file_bytes> file_bytes::open(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) { return std::nullopt; }
    struct stat about {};
    if (::fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
        ::close(descriptor);
        errno = EINVAL;
        return std::nullopt;
    }
    return file_bytes(descriptor, static_cast<std::uint64_t>(about.st_size));
}

file_bytes::file_bytes(std::vector<std::byte> contents)
    : size_(contents.size()),
      contents_(std::move(contents)) {}

file_bytes::file_bytes(file_bytes&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      contents_(std::move(other.contents_)) {}

file_bytes::~file_bytes() {
    if (descriptor_ >= 0) { ::close(descriptor_); }
}

std::size_t file_bytes::read(std::uint64_t offset, std::span<std::byte> to) const {
    if (offset >= size_) { return 0; }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), size_ - offset));
    if (descriptor_ < 0) {
        std::copy_n(contents_.begin() + static_cast<std::ptrdiff_t>(offset), count, to.begin());
        return count;
    }
    std::size_t done = 0;
    while (done < count) {
        const auto got = ::pread(descriptor_, to.data() + done, count - done,
                                 static_cast<::off_t>(offset + done));
        if (got <= 0) { break; }
        done += static_cast<std::size_t>(got);
    }
    return done;
}

}  // namespace coroscope::profiler_server
