// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/handle.hpp>

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>

namespace coroscope::detail {

void handle_state::cancel() noexcept {
    if (cancelled || loop == nullptr) { return; }
    cancelled = true;
    function.reset();
    if (timer.armed()) {
        loop->timers.disarm(timer);
        loop = nullptr;
        release();  // the timer queue's reference; a ready entry keeps its own
    }
}

void* handle_state::operator new(std::size_t size) {
    return allocate_block(block_kind::frame, size);
}

void handle_state::operator delete(void* memory, std::size_t size) noexcept {
    release_block(block_kind::frame, memory, size);
}

}  // namespace coroscope::detail
