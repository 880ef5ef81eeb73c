// SPDX-License-Identifier: Apache-2.0
#include "symbolizer.hpp"

#include "frame_members.hpp"
#include "loaded_code.hpp"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t most_addresses_kept = 16'384;

const char* text_of(Dwarf_Die* entry, unsigned attribute) {
    Dwarf_Attribute found;
    return dwarf_formstring(dwarf_attr_integrate(entry, attribute, &found));
}

std::string name_of(Dwarf_Die* entry) {
    const char* linked = text_of(entry, DW_AT_linkage_name);
    if (linked != nullptr) { return readable_function(linked); }
    const char* plain = dwarf_diename(entry);
    return plain != nullptr ? plain : "";
}

std::uint32_t number_of(Dwarf_Die* entry, unsigned attribute) {
    Dwarf_Attribute found;
    Dwarf_Word value = 0;
    if (dwarf_formudata(dwarf_attr(entry, attribute, &found), &value) != 0) { return 0; }
    return static_cast<std::uint32_t>(value);
}

}  // namespace

class symbolizer::debug_information {
public:
    const std::vector<report::stack_frame>& frames_at(std::uintptr_t address, bool is_return);
    [[nodiscard]] std::string data_at(std::uintptr_t address);
    [[nodiscard]] std::string member_at(std::uintptr_t code, std::uint64_t offset);

private:
    std::vector<report::stack_frame> find_frames(std::uintptr_t address, std::uintptr_t inside);
    void add_lines(Dwfl_Module* module, std::uintptr_t inside,
                   std::vector<report::stack_frame>& frames);
    void expand(Dwarf_Die unit, Dwarf_Addr address, std::vector<report::stack_frame>& frames);

    loaded_code code_;
    std::unordered_map<std::uintptr_t, std::vector<report::stack_frame>> known_;
};

const std::vector<report::stack_frame>& symbolizer::debug_information::frames_at(
    std::uintptr_t address, bool is_return) {
    // A call that never returns may be its function's last instruction.
    const auto inside = is_return ? address - 1 : address;
    const auto known = known_.find(inside);
    if (known != known_.end()) { return known->second; }
    if (known_.size() >= most_addresses_kept) { known_.clear(); }
    return known_.emplace(inside, find_frames(address, inside)).first->second;
}

std::vector<report::stack_frame> symbolizer::debug_information::find_frames(std::uintptr_t address,
                                                                            std::uintptr_t inside) {
    std::vector<report::stack_frame> frames(1);
    auto& frame = frames.front();
    frame.address = address;
    auto* const module = code_.module_of(inside);
    if (module == nullptr) { return frames; }
    const char* path =
        dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (path != nullptr) { frame.module = path; }
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char* name =
        dwfl_module_addrinfo(module, inside, &offset, &symbol, nullptr, nullptr, nullptr);
    if (name != nullptr) { frame.function = readable_function(name); }
    add_lines(module, inside, frames);
    return frames;
}

void symbolizer::debug_information::add_lines(Dwfl_Module* module, std::uintptr_t inside,
                                              std::vector<report::stack_frame>& frames) {
    Dwarf_Die unit;
    Dwarf_Addr bias = 0;
    if (!code_.find_unit(module, inside, unit, bias)) { return; }
    auto& innermost = frames.front();
    if (auto* const line = dwarf_getsrc_die(&unit, inside - bias); line != nullptr) {
        const char* file = dwarf_linesrc(line, nullptr, nullptr);
        int number = 0;
        if (file != nullptr && dwarf_lineno(line, &number) == 0) {
            innermost.file = file;
            innermost.line = static_cast<std::uint32_t>(number);
        }
    }
    expand(unit, inside - bias, frames);
}

/// Puts a frame for each call that was expanded in its place before the function's own.
void symbolizer::debug_information::expand(Dwarf_Die unit, Dwarf_Addr address,
                                           std::vector<report::stack_frame>& frames) {
    auto& calls = code_.calls_in(unit);
    auto scopes = calls.scopes_at(address);
    if (scopes.empty()) { return; }
    auto function = scopes.back();
    scopes.pop_back();
    for (auto& call : scopes) {
        auto inlined = frames.back();
        inlined.function = name_of(&call);
        inlined.inlined = true;
        const char* file = calls.file_of(call);
        frames.back().file = file != nullptr ? file : "";
        frames.back().line = file != nullptr ? number_of(&call, DW_AT_call_line) : 0;
        frames.insert(frames.end() - 1, std::move(inlined));
    }
    if (frames.back().function.empty()) { frames.back().function = name_of(&function); }
}

std::string symbolizer::debug_information::data_at(std::uintptr_t address) {
    auto* const module = code_.module_of_data(address);
    if (module == nullptr) { return {}; }
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char* const name =
        dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
    const bool is_inside =
        name != nullptr && GELF_ST_TYPE(symbol.st_info) == STT_OBJECT && offset < symbol.st_size;
    if (!is_inside) { return {}; }
    const auto text = "'" + readable_function(name) + "'";
    return offset == 0 ? text : text + " + " + std::to_string(offset);
}

std::string symbolizer::debug_information::member_at(std::uintptr_t code, std::uint64_t offset) {
    auto* const module = code_.module_of(code);
    Dwarf_Die unit;
    Dwarf_Addr bias = 0;
    if (module == nullptr || !code_.find_unit(module, code, unit, bias)) { return {}; }
    const auto scopes = code_.calls_in(unit).scopes_at(code - bias);
    return scopes.empty() ? std::string() : frame_member_at(scopes.back(), offset);
}

symbolizer& symbolizer::shared() noexcept {
    static constinit symbolizer only;
    return only;
}

symbolizer::debug_information& symbolizer::information() {
    if (information_ == nullptr) { information_ = new debug_information; }
    return *information_;
}

report::stack symbolizer::name(const unwound_stack& stack) {
    const std::lock_guard lock(mutex_);
    auto& known = information();
    report::stack named;
    named.truncated = stack.truncated;
    bool is_return = false;
    for (const auto address : stack.addresses) {
        const auto& frames = known.frames_at(address, is_return);
        named.frames.insert(named.frames.end(), frames.begin(), frames.end());
        is_return = true;
    }
    return named;
}

std::string symbolizer::name_data(std::uintptr_t address) {
    const std::lock_guard lock(mutex_);
    return information().data_at(address);
}

std::string symbolizer::name_frame_member(std::uintptr_t code, std::uint64_t offset) {
    const std::lock_guard lock(mutex_);
    return information().member_at(code, offset);
}

}  // namespace coroscope::instrumentation::detail
