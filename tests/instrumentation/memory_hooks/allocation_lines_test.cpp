// SPDX-License-Identifier: Apache-2.0
// Which line an allocation is said to come from, by what it is made with.
#include "hooked_memory.hpp"

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <new>
#include <string>
#include <vector>

#if COROSCOPE_TEST_NATIVE_STACKS

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace hooked_memory;

namespace {

constexpr std::size_t size = 12'345;

[[gnu::noinline]] block by_new(int& line) {
    line = __LINE__ + 1;
    block made(new char[size]);
    use(made.get());
    return made;
}

[[gnu::noinline]] c_block by_malloc(int& line) {
    line = __LINE__ + 1;
    c_block made(std::malloc(size));
    use(made.get());
    return made;
}

[[gnu::noinline]] c_block by_calloc(int& line) {
    line = __LINE__ + 1;
    c_block made(std::calloc(1, size));
    use(made.get());
    return made;
}

[[gnu::noinline]] c_block by_realloc(int& line) {
    line = __LINE__ + 1;
    c_block made(std::realloc(nullptr, size));
    use(made.get());
    return made;
}

/// Here the allocator calls itself.
[[gnu::noinline]] c_block by_posix_memalign(int& line) {
    void* memory = nullptr;
    line = __LINE__ + 1;
    CHECK(::posix_memalign(&memory, 64, size) == 0);
    return c_block(memory);
}

[[gnu::noinline]] std::string by_string(int& line) {
    std::string made;
    line = __LINE__ + 1;
    made.append(size, 'x');
    use(made.data());
    return made;
}

[[gnu::noinline]] std::vector<char> by_vector(int& line) {
    std::vector<char> made;
    line = __LINE__ + 1;
    made.resize(size);
    use(made.data());
    return made;
}

/// As rows have it, and `__FILE__`, with whatever a build puts before them.
std::string from_tests_on(const std::string& key) {
    const auto from = key.find("tests/instrumentation/");
    return from == std::string::npos ? key : key.substr(from);
}

std::string expected_key(int line) {
    return from_tests_on(std::string(__FILE__) + ':' + std::to_string(line));
}

/// The row that grew most, if it is the block's.
std::string grown_key(const memory_snapshot& now, const memory_snapshot& before) {
    const auto rows = now.compare_to(before, memory_key::lineno);
    if (rows.empty() || rows.front().amounts.live_bytes() < static_cast<std::int64_t>(size)) {
        return "nothing";
    }
    return from_tests_on(rows.front().key);
}

template <class Make>
std::string line_of(Make make, std::size_t calls, int& line) {
    memory_profiler_options options;
    options.calls = calls;
    const profiled p(options);
    const auto before = p.memory.snapshot();
    const auto made = make(line);
    return grown_key(p.memory.snapshot(), before);
}

/// Whether a row has the line of the allocation itself.
template <class Make>
bool has_its_line(Make make, std::size_t calls) {
    int line = 0;
    const auto key = line_of(make, calls, line);
    INFO(key << " for " << expected_key(line));
    CHECK((key == expected_key(line) || key == "?" || key == "nothing"));
    return key == expected_key(line);
}

coro<> filling(std::string& made, int& await_line, int& line) {
    await_line = __LINE__ + 1;
    co_await yield_now();
    line = __LINE__ + 1;
    made.append(size, 'x');
}

}  // namespace

TEST_CASE("the line of new, and of malloc where it is hooked, is the caller's", "[memory]") {
    CHECK(has_its_line(by_new, 1));
    CHECK(has_its_line(by_malloc, 1) == sees_malloc());
    CHECK(has_its_line(by_calloc, 1) == sees_malloc());
    CHECK(has_its_line(by_realloc, 1) == sees_malloc());
    CHECK(has_its_line(by_posix_memalign, 1) == sees_malloc());
}

TEST_CASE("with more calls, what containers allocate has the line of their user", "[memory]") {
    CHECK(has_its_line(by_new, 8));
    CHECK(has_its_line(by_malloc, 8) == sees_malloc());
    CHECK(has_its_line(by_string, 8));
    CHECK(has_its_line(by_vector, 8));
}

TEST_CASE("with one call, what a coroutine's container allocates has a line of the coroutine",
          "[memory]") {
    const profiled p;
    std::string made;
    int await_line = 0;
    int line = 0;
    loop l;
    const auto before = p.memory.snapshot();
    l.run_until_complete(l.create_task(filling(made, await_line, line)));
    const auto key = grown_key(p.memory.snapshot(), before);
    INFO(key);
    // The library's own code calls the allocator, unless all of it was inlined.
    CHECK((key == expected_key(await_line) || key == expected_key(line)));
}

#endif
