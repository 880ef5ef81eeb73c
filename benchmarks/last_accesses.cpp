// SPDX-License-Identifier: Apache-2.0
#include "last_accesses.hpp"

#include <coroscope/runtime/detail/task_core.hpp>

namespace coroscope::benchmarks {

last_accesses::last_accesses() {
    detail::access_listener = this;
}

last_accesses::~last_accesses() {
    detail::access_listener = nullptr;
}

last_accesses::page& last_accesses::page_of(std::uintptr_t address) {
    const auto number = address / page_bytes;
    if (number != latest_number_) {
        auto& found = pages_[number];
        if (found == nullptr) { found = std::make_unique<page>(); }
        latest_number_ = number;
        latest_ = found.get();
    }
    return *latest_;
}

void last_accesses::on_access(const detail::access& made) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(made.object);
    for (auto at = begin; at < begin + made.bytes; at = (at / word_bytes + 1) * word_bytes) {
        auto& last = page_of(at)[at % page_bytes / word_bytes];
        last.code[made.kind == detail::access_kind::write ? 1 : 0] = made.code;
        last.task = detail::running_loop->current->id();
    }
}

void last_accesses::on_end_of_life(const void* block, std::size_t bytes) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(block);
    for (auto at = begin; at < begin + bytes; at = (at / word_bytes + 1) * word_bytes) {
        page_of(at)[at % page_bytes / word_bytes] = {};
    }
}

}  // namespace coroscope::benchmarks
