// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/gathering.hpp>

namespace coroscope::detail {

void gathering::watch(future_core& outcome, std::vector<any_task> children) {
    outcome_ = &outcome;
    children_ = std::move(children);
    left_ = children_.size();
    watches_ = std::make_unique<child[]>(left_);
    outcome.add_reference();  // ours, until the last child is done
    if (left_ == 0) {
        finish();
        return;
    }
    const auto count = left_;
    for (std::size_t i = 0; i < count; ++i) {
        watches_[i].group = this;
        watches_[i].index = i;
        auto& task = children_[i].core();
        if (task.done()) {
            child_done(i);
        } else {
            task.add_waiter(watches_[i]);
        }
    }
}

bool gathering::cancel_children(std::string_view message) {
    // Back here from a child that awaits the gather's own awaiter: the circle ends here.
    if (left_ == 0 || outcome_ == nullptr || passing_on_) { return false; }
    cancel_requested_ = true;
    cancel_message_ = message;
    passing_on_ = true;
    for (auto& task : children_) {
        task.cancel(message);
    }
    passing_on_ = false;
    return true;
}

void gathering::child_done(std::size_t index) noexcept {
    auto& task = children_[index].core();
    // A child that fails after the gather was cancelled keeps its exception for the handler.
    if (task.status() != completion_status::value && !cancel_requested_) {
        if (task.status() == completion_status::exception) { task.mark_retrieved(); }
        fail(task.status(), task.exception());
    }
    const completion& awaited = *outcome_;
    if (!awaited.is_over()) { note_arrival(&awaited); }
    if (--left_ == 0) { finish(); }
}

void gathering::fail(completion_status status, std::exception_ptr why) noexcept {
    if (!outcome_->done()) { outcome_->finish(status, std::move(why)); }
}

void gathering::finish() noexcept {
    if (!outcome_->is_over()) {
        if (cancel_requested_) {
            outcome_->finish(completion_status::cancelled, cancellation_of(cancel_message_));
        } else {
            try {
                collect();
                outcome_->finish(completion_status::value, nullptr);
            } catch (...) {
                outcome_->finish(completion_status::exception, std::current_exception());
            }
        }
    }
    outcome_->release();  // may destroy *this
}

}  // namespace coroscope::detail
