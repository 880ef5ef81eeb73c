// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/loop.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace coroscope {

namespace detail {

/// What ends an Asio operation: a cancellation becomes `operation_aborted`, as Asio says it.
[[nodiscard]] std::exception_ptr as_asio_exception(const std::exception_ptr& thrown) noexcept;
[[nodiscard]] std::exception_ptr closed_loop_exception();

template <class T>
struct spawn_signature {
    using type = void(std::exception_ptr, T);
};
template <>
struct spawn_signature<void> {
    using type = void(std::exception_ptr);
};

/// A `coro` on its way to a loop, and its outcome on its way back to Asio code.
template <class T, class Handler>
class spawned : public std::enable_shared_from_this<spawned<T, Handler>> {
public:
    spawned(loop& l, coro<T> work, std::string_view name, await_site where, Handler handler)
        : loop_(&l),
          mail_(l.core().mail),
          work_(std::move(work)),
          name_(name),
          where_(where),
          handler_(std::move(handler)),
          guard_(boost::asio::get_associated_executor(*handler_, l.io_context().get_executor())) {}

    void start() {
        auto slot = boost::asio::get_associated_cancellation_slot(*handler_);
        if (slot.is_connected()) {
            slot.assign([weak = this->weak_from_this()](boost::asio::cancellation_type) {
                if (auto self = weak.lock()) { self->request_cancellation(); }
            });
        }
        const bool arrives = post_mail(
            *mail_, [self = this->shared_from_this()] { self->begin(); }, where_);
        if (!arrives) {  // nor does anything that goes to the loop's own context
            finish_on(boost::asio::get_associated_executor(*handler_), closed_loop_exception(),
                      std::nullopt);
        }
    }

private:
    using slot_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

    void request_cancellation() {
        post_mail(*mail_, [self = this->shared_from_this()] {
            if (self->task_.valid()) { self->task_.cancel("cancelled by Asio"); }
        });
    }
    void begin() {
        try {
            task_ = loop_->create_task(std::move(work_), name_, where_);
            task_.add_done_callback([self = this->shared_from_this()](const auto&) { self->end(); },
                                    where_);
        } catch (...) { finish(std::current_exception(), std::nullopt); }
    }
    void end() {
        const auto done = std::exchange(task_, task<T>());
        const auto thrown = outcome_of(done.core());
        if (thrown != nullptr) {
            finish(as_asio_exception(thrown), std::nullopt);
        } else if constexpr (std::is_void_v<T>) {
            finish(nullptr, std::monostate());
        } else {
            finish(nullptr, task<T>(done).result());
        }
    }
    [[nodiscard]] static std::exception_ptr outcome_of(task_core& core) noexcept {
        try {
            core.throw_unless_value("task");
        } catch (...) { return std::current_exception(); }
        return nullptr;
    }
    void finish(std::exception_ptr thrown, std::optional<slot_value> value) {
        finish_on(guard_.get_executor(), std::move(thrown), std::move(value));
    }
    template <class Executor>
    void finish_on(const Executor& executor, std::exception_ptr thrown,
                   std::optional<slot_value> value) {
        auto handler = std::move(*handler_);
        handler_.reset();
        auto complete = [h = std::move(handler), e = std::move(thrown),
                         v = std::move(value)]() mutable {
            if constexpr (std::is_void_v<T>) {
                static_cast<void>(v);
                std::move(h)(std::move(e));
            } else {
                std::move(h)(std::move(e), v.has_value() ? std::move(*v) : T());
            }
        };
        boost::asio::post(executor, std::move(complete));
        guard_.reset();
    }

    using executor_type =
        boost::asio::associated_executor_t<Handler, boost::asio::io_context::executor_type>;
    loop* loop_;
    std::shared_ptr<inbox> mail_;
    coro<T> work_;
    std::string name_;
    await_site where_;
    std::optional<Handler> handler_;
    boost::asio::executor_work_guard<executor_type> guard_;
    task<T> task_;
};

}  // namespace detail

/// Starts a coroutine on a loop, from Asio code on any thread; what `co_spawn` is for Asio's own.
///
///     asio::awaitable<void> handle(coroscope::loop& l) {
///         const int n = co_await coroscope::spawn(l, count_rows(), asio::use_awaitable);
///     }
///
/// Completes with `void(std::exception_ptr, T)` (without `T` for `coro<void>`) on the handler's
/// associated executor (if it has none: inside the loop), once the coroutine has ended. Cancelling
/// the operation through its slot cancels the task; a task that ends as cancelled completes with
/// `operation_aborted`. A closed loop completes with `broken_loop_error`. `T` must have a default
/// constructor, for the case of an exception, as with `co_spawn`.
/// **Thread safety**: any thread. **Lifetime**: the loop must outlive the call.
template <class T, class CompletionToken>
auto spawn(loop& on, coro<T> work, CompletionToken&& token, std::string_view name = {},
           await_site where = await_site::current()) {
    return boost::asio::async_initiate<CompletionToken, typename detail::spawn_signature<T>::type>(
        [&on, name, where](auto handler, coro<T> started) {
            using handler_type = std::decay_t<decltype(handler)>;
            std::make_shared<detail::spawned<T, handler_type>>(on, std::move(started), name, where,
                                                               std::move(handler))
                ->start();
        },
        token, std::move(work));
}

}  // namespace coroscope
