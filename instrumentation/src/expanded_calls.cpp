// SPDX-License-Identifier: Apache-2.0
#include "expanded_calls.hpp"

#include <dwarf.h>

#include <algorithm>
#include <cstddef>

namespace coroscope::instrumentation::detail {
namespace {

/// Calls `f` for each child.
template <class F>
void for_each_child(Dwarf_Die& parent, F f) {
    Dwarf_Die child;
    if (dwarf_child(&parent, &child) != 0) { return; }
    do {
        f(child);
    } while (dwarf_siblingof(&child, &child) == 0);
}

[[nodiscard]] bool may_have_expanded_calls(int tag) noexcept {
    return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block
           || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/// The part of a scope that has an address. False: there is none.
[[nodiscard]] bool find_inner(Dwarf_Die& scope, Dwarf_Addr address, Dwarf_Die& inner) {
    bool found = false;
    for_each_child(scope, [&](Dwarf_Die& child) {
        if (found || !may_have_expanded_calls(dwarf_tag(&child))) { return; }
        found = dwarf_haspc(&child, address) == 1;
        if (found) { inner = child; }
    });
    return found;
}

}  // namespace

expanded_calls::expanded_calls(Dwarf_Die unit) : unit_(unit) {
    add_functions(unit);
    std::sort(functions_.begin(), functions_.end(),
              [](const function_range& a, const function_range& b) { return a.low < b.low; });
}

void expanded_calls::add_functions(Dwarf_Die parent) {
    for_each_child(parent, [this](Dwarf_Die& child) {
        const int tag = dwarf_tag(&child);
        if (tag == DW_TAG_namespace) { add_functions(child); }
        if (tag == DW_TAG_subprogram) { add_function(child); }
    });
}

void expanded_calls::add_function(Dwarf_Die function) {
    const auto before = functions_.size();
    Dwarf_Addr base = 0;
    Dwarf_Addr low = 0;
    Dwarf_Addr high = 0;
    std::ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(&function, offset, &base, &low, &high)) > 0) {
        // Parts that the linker dropped begin at 0.
        if (low != 0 && low < high) { functions_.push_back({low, high, function}); }
    }
    if (functions_.size() > before) { add_local_functions(function); }
}

/// Lambdas are in classes of the functions that they are written in.
void expanded_calls::add_local_functions(Dwarf_Die within) {
    for_each_child(within, [this](Dwarf_Die& child) {
        const int tag = dwarf_tag(&child);
        if (tag == DW_TAG_subprogram) { add_function(child); }
        const bool may_have_functions =
            tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_lexical_block;
        if (may_have_functions) { add_local_functions(child); }
    });
}

const char* expanded_calls::file_of(Dwarf_Die& call) {
    Dwarf_Attribute attribute;
    Dwarf_Word index = 0;
    Dwarf_Files* files = nullptr;
    std::size_t count = 0;
    if (dwarf_formudata(dwarf_attr(&call, DW_AT_call_file, &attribute), &index) != 0
        || dwarf_getsrcfiles(&unit_, &files, &count) != 0 || index >= count) {
        return nullptr;
    }
    return dwarf_filesrc(files, index, nullptr, nullptr);
}

std::vector<Dwarf_Die> expanded_calls::scopes_at(Dwarf_Addr address) const {
    std::vector<Dwarf_Die> scopes;
    auto after = std::upper_bound(
        functions_.begin(), functions_.end(), address,
        [](Dwarf_Addr value, const function_range& range) { return value < range.low; });
    if (after == functions_.begin()) { return scopes; }
    --after;
    if (address >= after->high) { return scopes; }
    auto scope = after->function;
    scopes.push_back(scope);
    Dwarf_Die inner;
    while (find_inner(scope, address, inner)) {
        if (dwarf_tag(&inner) == DW_TAG_inlined_subroutine) { scopes.push_back(inner); }
        scope = inner;
    }
    std::reverse(scopes.begin(), scopes.end());
    return scopes;
}

}  // namespace coroscope::instrumentation::detail
