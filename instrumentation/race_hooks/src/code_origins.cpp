// SPDX-License-Identifier: Apache-2.0
#include "code_origins.hpp"

#include "fork_safe_mutex.hpp"
#include "loaded_code.hpp"

#include <dwarf.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <system_error>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] bool has_any(std::string_view path, const auto& parts) noexcept {
    return std::any_of(parts.begin(), parts.end(), [path](std::string_view part) {
        return path.find(part) != std::string_view::npos;
    });
}

[[nodiscard]] std::string whole_path(std::string_view folder, const char* file) {
    return (std::filesystem::path(folder) / file).lexically_normal();
}

/// Where the compiler ran.
[[nodiscard]] std::string_view folder_of(Dwarf_Die& unit) {
    Dwarf_Attribute attribute;
    const char* const folder = dwarf_formstring(dwarf_attr(&unit, DW_AT_comp_dir, &attribute));
    return folder != nullptr ? folder : "";
}

/// Reads debug information.
class origin_finder {
public:
    origin_finder() { find_own_folders(); }

    [[nodiscard]] code_origin find(std::uintptr_t address) {
        Dwarf_Die unit;
        Dwarf_Addr bias = 0;
        if (!find_unit(address, unit, bias)) { return code_origin::user; }
        const auto innermost = of_file(unit, file_at(unit, address - bias));
        return innermost == code_origin::library ? of_callers(unit, address - bias) : innermost;
    }

    [[nodiscard]] bool is_fresh_start(std::uintptr_t address) {
        Dwarf_Die unit;
        Dwarf_Addr bias = 0;
        if (!find_unit(address, unit, bias)) { return false; }
        auto scopes = code_.calls_in(unit).scopes_at(address - bias);
        const char* const name = scopes.empty() ? nullptr : dwarf_diename(&scopes.front());
        const char* const file = file_at(unit, address - bias);
        if (name == nullptr || file == nullptr) { return false; }
        const std::string_view function(name);
        const std::string_view path(file);
        return (function == "_M_reset" && path.ends_with("/bits/stl_tree.h"))
               || (function == "clear" && path.ends_with("/bits/hashtable.h"));
    }

private:
    [[nodiscard]] bool find_unit(std::uintptr_t address, Dwarf_Die& unit, Dwarf_Addr& bias) {
        auto* const module = code_.module_of(address);
        return module != nullptr && code_.find_unit(module, address, unit, bias);
    }

    [[nodiscard]] static const char* file_at(Dwarf_Die& unit, Dwarf_Addr address) {
        auto* const line = dwarf_getsrc_die(&unit, address);
        return line != nullptr ? dwarf_linesrc(line, nullptr, nullptr) : nullptr;
    }

    [[nodiscard]] code_origin of_file(Dwarf_Die& unit, const char* file) const {
        if (file == nullptr) { return code_origin::user; }
        const auto path = whole_path(folder_of(unit), file);
        const bool is_own = is_own_source(path) || is_own_source_built_elsewhere(file);
        return is_own ? code_origin::internals : origin_of_file(path);
    }

    /// Of a component, as this file is.
    [[nodiscard]] bool is_own_source(std::string_view path) const noexcept {
        constexpr std::array<std::string_view, 5> components{
            "runtime/", "report/", "instrumentation/", "testkit/", "profiler-server/"};
        if (own_folder_.empty() || !path.starts_with(own_folder_)) { return false; }
        path.remove_prefix(own_folder_.size());
        return std::any_of(components.begin(), components.end(),
                           [path](std::string_view each) { return path.starts_with(each); });
    }

    /// Compiler caches may give what was compiled in another folder, with the same relative path.
    [[nodiscard]] bool is_own_source_built_elsewhere(const char* file) const {
        if (std::filesystem::path(file).is_absolute()) { return false; }
        const auto path = whole_path(own_build_folder_, file);
        std::error_code ignored;
        return is_own_source(path) && std::filesystem::exists(path, ignored);
    }

    /// Where coroscope was built, and from what folder, as debug information calls them. Empty: not
    /// known.
    void find_own_folders() {
        constexpr std::string_view below = "instrumentation/race_hooks/src/code_origins.cpp";
        const auto here = reinterpret_cast<std::uintptr_t>(&origin_of_code);
        Dwarf_Die unit;
        Dwarf_Addr bias = 0;
        if (!find_unit(here, unit, bias)) { return; }
        const char* const file = dwarf_diename(&unit);  // the unit's, whatever begins the function
        if (file == nullptr) { return; }
        auto path = whole_path(folder_of(unit), file);
        if (!path.ends_with(below)) { return; }
        path.resize(path.size() - below.size());
        own_folder_ = path;
        own_build_folder_ = folder_of(unit);
    }

    [[nodiscard]] code_origin of_callers(Dwarf_Die unit, Dwarf_Addr address) {
        auto& calls = code_.calls_in(unit);
        auto scopes = calls.scopes_at(address);
        if (!scopes.empty()) { scopes.pop_back(); }  // the function itself is nobody's call
        for (auto& call : scopes) {
            const auto origin = of_file(unit, calls.file_of(call));
            if (origin != code_origin::library) { return origin; }
        }
        return code_origin::library;
    }

    loaded_code code_;
    std::string own_folder_;
    std::string own_build_folder_;
};

constinit fork_safe_mutex finder_mutex;

/// Under the mutex.
[[nodiscard]] origin_finder& the_finder() {
    static origin_finder* finder = nullptr;  // never destroyed: code runs until the end
    if (finder == nullptr) { finder = new origin_finder; }
    return *finder;
}

[[nodiscard]] code_origin read_origin(std::uintptr_t address) {
    const std::lock_guard lock(finder_mutex);
    return the_finder().find(address);
}

enum class start : std::uint8_t { none, fresh };

[[nodiscard]] start read_start(std::uintptr_t address) {
    const std::lock_guard lock(finder_mutex);
    return the_finder().is_fresh_start(address) ? start::fresh : start::none;
}

/// Addresses that were asked for, each with what was found: open addressing, nothing is taken out.
template <class Answer, Answer (*Read)(std::uintptr_t)>
class known_answers {
public:
    [[nodiscard]] Answer find(std::uintptr_t address) noexcept {
        const auto first = address * 0x9E37'79B9'7F4A'7C15U >> (64U - size_bits);
        for (std::size_t i = 0; i < longest_search; ++i) {
            auto& entry = entries_[(first + i) % size];
            const auto known = entry.load(std::memory_order_relaxed);
            if (known >> answer_bits == address) { return static_cast<Answer>(known & 3U); }
            if (known == 0) {
                const auto answer = read(address);
                auto none = known;
                entry.compare_exchange_strong(
                    none, address << answer_bits | static_cast<std::uint64_t>(answer),
                    std::memory_order_relaxed);
                return answer;
            }
        }
        return read(address);
    }

private:
    static constexpr unsigned size_bits = 17;
    static constexpr std::size_t size = std::size_t{1} << size_bits;
    static constexpr std::size_t longest_search = 64;
    static constexpr unsigned answer_bits = 2;

    [[nodiscard]] static Answer read(std::uintptr_t address) noexcept {
        try {
            return Read(address);
        } catch (...) { return Answer{}; }  // no memory: nothing is known
    }

    std::array<std::atomic<std::uint64_t>, size> entries_{};
};

constinit known_answers<code_origin, &read_origin> known;
constinit known_answers<start, &read_start> known_starts;

}  // namespace

constinit recent_origins recently_asked;

code_origin origin_of_code(std::uintptr_t address) noexcept {
    if (recently_asked.knows(address, code_origin::user)) { return code_origin::user; }
    const auto origin = known.find(address);
    recently_asked.keep(address, origin);
    return origin;
}

bool is_fresh_start(std::uintptr_t address) noexcept {
    return known_starts.find(address) == start::fresh;
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
    // matter. An atomic pointer of that kind reads what it holds under a lock that it gives back
    // without order.
    constexpr std::array<std::string_view, 2> counting{"/ext/atomicity.h",
                                                       "/bits/shared_ptr_atomic.h"};
    constexpr std::array<std::string_view, 3> systems{"/usr/include/", "/usr/local/include/",
                                                      "/usr/lib/"};
    if (has_any(path, internal) || has_any(path, counting)) { return code_origin::internals; }
    const bool is_systems =
        std::any_of(systems.begin(), systems.end(),
                    [path](std::string_view each) { return path.starts_with(each); });
    return is_systems || path.find("/include/c++/") != std::string_view::npos ? code_origin::library
                                                                              : code_origin::user;
}

}  // namespace coroscope::instrumentation::detail
