// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "target.hpp"

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace docserver {

/// A regular file, open for reading. **Thread safety**: all members, from any thread.
class document {
public:
    /// Takes over the descriptor.
    document(int descriptor, std::string name, std::uint64_t size, std::int64_t modified_ns);
    document(const document&) = delete;
    document& operator=(const document&) = delete;
    ~document();

    /// At most `n` bytes from `offset`; fewer only if the file is shorter. Blocks. Throws
    /// `std::system_error`.
    [[nodiscard]] std::string read(std::uint64_t offset, std::uint64_t n) const;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::time_t modified() const noexcept {
        return std::time_t{modified_ns_ / 1'000'000'000};
    }
    /// A strong entity tag, quotes included: changes whenever size or time do. Each `variant` has
    /// another one.
    [[nodiscard]] std::string entity_tag(std::string_view variant = {}) const;

private:
    int descriptor_;
    std::string name_;
    std::uint64_t size_;
    std::int64_t modified_ns_;
};

struct directory_entry {
    std::string name;
    bool is_directory = false;
    std::uint64_t size = 0;
};

/// What a path turned out to be.
struct found_path {
    enum class kind { not_found, forbidden, file, directory, lacks_slash };
    kind what = kind::not_found;
    std::shared_ptr<const document> file;
    std::vector<directory_entry> entries;  ///< directories first, by name
};

/// A directory tree whose files may be read. Symbolic links are followed as long as what they lead
/// to lies below the root as well. **Thread safety**: all members, from any thread; they block.
class document_root {
public:
    /// Throws `std::filesystem::filesystem_error` if there is no such directory.
    explicit document_root(const std::filesystem::path& root);

    /// A directory's `index.html` stands for it. Throws `std::system_error` where it is our fault,
    /// as when no descriptor is left.
    [[nodiscard]] found_path find(const target_path& target) const;

private:
    [[nodiscard]] found_path open(const std::filesystem::path& path, bool as_directory) const;
    [[nodiscard]] bool contains(const std::filesystem::path& canonical) const;
    std::filesystem::path root_;
};

}  // namespace docserver
