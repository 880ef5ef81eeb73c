// SPDX-License-Identifier: Apache-2.0
#include "live_process.hpp"

#include "support/catch.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <string>

using namespace coroscope::profiler_server;

TEST_CASE("the kernel's list of a process's memory is read", "[inspector]") {
    std::istringstream maps(
        "00400000-00452000 r--p 00000000 08:02 173521      /usr/bin/a b\n"
        "00651000-00652000 rw-p 00051000 08:02 173521      /usr/bin/a b\n"
        "00652000-00655000 rw-p 00000000 00:00 0 \n"
        "00700000-00800000 ---p 00000000 00:00 0 \n"
        "00800000-00900000 rw-s 00000000 08:02 77          /data\n"
        "no line of this kind\n"
        "00900000-00900000 rw-p 00000000 00:00 0 \n");
    const auto regions = read_maps(maps);
    REQUIRE(regions.size() == 4);
    CHECK(regions[0].begin == 0x400000);
    CHECK(regions[0].end == 0x452000);
    CHECK(regions[0].file_backed);
    CHECK_FALSE(regions[0].writable);
    CHECK(regions[1].writable);
    CHECK_FALSE(regions[2].file_backed);
    CHECK(regions[3].writable);
    CHECK_FALSE(regions[3].file_backed);
}

TEST_CASE("a process's memory is copied, up to where it ends", "[inspector]") {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* memory =
        ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    auto* bytes = static_cast<char*>(memory);
    REQUIRE(::munmap(bytes + page, page) == 0);
    std::copy_n("end", 3, bytes + page - 3);
    const live_process self(static_cast<std::uint64_t>(::getpid()));
    const auto end = reinterpret_cast<std::uintptr_t>(bytes) + page;
    std::array<std::byte, 8> copy{};
    CHECK(self.read(end - 3, copy) == 3);
    CHECK(copy[0] == std::byte{'e'});
    CHECK(self.read(end, copy) == 0);
    CHECK(self.text_at(end - 3, 100).empty());
    ::munmap(memory, page);
}

TEST_CASE("of many reads those that fail leave the others alone", "[inspector]") {
    const live_process self(static_cast<std::uint64_t>(::getpid()));
    const std::string text = "abcdefgh";
    constexpr std::size_t count = 3'000;
    std::vector<char> copies(count);
    std::vector<memory_request> requests(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto where = reinterpret_cast<std::uintptr_t>(text.data()) + i % 8;
        requests[i] = {i % 7 == 3 ? 8 : where, std::as_writable_bytes(std::span(&copies[i], 1)),
                       false};
    }
    self.read_all(requests);
    for (std::size_t i = 0; i < count; ++i) {
        CAPTURE(i);
        CHECK(requests[i].done == (i % 7 != 3));
        if (requests[i].done) { CHECK(copies[i] == text[i % 8]); }
    }
}
