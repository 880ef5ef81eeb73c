// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/handle.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>

namespace coroscope::detail {

void handle_state::cancel() noexcept {
    note_change(this);
    if (cancelled || loop == nullptr) { return; }
    cancelled = true;
    function.reset();
    if (timer.armed()) {
        loop->timers.disarm(timer);
        loop = nullptr;
        release();  // the timer queue's reference; a ready entry keeps its own
    }
}

bool handle_state::is_cancelled() const noexcept {
    note_use(this, access_kind::test);
    return cancelled;
}

void* handle_state::operator new(std::size_t size) {
    return allocate_block(block_kind::frame, size);
}

void handle_state::operator delete(void* memory, std::size_t size) noexcept {
    note_end_of_life(memory, size);
    release_block(block_kind::frame, memory, size);
}

}  // namespace coroscope::detail
