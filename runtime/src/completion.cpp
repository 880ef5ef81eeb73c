// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/completion.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

namespace coroscope::detail {

void completion_waiter::unlink() noexcept {
    if (source_ == nullptr) { return; }
    (previous_ != nullptr ? previous_->next_ : source_->first_) = next_;
    (next_ != nullptr ? next_->previous_ : source_->last_) = previous_;
    source_ = nullptr;
    previous_ = nullptr;
    next_ = nullptr;
}

completion::~completion() {
    while (first_ != nullptr) {
        first_->unlink();
    }
}

void completion::complete(completion_status status, std::exception_ptr exception,
                          loop* owner) noexcept {
    status_ = status;
    exception_ = std::move(exception);
    while (first_ != nullptr) {
        auto* waiter = first_;
        waiter->unlink();
        waiter->on_complete();
    }
    if (callbacks_ != nullptr) {
        const auto callbacks = std::move(callbacks_);
        if (owner != nullptr && !owner->is_closed()) {
            for (auto& each : *callbacks) {
                owner->call_soon(std::move(each.function), each.where);
            }
        }
    }
}

void completion::add_waiter(completion_waiter& waiter) noexcept {
    waiter.source_ = this;
    waiter.previous_ = last_;
    waiter.next_ = nullptr;
    (last_ != nullptr ? last_->next_ : first_) = &waiter;
    last_ = &waiter;
}

void completion::add_done_callback(callback done, loop* owner, await_site where) {
    if (this->done()) {
        if (owner != nullptr && !owner->is_closed()) { owner->call_soon(std::move(done), where); }
        return;
    }
    if (callbacks_ == nullptr) { callbacks_ = std::make_unique<std::vector<done_callback>>(); }
    callbacks_->push_back({std::move(done), where});
}

void completion::throw_unless_value(const char* what) {
    switch (status_) {
    case completion_status::value: return;
    case completion_status::exception: retrieved_ = true; std::rethrow_exception(exception_);
    case completion_status::cancelled:
        if (exception_) { std::rethrow_exception(exception_); }
        throw cancelled_error();
    case completion_status::pending:
        throw invalid_state_error(std::string("the result of a ") + what +
                                  " was asked for before it is done; co_await it, or look at done() "
                                  "first");
    }
}

}  // namespace coroscope::detail
