// SPDX-License-Identifier: Apache-2.0
#include "core_file.hpp"

#include <coroscope/profiler_server/inspector.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <elf.h>

namespace coroscope::profiler_server {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t our_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t our_machine = EM_AARCH64;
#else
constexpr std::uint16_t our_machine = EM_NONE;
#endif

constexpr std::uint64_t largest_notes = std::uint64_t{64} << 20U;
constexpr std::size_t page = 4096;

file_bytes open_core(const std::filesystem::path& path) {
    auto file = file_bytes::open(path);
    if (file) { return std::move(*file); }
    throw inspection_error(inspection_failure::not_a_core,
                           "cannot read " + path.string() + ": "
                               + std::generic_category().message(errno)
                               + "; give the path of a core file");
}

template <class T>
std::optional<T> value_in(const file_bytes& file, std::uint64_t offset) {
    T value{};
    const auto bytes = std::as_writable_bytes(std::span(&value, 1));
    if (file.read(offset, bytes) != bytes.size()) { return std::nullopt; }
    return value;
}

std::uint64_t word_in(std::span<const std::byte> bytes, std::size_t offset) {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data() + offset, sizeof(number));
    return number;
}

/// The last of those that begin at or before an address; null: none.
template <class Range>
const Range* last_before(const std::vector<Range>& ranges, std::uint64_t address) {
    const auto after =
        std::upper_bound(ranges.begin(), ranges.end(), address,
                         [](std::uint64_t a, const Range& range) { return a < range.begin; });
    if (after == ranges.begin() || address >= std::prev(after)->end) { return nullptr; }
    return &*std::prev(after);
}

template <class Range>
void sort_by_address(std::vector<Range>& ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
}

}  // namespace

core_file::core_file(const std::filesystem::path& path, const std::filesystem::path& executable)
    : name_(path.string()),
      core_(open_core(path)),
      executable_(executable),
      may_open_files_(true) {
    parse();
}

core_file::core_file(std::vector<std::byte> contents)
    : name_("the core file"),
      core_(std::move(contents)),
      may_open_files_(false) {
    parse();
}

void core_file::fail(const std::string& what) const {
    throw inspection_error(inspection_failure::not_a_core, name_ + " " + what);
}

void core_file::parse() {
    const auto header = value_in<Elf64_Ehdr>(core_, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
        fail("is not a core file: it does not begin as one; is it compressed?");
    }
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB
        || header->e_machine != our_machine) {
        fail("comes from another kind of machine; read it with a coroscope that runs there");
    }
    if (header->e_type != ET_CORE) {
        fail(
            "is a program, not a core file; it belongs behind --exe, and the core file behind "
            "--core");
    }
    std::uint64_t count = header->e_phnum;
    if (count == PN_XNUM) {
        const auto first = value_in<Elf64_Shdr>(core_, header->e_shoff);
        count = first ? first->sh_info : 0;
    }
    if (count > core_.size() / sizeof(Elf64_Phdr) || header->e_phentsize != sizeof(Elf64_Phdr)) {
        fail(
            "is cut: not even its list of contents is there; was the disk full, or the limit on "
            "core files low (ulimit -c)?");
    }
    add_segments(header->e_phoff, count);
    sort_by_address(segments_);
    sort_by_address(mappings_);
    const auto* program = last_before(mappings_, program_address_);
    if (program == nullptr && !mappings_.empty()) { program = &mappings_.front(); }
    if (program != nullptr) { program_ = program->name; }
    note_missing();
}

void core_file::add_segments(std::uint64_t offset, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto header = value_in<Elf64_Phdr>(core_, offset + i * sizeof(Elf64_Phdr));
        if (!header) { fail("is cut: its list of contents is not all there"); }
        if (header->p_type == PT_NOTE) {
            std::vector<std::byte> notes(std::min({header->p_filesz, largest_notes, core_.size()}));
            notes.resize(core_.read(header->p_offset, notes));
            read_notes(notes);
        }
        const auto begin = header->p_vaddr;
        if (header->p_type != PT_LOAD || header->p_memsz > ~std::uint64_t{0} - begin) { continue; }
        segments_.push_back({begin, begin + header->p_memsz, header->p_offset,
                             begin + std::min(header->p_filesz, header->p_memsz),
                             (header->p_flags & PF_W) != 0});
    }
}

void core_file::read_notes(std::span<const std::byte> notes) {
    const auto padded = [](std::uint64_t size) {
        return (size + 3) / 4 * 4;
    };
    while (notes.size() >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr header{};
        std::memcpy(&header, notes.data(), sizeof(header));
        notes = notes.subspan(sizeof(header));
        const auto name = padded(header.n_namesz);
        if (name > notes.size() || header.n_descsz > notes.size() - name) { return; }
        const auto contents = notes.subspan(name, header.n_descsz);
        if (header.n_type == NT_FILE) { read_mappings(contents); }
        if (header.n_type == NT_AUXV) { note_program(contents); }
        notes =
            notes.subspan(std::min<std::uint64_t>(notes.size(), name + padded(header.n_descsz)));
    }
}

void core_file::read_mappings(std::span<const std::byte> note) {
    constexpr std::size_t head = 2 * sizeof(std::uint64_t);
    constexpr std::size_t entry = 3 * sizeof(std::uint64_t);
    if (note.size() < head) { return; }
    const auto count = word_in(note, 0);
    const auto unit = word_in(note, sizeof(std::uint64_t));
    if (count > (note.size() - head) / entry) { return; }
    auto names = note.subspan(head + count * entry);
    for (std::size_t i = 0; i < count; ++i) {
        const auto at = head + i * entry;
        const auto end = std::find(names.begin(), names.end(), std::byte{0});
        if (end == names.end()) { return; }
        const auto length = static_cast<std::size_t>(end - names.begin());
        mappings_.push_back({word_in(note, at), word_in(note, at + sizeof(std::uint64_t)),
                             word_in(note, at + 2 * sizeof(std::uint64_t)) * unit,
                             std::string(reinterpret_cast<const char*>(names.data()), length)});
        names = names.subspan(length + 1);
    }
}

void core_file::note_program(std::span<const std::byte> auxiliary) {
    constexpr std::size_t entry = 2 * sizeof(std::uint64_t);
    for (; auxiliary.size() >= entry; auxiliary = auxiliary.subspan(entry)) {
        if (word_in(auxiliary, 0) == AT_PHDR) {
            program_address_ = word_in(auxiliary, sizeof(std::uint64_t));
        }
    }
}

void core_file::note_missing() {
    std::uint64_t missing = 0;
    for (const auto& s : segments_) {
        const auto kept = s.kept_until - s.begin;
        const auto left = core_.size() > s.offset ? core_.size() - s.offset : 0;
        if (kept > left) { missing += kept - left; }
    }
    if (missing > 0) {
        notes_.push_back(name_ + " is cut, " + std::to_string(missing)
                         + " bytes of memory are missing; was the disk full, or the limit on core "
                           "files low (ulimit -c)?");
    }
}

std::vector<memory_region> core_file::regions() const {
    std::vector<memory_region> all;
    for (const auto& s : segments_) {
        const bool is_file = mappings_.empty() || last_before(mappings_, s.begin) != nullptr;
        all.push_back({s.begin, s.end, s.writable, is_file});
    }
    return all;
}

/// Whether the file is the one that was mapped, as far as the core has its beginning.
bool core_file::fits(const mapping& first, const file_bytes& file) const {
    std::vector<std::byte> mapped(page);
    mapped.resize(read_kept(first.begin, mapped));
    std::vector<std::byte> stored(mapped.size());
    return file.read(0, stored) == stored.size() && stored == mapped;
}

std::optional<file_bytes> core_file::open_file(const std::string& name) const {
    const auto& path = name == program_ && !executable_.empty() ? executable_.string() : name;
    auto file = file_bytes::open(path);
    if (!file) {
        notes_.push_back("cannot read " + path + ": " + std::generic_category().message(errno)
                         + (name == program_ ? "; name the program's file with --exe" : ""));
        return file;
    }
    const auto first = std::find_if(mappings_.begin(), mappings_.end(), [&](const mapping& m) {
        return m.name == name && m.offset == 0;
    });
    if (first != mappings_.end() && !fits(*first, *file)) {
        notes_.push_back(path + " is not the file that ran"
                         + (name == program_ ? "; name the right one with --exe" : ""));
        return std::nullopt;
    }
    return file;
}

const file_bytes* core_file::file_of(const std::string& name) const {
    if (!may_open_files_) { return nullptr; }
    auto known = files_.find(name);
    if (known == files_.end()) { known = files_.emplace(name, open_file(name)).first; }
    return known->second ? &*known->second : nullptr;
}

std::size_t core_file::read_kept(std::uint64_t address, std::span<std::byte> to) const {
    const auto* s = last_before(segments_, address);
    if (s == nullptr || address >= s->kept_until) { return 0; }
    const auto count = std::min<std::uint64_t>(to.size(), s->kept_until - address);
    return core_.read(s->offset + (address - s->begin), to.first(count));
}

std::size_t core_file::read_mapped(std::uint64_t address, std::span<std::byte> to) const {
    const auto* m = last_before(mappings_, address);
    const auto* file = m != nullptr ? file_of(m->name) : nullptr;
    if (file == nullptr) { return 0; }
    const auto count = std::min<std::uint64_t>(to.size(), m->end - address);
    return file->read(m->offset + (address - m->begin), to.first(count));
}

std::size_t core_file::read(std::uint64_t address, std::span<std::byte> to) const {
    std::size_t done = 0;
    while (done < to.size()) {
        const auto left = to.subspan(done);
        auto got = read_kept(address + done, left);
        if (got == 0) { got = read_mapped(address + done, left); }
        if (got == 0) { break; }
        done += got;
    }
    return done;
}

}  // namespace coroscope::profiler_server
