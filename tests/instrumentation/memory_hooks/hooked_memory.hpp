// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/memory_hooks.hpp>
#include <coroscope/instrumentation/memory_profiler.hpp>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>

namespace hooked_memory {

using namespace coroscope::instrumentation;

class profiled {
public:
    explicit profiled(const memory_profiler_options& options = {}) : memory(options) {
        hook_memory();
        memory.start();
    }
    memory_profiler memory;
};

/// Whether calls of malloc are told of, too: of two executables with the same tests, one has that.
inline bool sees_malloc() {
    hook_memory();
    return memory_profiler::hooked().find("gperftools;") != std::string_view::npos;
}

/// Keeps the compiler from leaving an allocation out.
inline void use(const void* block) {
    asm volatile("" : : "r"(block) : "memory");
}

using block = std::unique_ptr<char[]>;

/// Not optimised away, and one call with one line.
[[gnu::noinline]] inline block make_block(std::size_t size) {
    block made(new char[size]);
    use(made.get());
    return made;
}

struct free_deleter {
    void operator()(void* memory) const noexcept { std::free(memory); }
};
using c_block = std::unique_ptr<void, free_deleter>;

inline memory_amounts amounts_of(const memory_snapshot& snapshot, const std::string& key,
                                 memory_key by = memory_key::task) {
    for (const auto& row : snapshot.rows(by)) {
        if (row.key == key) { return row.amounts; }
    }
    return {};
}

inline memory_amounts difference(memory_amounts later, const memory_amounts& earlier) {
    later -= earlier;
    return later;
}

}  // namespace hooked_memory
