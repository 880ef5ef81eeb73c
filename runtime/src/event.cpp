// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/event.hpp>

namespace coroscope {

void event::set() {
    waiters_.expect_thread("event::set");
    detail::note_use(this, detail::access_kind::release);
    set_ = true;
    while (!waiters_.empty()) {
        waiters_.wake_first();
    }
}

void detail::event_awaiter::suspend(frame_base& frame) {
    enter(event_->waiters_, frame, where_);
}

}  // namespace coroscope
