// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "address_space.hpp"
#include "file_bytes.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::profiler_server {

/// The memory of a program that a core file holds; what it leaves out, since it was not changed, is
/// read from the files that were mapped there.
/// **Thread safety**: one thread; reading opens those files.
class core_file final : public address_space {
public:
    /// `executable`: the program's file, where it is not where it ran; empty: it is. Throws
    /// `inspection_error`.
    core_file(const std::filesystem::path& path, const std::filesystem::path& executable);
    /// A core file in memory, without any of the files mapped. Throws `inspection_error`.
    explicit core_file(std::vector<std::byte> contents);

    [[nodiscard]] std::vector<memory_region> regions() const override;
    [[nodiscard]] std::size_t read(std::uint64_t address, std::span<std::byte> to) const override;
    [[nodiscard]] std::uint64_t now(bool) const override { return 0; }

    /// What is missing, and why.
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

private:
    struct segment {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::uint64_t offset = 0;      // in the core file
        std::uint64_t kept_until = 0;  // an address: from there on, it is not in the core file
        bool writable = false;
    };
    struct mapping {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::uint64_t offset = 0;
        std::string name;
    };

    void parse();
    void add_segments(std::uint64_t offset, std::uint64_t count);
    void read_notes(std::span<const std::byte> notes);
    void read_mappings(std::span<const std::byte> note);
    void note_program(std::span<const std::byte> auxiliary);
    void note_missing();
    [[nodiscard]] bool fits(const mapping& first, const file_bytes& file) const;
    [[nodiscard]] std::optional<file_bytes> open_file(const std::string& name) const;
    [[nodiscard]] const file_bytes* file_of(const std::string& name) const;
    [[nodiscard]] std::size_t read_kept(std::uint64_t address, std::span<std::byte> to) const;
    [[nodiscard]] std::size_t read_mapped(std::uint64_t address, std::span<std::byte> to) const;
    [[noreturn]] void fail(const std::string& what) const;

    std::string name_;
    file_bytes core_;
    std::filesystem::path executable_;
    bool may_open_files_;
    std::vector<segment> segments_;  // in order of address
    std::vector<mapping> mappings_;  // the same
    std::uint64_t program_address_ = 0;
    std::string program_;  // the name in `mappings_`
    mutable std::map<std::string, std::optional<file_bytes>> files_;
    mutable std::vector<std::string> notes_;
};

}  // namespace coroscope::profiler_server
