// SPDX-License-Identifier: Apache-2.0
#include "stuck_witness.hpp"

namespace coroscope::testkit::detail {
namespace {

constinit thread_local stuck_witness* last_witness = nullptr;

}  // namespace

stuck_witness::stuck_witness() noexcept : previous_(last_witness) {
    if (previous_ != nullptr) { previous_->next_ = this; }
    last_witness = this;
}

stuck_witness::~stuck_witness() {
    if (previous_ != nullptr) { previous_->next_ = next_; }
    (next_ != nullptr ? next_->previous_ : last_witness) = previous_;
}

std::string stuck_witness::all_notes() {
    std::string text;
    for (const auto* witness = last_witness; witness != nullptr; witness = witness->previous_) {
        const auto note = witness->stuck_note();
        if (!note.empty()) { text.insert(0, "\n    " + note); }
    }
    return text;
}

}  // namespace coroscope::testkit::detail
