// SPDX-License-Identifier: Apache-2.0
#include "core_file.hpp"

#include <coroscope/profiler_server/inspector.hpp>

#include "core_image.hpp"
#include "support/catch.hpp"
#include "table_image.hpp"
#include "table_inspector.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace coroscope::profiler_server;
using Catch::Matchers::Contains;
using coroscope::test_support::core_image;
using coroscope::test_support::example_image;
using coroscope::test_support::memory_image;

namespace {

constexpr std::uint64_t base = memory_image::base;

// A file that is gone with its test.
class stored_file {
public:
    explicit stored_file(const std::vector<std::byte>& contents) {
        std::string name =
            (std::filesystem::temp_directory_path() / "coroscope-core-XXXXXX").string();
        ::close(::mkstemp(name.data()));
        path_ = name;
        write(contents);
    }
    stored_file(const stored_file&) = delete;
    stored_file& operator=(const stored_file&) = delete;
    ~stored_file() { std::filesystem::remove(path_); }

    void write(const std::vector<std::byte>& contents) const {
        std::ofstream file(path_, std::ios::binary | std::ios::trunc);
        file.write(reinterpret_cast<const char*>(contents.data()),
                   static_cast<std::streamsize>(contents.size()));
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

std::vector<std::byte> letters(std::string_view text, std::size_t size) {
    std::vector<std::byte> bytes(size);
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

core_image core_with_table() {
    core_image image;
    const auto memory = example_image();
    image.segments = {{base, memory.size(), memory}};
    return image;
}

std::string failure_of(std::vector<std::byte> contents) {
    try {
        const core_file file(std::move(contents));
    } catch (const inspection_error& error) {
        CHECK(error.failure() == inspection_failure::not_a_core);
        return error.what();
    }
    return "no failure";
}

// Two pages of a file, of which the core has the first.
core_image core_of_program(const std::filesystem::path& program) {
    core_image image;
    image.segments = {{0x400000, 0x2000, letters("program", 4096), false}};
    image.mappings = {{0x400000, 0x402000, 0, program.string()}};
    image.program_address = 0x400040;
    return image;
}

std::vector<std::byte> program_of(std::string_view first, std::string_view second) {
    auto contents = letters(first, 8192);
    std::memcpy(&contents[4096], second.data(), second.size());
    return contents;
}

}  // namespace

TEST_CASE("a core file's memory is read by address", "[inspector]") {
    core_image image;
    image.segments = {{0x20000, 64, letters("second", 64)}, {0x10000, 64, letters("first", 64)}};
    const core_file file(image.bytes());
    CHECK(file.text_at(0x10000, 100) == "first");
    CHECK(file.text_at(0x20003, 100) == "ond");
    CHECK(file.text_at(0x30000, 100).empty());
    CHECK(file.text_at(0, 100).empty());
    CHECK(file.value_at<std::uint64_t>(0x10000 + 56).has_value());
    CHECK_FALSE(file.value_at<std::uint64_t>(0x10000 + 60).has_value());
    REQUIRE(file.regions().size() == 2);
    CHECK(file.regions()[0].begin == 0x10000);
    CHECK(file.regions()[0].writable);
    CHECK(file.notes().empty());
}

TEST_CASE("a read goes on from one segment to the next", "[inspector]") {
    core_image image;
    image.segments = {{0x10000, 4, letters("ab", 2)}, {0x10004, 8, letters("ef", 8)}};
    image.segments[0].kept = letters("abcd", 4);
    CHECK(core_file(image.bytes()).text_at(0x10000, 100) == "abcdef");
}

TEST_CASE("memory that a core file leaves out is not taken from what follows", "[inspector]") {
    core_image image;
    image.segments = {{0x10000, 64, letters("kept", 8)}, {0x20000, 64, letters("other", 64)}};
    const core_file file(image.bytes());
    CHECK(file.text_at(0x10000, 8) == "kept");
    CHECK_FALSE(file.value_at<std::uint64_t>(0x10008).has_value());
}

TEST_CASE("a segment that claims all memory there is costs no more than what it has",
          "[inspector]") {
    auto image = core_with_table();
    image.segments.push_back({0x100000, ~std::uint64_t{0} - 0x200000, letters("kept", 8)});
    CHECK(inspect_tables(core_file(image.bytes()), "the core", {}).list.tasks.size() == 2);
}

TEST_CASE("tasks are found in a core file", "[inspector]") {
    auto image = core_with_table();
    SECTION("that lists the files mapped") {
        image.mappings = {{base, base + 0x3000, 3, "/a/program"}};
    }
    SECTION("that does not") {}
    const core_file file(image.bytes());
    const auto found = inspect_tables(file, "the core", {});
    REQUIRE(found.list.tasks.size() == 2);
    CHECK(found.list.tasks[0].name == "holder");
    CHECK(found.list.tasks[0].waiting_for == std::chrono::nanoseconds(0));
}

TEST_CASE("what a core file leaves out comes from the files that were mapped", "[inspector]") {
    const stored_file program(program_of("program", "constant"));
    const stored_file core(core_of_program(program.path()).bytes());
    const core_file file(core.path(), {});
    CHECK(file.text_at(0x401000, 100) == "constant");
    CHECK(file.notes().empty());
}

TEST_CASE("a program that has moved is named by hand", "[inspector]") {
    const stored_file program(program_of("program", "constant"));
    const stored_file core(core_of_program("/nowhere/program").bytes());
    const core_file lost(core.path(), {});
    CHECK(lost.text_at(0x401000, 100).empty());
    REQUIRE(lost.notes().size() == 1);
    CHECK_THAT(lost.notes()[0], Contains("cannot read /nowhere/program") && Contains("--exe"));
    const core_file named(core.path(), program.path());
    CHECK(named.text_at(0x401000, 100) == "constant");
    CHECK(named.notes().empty());
}

TEST_CASE("another program's file than the one that ran is not used", "[inspector]") {
    const stored_file program(program_of("rebuilt", "constant"));
    const stored_file core(core_of_program(program.path()).bytes());
    const core_file file(core.path(), {});
    CHECK(file.text_at(0x401000, 100).empty());
    REQUIRE(file.notes().size() == 1);
    CHECK_THAT(file.notes()[0], Contains("is not the file that ran") && Contains("--exe"));
}

TEST_CASE("what is no core file is refused with what to do", "[inspector]") {
    core_image image = core_with_table();
    CHECK_THAT(failure_of({}), Contains("is not a core file") && Contains("compressed"));
    CHECK_THAT(failure_of(letters("\x1f\x8b", 1000)), Contains("is not a core file"));
    SECTION("a program") {
        image.header.e_type = ET_DYN;
        CHECK_THAT(failure_of(image.bytes()), Contains("is a program") && Contains("--exe"));
    }
    SECTION("of another machine") {
        image.header.e_machine = EM_S390;
        CHECK_THAT(failure_of(image.bytes()), Contains("another kind of machine"));
    }
    SECTION("of 32 bits") {
        image.header.e_ident[EI_CLASS] = ELFCLASS32;
        CHECK_THAT(failure_of(image.bytes()), Contains("another kind of machine"));
    }
}

TEST_CASE("a core file that is cut says so, wherever it is cut", "[inspector]") {
    const auto whole = core_with_table().bytes();
    const auto memory = example_image().size();
    for (std::size_t size = 0; size < whole.size(); size += size < 1'000 ? 1 : 97) {
        CAPTURE(size);
        std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<long>(size));
        const auto head = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
        if (size < sizeof(Elf64_Ehdr)) {
            CHECK_THAT(failure_of(cut), Contains("is not a core file"));
        } else if (size < head) {
            CHECK_THAT(failure_of(cut), Contains("is cut"));
        } else {
            const core_file file(cut);
            REQUIRE(file.notes().size() == 1);
            const auto missing = std::min(memory, whole.size() - size);
            CHECK_THAT(file.notes()[0], Contains(std::to_string(missing) + " bytes of memory"));
        }
    }
}

TEST_CASE("why there is no table in a core file is not left out", "[inspector]") {
    auto contents = core_with_table().bytes();
    contents.resize(contents.size() - example_image().size());
    const stored_file core(contents);
    try {
        static_cast<void>(inspect_core(core.path()));
        FAIL("was read without an error");
    } catch (const inspection_error& error) {
        CHECK_THAT(error.what(), Contains("no coroscope runtime") && Contains("is cut"));
    }
}

TEST_CASE("a file that cannot be read as a core file is named", "[inspector]") {
    CHECK_THROWS_WITH(inspect_core("/nowhere/core"),
                      Contains("cannot read /nowhere/core") && Contains("No such file"));
    CHECK_THROWS_WITH(inspect_core("/"), Contains("cannot read /"));
}

TEST_CASE("notes with wild sizes are left out", "[inspector]") {
    auto image = core_with_table();
    image.mappings = {{base, base + 0x3000, 0, "/a/program"}};
    const auto whole = image.bytes();
    const auto begin = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    for (std::size_t at = begin; at < begin + 120; ++at) {
        auto changed = whole;
        changed[at] = std::byte{0xff};
        const core_file file(changed);
        CHECK(file.regions().size() == 1);
    }
}
