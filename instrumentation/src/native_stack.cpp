// SPDX-License-Identifier: Apache-2.0
#include "native_stack.hpp"

#include "thread_capture.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <unwind.h>

namespace coroscope::instrumentation {
namespace {

[[nodiscard]] std::string demangled(const char* symbol) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(symbol, nullptr, nullptr, &status), &std::free);
    return name != nullptr ? name.get() : symbol;
}

void print_address(std::ostream& out, void* address) {
    ::Dl_info info{};
    if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
        out << "  " << address << '\n';
        return;
    }
    const auto offset = reinterpret_cast<std::uintptr_t>(address)
                        - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    out << "  " << (info.dli_sname != nullptr ? demangled(info.dli_sname) : "?") << " in "
        << std::filesystem::path(info.dli_fname).filename().string() << "+0x" << std::hex << offset
        << std::dec << '\n';
}

void print_frame(std::ostream& out, const report::stack_frame& frame) {
    if (frame.file.empty()) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): it was a pointer before
        print_address(out, reinterpret_cast<void*>(frame.address));
        return;
    }
    out << "  " << (frame.function.empty() ? "?" : frame.function) << " at " << frame.file << ':'
        << frame.line << '\n';
}

}  // namespace

native_stack native_stack::capture(const void* caller) noexcept {
    native_stack stack;
    stack.count_ = static_cast<std::size_t>(
        std::max(::backtrace(stack.addresses_.data(), static_cast<int>(most)), 0));
    const auto all = stack.addresses();
    const auto first = std::find(all.begin(), all.end(), caller);
    if (first != all.end()) { stack.first_ = static_cast<std::size_t>(first - all.begin()); }
    return stack;
}

native_stack native_stack::called_by(const void* function) const noexcept {
    auto part = *this;
    const auto all = addresses();
    const auto caller = std::find_if(all.begin(), all.end(), [function](void* address) {
        // A return address may lie behind its function's last instruction.
        return ::_Unwind_FindEnclosingFunction(static_cast<char*>(address) - 1) == function;
    });
    part.count_ = caller == all.end()
                      ? part.first_
                      : part.first_ + static_cast<std::size_t>(caller - all.begin());
    return part;
}

void print(std::ostream& out, const native_stack& stack) {
    const auto named = detail::name_return_addresses(stack.addresses());
    for (const auto& frame : named.frames) {
        print_frame(out, frame);
    }
    if (!named.frames.empty()) { return; }
    for (auto* address : stack.addresses()) {
        print_address(out, address);
    }
}

std::string type_name(const std::type_info& type) {
    return demangled(type.name());
}

}  // namespace coroscope::instrumentation
