// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/task_core.hpp>

#include <string>

namespace coroscope::detail {

/// Tells the observers of a loop that belongs to another thread, on that thread, soon.
void remark_wrong_thread(const loop_core& core, const char* what, std::string text);

/// Tells of an exception that nobody retrieved. `made` says of whom.
void remark_lost_exception(loop_core& core, remark made,
                           const std::exception_ptr& exception) noexcept;

/// While one exists, coroutines that are destroyed unstarted on this thread are nobody's omission:
/// they go with frames that were abandoned.
class abandoning_frames {
public:
    abandoning_frames() noexcept;
    abandoning_frames(const abandoning_frames&) = delete;
    abandoning_frames& operator=(const abandoning_frames&) = delete;
    ~abandoning_frames();
};

}  // namespace coroscope::detail
