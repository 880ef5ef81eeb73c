// SPDX-License-Identifier: Apache-2.0
// Functions of the C library that read and write memory. g++ calls them as they are, and so the
// linker is told to put ours in their place (--wrap, see coroscope_detect_races); clang calls
// __tsan_memcpy and its like for what it makes of assignments.
#include "seen_access.hpp"

#include <algorithm>
#include <cstddef>

using coroscope::detail::access_kind;
using coroscope::instrumentation::detail::see;
using coroscope::instrumentation::detail::see_range;
using coroscope::instrumentation::detail::this_stretch;

/// What asks for the length of a text first does so only if somebody wants to know.
[[nodiscard]] static bool is_seen() noexcept {
    return this_stretch.number != 0;
}

extern "C" {

void* __real_memcpy(void* to, const void* from, std::size_t bytes);
void* __real_memmove(void* to, const void* from, std::size_t bytes);
void* __real_memset(void* to, int value, std::size_t bytes);
int __real_memcmp(const void* a, const void* b, std::size_t bytes);
const void* __real_memchr(const void* in, int value, std::size_t bytes);
std::size_t __real_strlen(const char* text);
std::size_t __real_strnlen(const char* text, std::size_t most);
int __real_strcmp(const char* a, const char* b);
char* __real_strcpy(char* to, const char* from);
char* __real_strncpy(char* to, const char* from, std::size_t most);
char* __real_strcat(char* to, const char* from);

void* __wrap_memcpy(void* to, const void* from, std::size_t bytes) {
    see_range(from, bytes, access_kind::read, COROSCOPE_CALLER);
    see_range(to, bytes, access_kind::write, COROSCOPE_CALLER);
    return __real_memcpy(to, from, bytes);
}
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
    see_range(from, bytes, access_kind::read, COROSCOPE_CALLER);
    see_range(to, bytes, access_kind::write, COROSCOPE_CALLER);
    return __real_memcpy(to, from, bytes);
}
void* __wrap_memmove(void* to, const void* from, std::size_t bytes) {
    see_range(from, bytes, access_kind::read, COROSCOPE_CALLER);
    see_range(to, bytes, access_kind::write, COROSCOPE_CALLER);
    return __real_memmove(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
    see_range(from, bytes, access_kind::read, COROSCOPE_CALLER);
    see_range(to, bytes, access_kind::write, COROSCOPE_CALLER);
    return __real_memmove(to, from, bytes);
}
void* __wrap_memset(void* to, int value, std::size_t bytes) {
    see_range(to, bytes, access_kind::write, COROSCOPE_CALLER);
    return __real_memset(to, value, bytes);
}
void* __tsan_memset(void* to, int value, std::size_t bytes) {
    see_range(to, bytes, access_kind::write, COROSCOPE_CALLER);
    return __real_memset(to, value, bytes);
}

// How far these read depends on what is there; all of it is taken for read.

int __wrap_memcmp(const void* a, const void* b, std::size_t bytes) {
    see_range(a, bytes, access_kind::read, COROSCOPE_CALLER);
    see_range(b, bytes, access_kind::read, COROSCOPE_CALLER);
    return __real_memcmp(a, b, bytes);
}
const void* __wrap_memchr(const void* in, int value, std::size_t bytes) {
    const auto* const found = static_cast<const char*>(__real_memchr(in, value, bytes));
    const auto* const begin = static_cast<const char*>(in);
    const auto read = found != nullptr ? static_cast<std::size_t>(found - begin) + 1 : bytes;
    see_range(in, read, access_kind::read, COROSCOPE_CALLER);
    return found;
}
std::size_t __wrap_strlen(const char* text) {
    const auto length = __real_strlen(text);
    see_range(text, length + 1, access_kind::read, COROSCOPE_CALLER);
    return length;
}
std::size_t __wrap_strnlen(const char* text, std::size_t most) {
    const auto length = __real_strnlen(text, most);
    see_range(text, std::min(length + 1, most), access_kind::read, COROSCOPE_CALLER);
    return length;
}
int __wrap_strcmp(const char* a, const char* b) {
    if (is_seen()) {
        const auto shorter = std::min(__real_strlen(a), __real_strlen(b)) + 1;
        see_range(a, shorter, access_kind::read, COROSCOPE_CALLER);
        see_range(b, shorter, access_kind::read, COROSCOPE_CALLER);
    }
    return __real_strcmp(a, b);
}
char* __wrap_strcpy(char* to, const char* from) {
    if (is_seen()) {
        const auto bytes = __real_strlen(from) + 1;
        see_range(from, bytes, access_kind::read, COROSCOPE_CALLER);
        see_range(to, bytes, access_kind::write, COROSCOPE_CALLER);
    }
    return __real_strcpy(to, from);
}
char* __wrap_strncpy(char* to, const char* from, std::size_t most) {
    if (is_seen()) {
        const auto read = std::min(most, __real_strnlen(from, most) + 1);
        see_range(from, read, access_kind::read, COROSCOPE_CALLER);
        see_range(to, most, access_kind::write, COROSCOPE_CALLER);
    }
    return __real_strncpy(to, from, most);
}
char* __wrap_strcat(char* to, const char* from) {
    if (is_seen()) {
        const auto before = __real_strlen(to);
        const auto bytes = __real_strlen(from) + 1;
        see_range(to, before + 1, access_kind::read, COROSCOPE_CALLER);
        see_range(from, bytes, access_kind::read, COROSCOPE_CALLER);
        see_range(to + before, bytes, access_kind::write, COROSCOPE_CALLER);
    }
    return __real_strcat(to, from);
}

// From one element of a std::map or std::set to the next, or the one before: functions of the
// shared library, which begin with a look at the node. It has a colour, its parent, and two
// children.
#define COROSCOPE_STEP(mangled, node_pointer, child)                                     \
    node_pointer __real_##mangled(node_pointer node);                                    \
    node_pointer __wrap_##mangled(node_pointer node) {                                   \
        see<sizeof(void*), access_kind::read>(                                           \
            static_cast<const char*>(node) + (child) * sizeof(void*), COROSCOPE_CALLER); \
        return __real_##mangled(node);                                                   \
    }
COROSCOPE_STEP(_ZSt18_Rb_tree_incrementPSt18_Rb_tree_node_base, void*, 3)
COROSCOPE_STEP(_ZSt18_Rb_tree_incrementPKSt18_Rb_tree_node_base, const void*, 3)
COROSCOPE_STEP(_ZSt18_Rb_tree_decrementPSt18_Rb_tree_node_base, void*, 2)
COROSCOPE_STEP(_ZSt18_Rb_tree_decrementPKSt18_Rb_tree_node_base, const void*, 2)

}  // extern "C"
