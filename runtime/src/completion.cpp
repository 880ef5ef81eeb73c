// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/completion.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

namespace coroscope::detail {

bool is_cancellation(const std::exception_ptr& thrown) noexcept {
    if (thrown == nullptr) { return false; }
    try {
        std::rethrow_exception(thrown);
    } catch (const cancelled_error&) { return true; } catch (...) {
        return false;
    }
}

void completion_waiter::unlink_from(completion& source) noexcept {
    (previous_ != nullptr ? previous_->next_ : source.first_) = next_;
    (next_ != nullptr ? next_->previous_ : source.last_) = previous_;
    source_ = nullptr;
}

void completion::unlink_waiters() noexcept {
    while (first_ != nullptr) {
        first_->unlink();
    }
}

void completion::complete(completion_status status, std::exception_ptr exception, loop* owner,
                          keeper keep) noexcept {
    exception_ = std::move(exception);
    complete(status, owner, keep);
}

void completion::complete(completion_status status, loop* owner, keeper keep) noexcept {
    note_use(this, access_kind::release);
    status_ = status;
    while (first_ != nullptr) {
        auto* waiter = first_;
        first_ = waiter->next_;
        (first_ != nullptr ? first_->previous_ : last_) = nullptr;
        waiter->source_ = nullptr;
        waiter->on_complete();
    }
    if (callbacks_ != nullptr) [[unlikely]] { schedule_callbacks(owner, keep); }
}

void completion::collect_awaiting(std::vector<task_core*>& into) const {
    for (const auto* waiter = first_; waiter != nullptr; waiter = waiter->next_) {
        waiter->add_awaiting(into);
    }
}

void completion::schedule_callbacks(loop* owner, keeper keep) noexcept {
    const auto callbacks = std::move(callbacks_);
    if (owner == nullptr || owner->is_closed()) { return; }
    for (auto& each : *callbacks) {
        auto& f = each.function;
        owner->call_soon(keep != nullptr ? keep(*this, std::move(f)) : std::move(f), each.where);
    }
}

void completion::add_done_callback(callback done, loop* owner, await_site where) {
    if (contexts_are_used.load(std::memory_order_relaxed)) {
        done = [in = copy_of_current_context(), f = std::move(done)]() mutable {
            const context_scope inside(in);
            f();
        };
    }
    note_change(&callbacks_, where);  // they run in the order in which they came
    if (this->done()) {
        if (owner != nullptr && !owner->is_closed()) { owner->call_soon(std::move(done), where); }
        return;
    }
    if (callbacks_ == nullptr) { callbacks_ = std::make_unique<std::vector<done_callback>>(); }
    callbacks_->push_back({std::move(done), where});
}

void completion::note_look() const noexcept {
    note_use(this, access_kind::test);
    note_passage(this);
}

void completion::throw_why_not(const char* what) {
    switch (status_) {
    case completion_status::exception: retrieved_ = true; std::rethrow_exception(exception_);
    case completion_status::cancelled:
        if (exception_) { std::rethrow_exception(exception_); }
        throw cancelled_error();
    case completion_status::value:
    case completion_status::pending: break;
    }
    throw invalid_state_error(std::string("the result of a ") + what +
                                  " was asked for before it is done; co_await it, or look at done() "
                                  "first");
}

}  // namespace coroscope::detail
