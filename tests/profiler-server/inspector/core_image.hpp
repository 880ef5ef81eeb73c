// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <elf.h>

namespace coroscope::test_support {

// Builds a core file.
class core_image {
public:
#if defined(__aarch64__)
    static constexpr std::uint16_t machine = EM_AARCH64;
#else
    static constexpr std::uint16_t machine = EM_X86_64;
#endif

    struct segment {
        std::uint64_t address = 0;
        std::uint64_t bytes = 0;  // in memory
        std::vector<std::byte> kept;
        bool writable = true;
    };
    struct mapping {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::uint64_t page = 0;  // in the file
        std::string name;
    };

    std::vector<segment> segments;
    std::vector<mapping> mappings;
    std::uint64_t program_address = 0;
    Elf64_Ehdr header{};

    core_image() {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_CORE;
        header.e_machine = machine;
        header.e_version = EV_CURRENT;
        header.e_phoff = sizeof(header);
        header.e_phentsize = sizeof(Elf64_Phdr);
    }

    [[nodiscard]] std::vector<std::byte> bytes() const {
        const auto described = notes();
        auto start = header;
        start.e_phnum = static_cast<std::uint16_t>(segments.size() + 1);
        std::vector<std::byte> file;
        add(file, start);
        auto at = sizeof(header) + (segments.size() + 1) * sizeof(Elf64_Phdr);
        Elf64_Phdr note{};
        note.p_type = PT_NOTE;
        note.p_offset = at;
        note.p_filesz = described.size();
        add(file, note);
        at += described.size();
        for (const auto& s : segments) {
            Elf64_Phdr load{};
            load.p_type = PT_LOAD;
            load.p_flags = s.writable ? PF_R | PF_W : PF_R;
            load.p_offset = at;
            load.p_vaddr = s.address;
            load.p_filesz = s.kept.size();
            load.p_memsz = s.bytes;
            add(file, load);
            at += s.kept.size();
        }
        file.insert(file.end(), described.begin(), described.end());
        for (const auto& s : segments) {
            file.insert(file.end(), s.kept.begin(), s.kept.end());
        }
        return file;
    }

private:
    template <class T>
    static void add(std::vector<std::byte>& to, const T& value) {
        const auto at = to.size();
        to.resize(at + sizeof(value));
        std::memcpy(&to[at], &value, sizeof(value));
    }

    static void add_note(std::vector<std::byte>& to, std::uint32_t type,
                         const std::vector<std::byte>& contents) {
        add(to, Elf64_Nhdr{5, static_cast<std::uint32_t>(contents.size()), type});
        for (const char c : {'C', 'O', 'R', 'E', '\0', '\0', '\0', '\0'}) {
            to.push_back(static_cast<std::byte>(c));
        }
        to.insert(to.end(), contents.begin(), contents.end());
        to.resize((to.size() + 3) / 4 * 4);
    }

    [[nodiscard]] std::vector<std::byte> notes() const {
        std::vector<std::byte> auxiliary;
        for (const std::uint64_t number : {std::uint64_t{AT_PHDR}, program_address}) {
            add(auxiliary, number);
        }
        std::vector<std::byte> files;
        add(files, std::uint64_t{mappings.size()});
        add(files, std::uint64_t{4096});
        for (const auto& m : mappings) {
            add(files, m.begin);
            add(files, m.end);
            add(files, m.page);
        }
        for (const auto& m : mappings) {
            for (const char c : m.name) {
                files.push_back(static_cast<std::byte>(c));
            }
            files.push_back(std::byte{0});
        }
        std::vector<std::byte> all;
        add_note(all, NT_AUXV, auxiliary);
        add_note(all, NT_FILE, files);
        return all;
    }
};

}  // namespace coroscope::test_support
