// SPDX-License-Identifier: Apache-2.0
#include "frame_members.hpp"

#include <dwarf.h>

#include <string_view>

namespace coroscope::instrumentation::detail {
namespace {

/// Behind names, pointers and what cannot change.
[[nodiscard]] bool find_structure(Dwarf_Die entry, Dwarf_Die& found) {
    constexpr int most_steps = 8;
    for (int i = 0; i < most_steps; ++i) {
        Dwarf_Attribute attribute;
        if (dwarf_formref_die(dwarf_attr_integrate(&entry, DW_AT_type, &attribute), &found)
            == nullptr) {
            return false;
        }
        if (dwarf_tag(&found) == DW_TAG_structure_type) { return true; }
        entry = found;
    }
    return false;
}

[[nodiscard]] bool covers(Dwarf_Die member, std::uint64_t offset) {
    Dwarf_Attribute attribute;
    Dwarf_Word begin = 0;
    Dwarf_Word bytes = 0;
    Dwarf_Die type;
    return dwarf_formudata(dwarf_attr(&member, DW_AT_data_member_location, &attribute), &begin) == 0
           && dwarf_formref_die(dwarf_attr(&member, DW_AT_type, &attribute), &type) != nullptr
           && dwarf_aggregate_size(&type, &bytes) == 0 && begin <= offset && offset < begin + bytes;
}

/// `all_1_2` is `all` of some block.
[[nodiscard]] std::string without_block(std::string_view name) {
    for (int numbers = 0; numbers < 2; ++numbers) {
        const auto last = name.find_last_not_of("0123456789");
        const bool has_number = last != std::string_view::npos && last + 1 < name.size();
        if (!has_number || last == 0 || name[last] != '_') { break; }
        name = name.substr(0, last);
    }
    return std::string(name);
}

[[nodiscard]] std::string member_at(Dwarf_Die structure, std::uint64_t offset) {
    Dwarf_Die member;
    if (dwarf_child(&structure, &member) != 0) { return {}; }
    do {
        if (dwarf_tag(&member) != DW_TAG_member || !covers(member, offset)) { continue; }
        const char* const name = dwarf_diename(&member);
        const std::string_view text = name != nullptr ? name : "";
        const bool is_compilers = text.starts_with("_Coro") || text.find('.') != text.npos;
        return is_compilers ? std::string() : without_block(text);
    } while (dwarf_siblingof(&member, &member) == 0);
    return {};
}

}  // namespace

std::string frame_member_at(Dwarf_Die function, std::uint64_t offset) {
    Dwarf_Die parameter;
    Dwarf_Die structure;
    if (dwarf_child(&function, &parameter) != 0) { return {}; }
    do {
        if (dwarf_tag(&parameter) == DW_TAG_formal_parameter) {
            return find_structure(parameter, structure) ? member_at(structure, offset)
                                                        : std::string();
        }
    } while (dwarf_siblingof(&parameter, &parameter) == 0);
    return {};
}

}  // namespace coroscope::instrumentation::detail
