// SPDX-License-Identifier: Apache-2.0
#include "unwinder.hpp"

#include "code_map.hpp"
#include "fork_safe_mutex.hpp"
#include "frame_pointers.hpp"

#include <libunwind-x86_64.h>

#include <mutex>
#include <utility>

// Exported by the library for debuggers, and declared in none of its headers.
extern "C" int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t*,
                                                  unw_proc_info_t*, int, void*);

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t most_frames = 512;

/// What the library's questions are answered from.
struct unwinding {
    const stack_copy* copy = nullptr;
    std::uintptr_t stack_pointer = 0;  ///< of the frame that is being left
    std::uintptr_t function = 0;       ///< that frame's function begins here; 0: not known
    std::size_t candidate = 0;         ///< which frame pointer to try
    std::size_t candidates = 1;        ///< how many there are
    bool is_lost = false;              ///< something was asked that nobody knows
};

unwinding& asked_by(void* argument) {
    return *static_cast<unwinding*>(argument);
}

// The table as linkers write it: sorted pairs of 32-bit offsets from its own beginning.
constexpr std::uint8_t usual_frame_encoding = 0x1b;
constexpr std::uint8_t usual_count_encoding = 0x03;
constexpr std::uint8_t usual_table_encoding = 0x3b;

int find_procedure(unw_addr_space_t space, unw_word_t address, unw_proc_info_t* found,
                   int need_unwind_info, void* argument) {
    auto& state = asked_by(argument);
    const auto module = module_at(address);
    const auto table = module.unwind_table;
    state.is_lost = true;
    if (table == 0 || read_in_module<std::uint8_t>(table + 1) != usual_frame_encoding
        || read_in_module<std::uint8_t>(table + 2) != usual_count_encoding
        || read_in_module<std::uint8_t>(table + 3) != usual_table_encoding) {
        return -UNW_ENOINFO;
    }
    constexpr std::uintptr_t header_bytes = 12;
    constexpr unw_word_t words_an_entry = 1;
    unw_dyn_info_t info{};
    info.format = UNW_INFO_FORMAT_REMOTE_TABLE;
    info.start_ip = module.range.low;
    info.end_ip = module.range.high;
    info.u.rti.segbase = table;
    info.u.rti.table_data = table + header_bytes;
    info.u.rti.table_len = read_in_module<std::uint32_t>(table + 8) * words_an_entry;
    const int result = UNW_OBJ(dwarf_search_unwind_table)(space, address, &info, found,
                                                          need_unwind_info, argument);
    if (result == 0) {
        state.function = found->start_ip;
        state.is_lost = false;
    }
    return result;
}

void release_procedure(unw_addr_space_t, unw_proc_info_t*, void*) {}

int no_dynamic_code(unw_addr_space_t, unw_word_t*, void*) {
    return -UNW_ENOINFO;
}

int read_memory(unw_addr_space_t, unw_word_t address, unw_word_t* value, int is_write,
                void* argument) {
    auto& state = asked_by(argument);
    if (is_write != 0) { return -UNW_EINVAL; }
    std::uint64_t word = 0;
    if (state.copy->read(address, word)) {
        *value = word;
        return 0;
    }
    const auto module = module_at(address);
    if (!module.range.contains(address) || module.range.high - address < sizeof word) {
        state.is_lost = true;
        return -UNW_EINVAL;
    }
    *value = read_in_module<unw_word_t>(address);
    return 0;
}

int read_register(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int is_write,
                  void* argument) {
    auto& state = asked_by(argument);
    const auto& registers = state.copy->registers();
    const auto index = static_cast<std::size_t>(number);
    if (is_write != 0 || number < 0 || index >= registers.values.size()) { return -UNW_EBADREG; }
    if (registers.all_known || index == register_values::stack_pointer
        || index == register_values::instruction_pointer) {
        *value = registers.values[index];
        return 0;
    }
    if (index == register_values::frame_pointer && state.function != 0) {
        const auto possible =
            frame_pointer_candidates(*state.copy, state.function, state.stack_pointer);
        state.candidates = possible.size();
        if (state.candidate < possible.size()) {
            *value = possible[state.candidate];
            return 0;
        }
    }
    state.is_lost = true;
    return -UNW_EBADREG;
}

int no_float_registers(unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) {
    return -UNW_EBADREG;
}

int never_resume(unw_addr_space_t, unw_cursor_t*, void*) {
    return -UNW_EINVAL;
}

int no_names(unw_addr_space_t, unw_word_t, char*, std::size_t, unw_word_t*, void*) {
    return -UNW_ENOINFO;
}

constinit fork_safe_mutex library_mutex;  // the library has locks that a fork does not wait for

unw_addr_space_t address_space() {
    static constinit unw_accessors_t accessors{
        find_procedure, release_procedure,  no_dynamic_code, read_memory,
        read_register,  no_float_registers, never_resume,    no_names};
    static constinit unw_addr_space_t made = nullptr;
    if (made == nullptr) { made = unw_create_addr_space(&accessors, 0); }
    return made;
}

/// Goes one frame out. False at the end of the stack or of what is known of it.
bool step_out(unw_cursor_t& cursor, unwinding& state, unwound_stack& stack) {
    state.is_lost = false;
    state.function = 0;
    const int result = unw_step(&cursor);
    if (result == 0 && !state.is_lost) { return false; }
    unw_word_t address = 0;
    unw_word_t stack_pointer = 0;
    if (result <= 0 || state.is_lost || unw_get_reg(&cursor, UNW_REG_IP, &address) != 0
        || unw_get_reg(&cursor, UNW_REG_SP, &stack_pointer) != 0
        || stack_pointer <= state.stack_pointer) {
        stack.truncated = true;
        return false;
    }
    if (address == 0) { return false; }
    if (module_at(address).range.high == 0) {
        stack.truncated = true;
        return false;
    }
    state.stack_pointer = stack_pointer;
    stack.addresses.push_back(address);
    return true;
}

unwound_stack unwind_with(const stack_copy& copy, unwinding& state) {
    unwound_stack stack;
    const auto& values = copy.registers().values;
    state.copy = &copy;
    state.stack_pointer = values[register_values::stack_pointer];
    stack.addresses.push_back(values[register_values::instruction_pointer]);
    unw_cursor_t cursor;
    if (unw_init_remote(&cursor, address_space(), &state) != 0) {
        stack.truncated = true;
        return stack;
    }
    while (step_out(cursor, state, stack)) {
        if (stack.addresses.size() == most_frames) {
            stack.truncated = true;
            break;
        }
    }
    return stack;
}

}  // namespace

unwound_stack unwind(const stack_copy& copy) {
    const std::lock_guard lock(library_mutex);
    unwinding state;
    auto best = unwind_with(copy, state);
    // A wrong frame pointer leads nowhere: the right one leads to where the thread began.
    while (best.truncated && ++state.candidate < state.candidates) {
        auto other = unwind_with(copy, state);
        if (!other.truncated || other.addresses.size() > best.addresses.size()) {
            best = std::move(other);
        }
    }
    return best;
}

}  // namespace coroscope::instrumentation::detail
