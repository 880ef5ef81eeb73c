// SPDX-License-Identifier: Apache-2.0
#include "code_origins.hpp"

#include "compilation_units.hpp"
#include "dwfl_session.hpp"
#include "expanded_calls.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <unordered_map>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] bool has_any(std::string_view path, const auto& parts) noexcept {
    return std::any_of(parts.begin(), parts.end(), [path](std::string_view part) {
        return path.find(part) != std::string_view::npos;
    });
}

/// The folder that coroscope was built from, as debug information calls it.
[[nodiscard]] std::string_view source_folder() noexcept {
    constexpr std::string_view file = __FILE__;
    constexpr std::string_view below = "instrumentation/race_hooks/src/code_origins.cpp";
    return file.ends_with(below) ? file.substr(0, file.size() - below.size()) : "//";
}

[[nodiscard]] bool is_own_source(std::string_view path) noexcept {
    constexpr std::array<std::string_view, 5> components{"runtime/", "report/", "instrumentation/",
                                                         "testkit/", "profiler-server/"};
    const auto folder = source_folder();
    if (!path.starts_with(folder)) { return false; }
    path.remove_prefix(folder.size());
    return std::any_of(components.begin(), components.end(),
                       [path](std::string_view each) { return path.starts_with(each); });
}

/// Reads debug information.
class origin_finder {
public:
    [[nodiscard]] code_origin find(std::uintptr_t address) {
        auto* const module = module_of(address);
        if (module == nullptr) { return code_origin::user; }
        auto found = units_.find(module);
        if (found == units_.end()) {
            found = units_.emplace(module, compilation_units(module)).first;
        }
        Dwarf_Die unit;
        Dwarf_Addr bias = 0;
        if (!found->second.find(address, unit, bias)) { return code_origin::user; }
        auto* const line = dwarf_getsrc_die(&unit, address - bias);
        const auto innermost =
            of_file(line != nullptr ? dwarf_linesrc(line, nullptr, nullptr) : nullptr);
        return innermost == code_origin::library ? of_callers(unit, address - bias) : innermost;
    }

private:
    [[nodiscard]] static code_origin of_file(const char* path) noexcept {
        return path != nullptr ? origin_of_file(path) : code_origin::user;
    }

    [[nodiscard]] code_origin of_callers(Dwarf_Die unit, Dwarf_Addr address) {
        auto found = calls_.find(unit.addr);
        if (found == calls_.end()) { found = calls_.emplace(unit.addr, unit).first; }
        for (const char* file : found->second.files_at(address)) {
            const auto origin = of_file(file);
            if (origin != code_origin::library) { return origin; }
        }
        return code_origin::library;
    }

    [[nodiscard]] Dwfl_Module* module_of(std::uintptr_t address) {
        auto* module = session_ != nullptr ? dwfl_addrmodule(session_.get(), address) : nullptr;
        if (module == nullptr) {  // loaded since
            units_.clear();
            calls_.clear();
            session_ = open_dwfl_session();
            if (session_ != nullptr) { module = dwfl_addrmodule(session_.get(), address); }
        }
        return module;
    }

    dwfl_session session_ = open_dwfl_session();
    std::unordered_map<Dwfl_Module*, compilation_units> units_;
    std::unordered_map<const void*, expanded_calls> calls_;
};

[[nodiscard]] code_origin read_origin(std::uintptr_t address) {
    static constinit std::mutex mutex;
    static origin_finder* finder = nullptr;  // never destroyed: code runs until the end
    const std::lock_guard lock(mutex);
    if (finder == nullptr) { finder = new origin_finder; }
    return finder->find(address);
}

/// Addresses that were asked for, each with what was found: open addressing, nothing is taken out.
class known_origins {
public:
    [[nodiscard]] code_origin find(std::uintptr_t address) noexcept {
        const auto first = address * 0x9E37'79B9'7F4A'7C15U >> (64U - size_bits);
        for (std::size_t i = 0; i < longest_search; ++i) {
            auto& entry = entries_[(first + i) % size];
            const auto known = entry.load(std::memory_order_relaxed);
            if (known >> origin_bits == address) { return static_cast<code_origin>(known & 3U); }
            if (known == 0) {
                const auto origin = read(address);
                auto none = known;
                entry.compare_exchange_strong(
                    none, address << origin_bits | static_cast<std::uint64_t>(origin),
                    std::memory_order_relaxed);
                return origin;
            }
        }
        return read(address);
    }

private:
    static constexpr unsigned size_bits = 17;
    static constexpr std::size_t size = std::size_t{1} << size_bits;
    static constexpr std::size_t longest_search = 64;
    static constexpr unsigned origin_bits = 2;

    [[nodiscard]] static code_origin read(std::uintptr_t address) noexcept {
        try {
            return read_origin(address);
        } catch (...) { return code_origin::user; }  // no memory: nothing is known
    }

    std::array<std::atomic<std::uint64_t>, size> entries_{};
};

constinit known_origins known;

}  // namespace

code_origin origin_of_code(std::uintptr_t address) noexcept {
    return known.find(address);
}

code_origin origin_of_file(std::string_view path) noexcept {
    constexpr std::array<std::string_view, 9> internal{"/include/coroscope/",
                                                       "/boost/asio/",
                                                       "/boost/beast/",
                                                       "/boost/system/",
                                                       "/include/asio",
                                                       "/catch2/",
                                                       "/gtest/",
                                                       "/gmock/",
                                                       "/doctest/"};
    // Counts of owners are changed by whoever copies a pointer: in no order, and it does not
    // matter.
    constexpr std::array<std::string_view, 1> counting{"/ext/atomicity.h"};
    constexpr std::array<std::string_view, 3> systems{"/usr/include/", "/usr/local/include/",
                                                      "/usr/lib/"};
    if (has_any(path, internal) || has_any(path, counting) || is_own_source(path)) {
        return code_origin::internals;
    }
    const bool is_systems =
        std::any_of(systems.begin(), systems.end(),
                    [path](std::string_view each) { return path.starts_with(each); });
    return is_systems || path.find("/include/c++/") != std::string_view::npos ? code_origin::library
                                                                              : code_origin::user;
}

}  // namespace coroscope::instrumentation::detail
