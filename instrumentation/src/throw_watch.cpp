// SPDX-License-Identifier: Apache-2.0
#include "throw_watch.hpp"

#include <coroscope/instrumentation/debug_hooks.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/error.hpp>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <typeinfo>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace coroscope::instrumentation {
namespace {

using throw_function = void (*)(void*, std::type_info*, void (*)(void*));

throw_function real_throw = nullptr;

constexpr std::size_t kept_throws = 32;

/// Of one thread, made at its first throw.
struct thrown_here {
    std::array<throw_record, kept_throws> records;
    std::size_t next = 0;
};
thread_local std::unique_ptr<thrown_here> last_throws;

void note_async_stack(throw_record& record) noexcept {
    const auto* loop = coroscope::detail::running_loop;
    record.async_count = 0;
    if (loop == nullptr || loop->current == nullptr || loop->current->top == nullptr) { return; }
    for (const auto* f = loop->current->top->parent;
         f != nullptr && record.async_count < record.async.size(); f = f->parent) {
        if (f->site.line() != 0) { record.async[record.async_count++] = f->site; }
    }
}

void note_throw(void* object, const std::type_info& type, const void* caller) noexcept {
    if (last_throws == nullptr) { last_throws.reset(new (std::nothrow) thrown_here()); }
    if (last_throws == nullptr) { return; }
    auto& record = last_throws->records[last_throws->next++ % kept_throws];
    record.object = object;
    record.native = native_stack::capture(caller);
    note_async_stack(record);
    record.has_stopped = type != typeid(generator_exit)
                         && detail::hooked_call::awaits_throw(type == typeid(cancelled_error))
                         && debugger_is_attached();
    if (record.has_stopped) { stop_in_debugger(); }
}

[[noreturn]] void noted_throw(void* object, std::type_info* type, void (*destroy)(void*)) {
    note_throw(object, *type, __builtin_return_address(0));
    real_throw(object, type, destroy);
    __builtin_unreachable();
}

/// What of an object's dynamic section says where its calls of other objects lead.
struct dynamic_tables {
    const ElfW(Sym) * symbols = nullptr;
    const char* strings = nullptr;
    std::array<const ElfW(Rela)*, 2> relocations{};
    std::array<std::size_t, 2> bytes{};
};

[[nodiscard]] dynamic_tables tables_of(const ElfW(Dyn) * entry, std::uintptr_t base) noexcept {
    dynamic_tables tables;
    const auto address = [base](std::uintptr_t value) {  // the kernel's own object has offsets
        return value < base ? value + base : value;      // NOLINT(performance-no-int-to-ptr)
    };
    for (; entry->d_tag != DT_NULL; ++entry) {
        const auto value = entry->d_un.d_ptr;
        const auto* place = reinterpret_cast<const void*>(address(value));
        switch (entry->d_tag) {
        case DT_SYMTAB: tables.symbols = static_cast<const ElfW(Sym)*>(place); break;
        case DT_STRTAB: tables.strings = static_cast<const char*>(place); break;
        case DT_JMPREL: tables.relocations[0] = static_cast<const ElfW(Rela)*>(place); break;
        case DT_PLTRELSZ: tables.bytes[0] = value; break;
        case DT_RELA: tables.relocations[1] = static_cast<const ElfW(Rela)*>(place); break;
        case DT_RELASZ: tables.bytes[1] = value; break;
        default: break;
        }
    }
    return tables;
}

/// The slot may lie in memory that is read-only since the program was loaded.
void redirect(std::uintptr_t slot) noexcept {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    auto* first = reinterpret_cast<void*>(slot & ~(page - 1));
    if (::mprotect(first, page, PROT_READ | PROT_WRITE) != 0) { return; }
    const auto target = &noted_throw;
    std::memcpy(reinterpret_cast<void*>(slot), &target, sizeof(target));
}

int redirect_throws_of(::dl_phdr_info* info, std::size_t /*size*/, void* count) noexcept {
    const std::uintptr_t base = info->dlpi_addr;
    for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
        if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) { continue; }
        const auto tables =
            tables_of(reinterpret_cast<const ElfW(Dyn)*>(base + info->dlpi_phdr[i].p_vaddr), base);
        if (tables.symbols == nullptr || tables.strings == nullptr) { return 0; }
        for (std::size_t t = 0; t < tables.relocations.size(); ++t) {
            const auto* r = tables.relocations[t];
            for (auto left = tables.bytes[t] / sizeof(*r); r != nullptr && left > 0; --left, ++r) {
                const auto symbol = ELF64_R_SYM(r->r_info);
                const std::string_view name = tables.strings + tables.symbols[symbol].st_name;
                if (symbol == 0 || name != "__cxa_throw") { continue; }
                redirect(base + r->r_offset);
                ++*static_cast<int*>(count);
            }
        }
    }
    return 0;
}

/// The address of the exception that a pointer holds: what the pointer consists of.
[[nodiscard]] const void* object_of(const std::exception_ptr& e) noexcept {
    static_assert(sizeof(e) == sizeof(void*));
    const void* object = nullptr;
    std::memcpy(&object, &e, sizeof(object));
    return object;
}

}  // namespace

bool watch_throws() noexcept {
    // Loads what it needs now, and not in a throw.
    static_cast<void>(native_stack::capture(nullptr));
    if (real_throw == nullptr) {
        void* const found = ::dlsym(RTLD_DEFAULT, "__cxa_throw");
        std::memcpy(&real_throw, &found, sizeof(found));
    }
    int redirected = 0;
    if (real_throw != nullptr) { ::dl_iterate_phdr(redirect_throws_of, &redirected); }
    return redirected > 0;
}

std::optional<throw_record> thrown_at(const std::exception_ptr& e) noexcept {
    const auto* object = object_of(e);
    if (last_throws == nullptr) { return std::nullopt; }
    const auto next = last_throws->next;
    for (std::size_t back = 1; back <= std::min(next, kept_throws); ++back) {
        const auto& record = last_throws->records[(next - back) % kept_throws];
        if (record.object == object) { return record; }
    }
    return std::nullopt;
}

bool debugger_is_attached() noexcept {
    try {
        std::ifstream status("/proc/self/status");
        for (std::string word; status >> word;) {
            if (word == "TracerPid:") {
                long tracer = 0;
                return static_cast<bool>(status >> tracer) && tracer != 0;
            }
        }
    } catch (...) {}  // no memory: none
    return false;
}

void stop_in_debugger() noexcept {
    static_cast<void>(::raise(SIGTRAP));
}

}  // namespace coroscope::instrumentation
