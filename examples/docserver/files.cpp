// SPDX-License-Identifier: Apache-2.0
#include "files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <tuple>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace docserver {
namespace {

namespace fs = std::filesystem;

[[nodiscard]] found_path nothing(found_path::kind what) {
    found_path found;
    found.what = what;
    return found;
}

/// The client's fault, or (by an exception) ours.
[[nodiscard]] found_path refuse(const std::error_code& error, const fs::path& path) {
    if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory
        || error == std::errc::filename_too_long) {
        return nothing(found_path::kind::not_found);
    }
    if (error == std::errc::permission_denied || error == std::errc::operation_not_permitted
        || error == std::errc::too_many_symbolic_link_levels) {
        return nothing(found_path::kind::forbidden);
    }
    throw std::system_error(error, path.string());
}

[[nodiscard]] std::vector<directory_entry> list(const fs::path& directory) {
    std::vector<directory_entry> entries;
    std::error_code error;
    for (fs::directory_iterator i(directory, error), end; !error && i != end; i.increment(error)) {
        std::error_code unknown;
        directory_entry entry;
        entry.name = i->path().filename().string();
        entry.is_directory = i->is_directory(unknown);
        if (!entry.is_directory) {
            const auto size = i->file_size(unknown);
            entry.size = unknown ? 0 : size;
        }
        entries.push_back(std::move(entry));
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
        return std::tuple(!a.is_directory, a.name) < std::tuple(!b.is_directory, b.name);
    });
    return entries;
}

}  // namespace

document::document(int descriptor, std::string name, std::uint64_t size, std::int64_t modified_ns)
    : descriptor_(descriptor),
      name_(std::move(name)),
      size_(size),
      modified_ns_(modified_ns) {}

document::~document() {
    ::close(descriptor_);
}

std::string document::read(std::uint64_t offset, std::uint64_t n) const {
    std::string bytes(n, '\0');
    std::size_t have = 0;
    while (have < bytes.size()) {
        const auto got = ::pread(descriptor_, bytes.data() + have, bytes.size() - have,
                                 static_cast<off_t>(offset + have));
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { throw std::system_error(errno, std::generic_category(), name_); }
        if (got == 0) { break; }
        have += static_cast<std::size_t>(got);
    }
    bytes.resize(have);
    return bytes;
}

std::string document::entity_tag(std::string_view variant) const {
    std::array<char, 48> text = {};
    std::snprintf(text.data(), text.size(), "\"%llx-%llx",
                  static_cast<unsigned long long>(modified_ns_),
                  static_cast<unsigned long long>(size_));
    return text.data() + std::string(variant) + "\"";
}

document_root::document_root(const fs::path& root) : root_(fs::canonical(root)) {
    if (!fs::is_directory(root_)) {
        throw fs::filesystem_error("not a directory", root,
                                   std::make_error_code(std::errc::not_a_directory));
    }
}

bool document_root::contains(const fs::path& canonical) const {
    const auto [end, at] =
        std::mismatch(root_.begin(), root_.end(), canonical.begin(), canonical.end());
    static_cast<void>(at);
    return end == root_.end();
}

found_path document_root::find(const target_path& target) const {
    auto found = open(root_ / target.path, target.is_directory);
    if (found.what == found_path::kind::directory) {
        auto index = open(root_ / target.path / "index.html", false);
        if (index.what == found_path::kind::file) { return index; }
    }
    return found;
}

found_path document_root::open(const fs::path& path, bool as_directory) const {
    std::error_code error;
    const auto real = fs::canonical(path, error);
    if (error) { return refuse(error, path); }
    if (!contains(real)) { return nothing(found_path::kind::forbidden); }
    // Non-blocking, since it may be a pipe; not following a link that was put there just now.
    const int fd = ::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) { return refuse(std::error_code(errno, std::generic_category()), path); }
    struct stat facts = {};
    if (::fstat(fd, &facts) != 0) {
        const int code = errno;
        ::close(fd);
        throw std::system_error(code, std::generic_category(), path.string());
    }
    const auto modified_ns =
        std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
    const auto file = std::make_shared<document>(
        fd, path.filename().string(), static_cast<std::uint64_t>(facts.st_size), modified_ns);
    found_path found;
    if (S_ISDIR(facts.st_mode)) {
        found.what = as_directory ? found_path::kind::directory : found_path::kind::lacks_slash;
        if (as_directory) { found.entries = list(real); }
    } else if (!S_ISREG(facts.st_mode)) {
        found.what = found_path::kind::forbidden;
    } else if (!as_directory) {
        found.what = found_path::kind::file;
        found.file = file;
    }
    return found;
}

}  // namespace docserver
