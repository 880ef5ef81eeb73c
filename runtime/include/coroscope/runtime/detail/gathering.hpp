// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace coroscope::detail {

/// Counts children down; keeps the gather alive until the last one is done.
class gathering {
public:
    /// Watches the children; `outcome` is what the gather's awaiters see.
    void watch(future_core& outcome, std::vector<any_task> children);
    /// Cancels the children that are left; false if there are none.
    bool cancel_children(std::string_view message);

    [[nodiscard]] const std::vector<any_task>& children() const noexcept { return children_; }

protected:
    ~gathering() = default;

private:
    struct child final : completion_waiter {
        gathering* group = nullptr;
        std::size_t index = 0;
        void on_complete() noexcept override { group->child_done(index); }
        void add_awaiting(std::vector<task_core*>& to) const override {
            if (group->outcome_ != nullptr) { group->outcome_->collect_awaiting(to); }
        }
    };

    void child_done(std::size_t index) noexcept;
    void fail(completion_status status, std::exception_ptr why) noexcept;
    void finish() noexcept;
    virtual void collect() = 0;  ///< moves the children's results into the outcome

    future_core* outcome_ = nullptr;
    std::vector<any_task> children_;
    std::unique_ptr<child[]> watches_;
    std::size_t left_ = 0;
    std::string cancel_message_;
    bool cancel_requested_ = false;
    bool passing_on_ = false;  ///< is cancelling the children now
};

/// A gather's future: its result is made by `Collector` from the children's.
template <class R, class Collector>
class gather_state final : public future_state<R>, private gathering {
public:
    gather_state(loop_core& core, await_site where)
        : future_state<R>(core, wait_kind::gather, where) {}

    void start(std::vector<any_task> children) { watch(*this, std::move(children)); }
    bool cancel(std::string_view message) override { return cancel_children(message); }

private:
    void collect() override { Collector::collect(children(), this->result); }
};

/// The task of something that `gather` and `wait` take: itself, or a new one.
template <class T>
[[nodiscard]] task<T> ensure_task(loop& l, coro<T>&& work, await_site where) {
    return l.create_task(std::move(work), {}, where);
}
template <class T>
[[nodiscard]] task<T> ensure_task(loop&, task<T> t, await_site) {
    return t;
}

template <class T>
struct gathered;
template <class T>
struct gathered<coro<T>> {
    using result = T;
    static constexpr bool is_consumed = true;
};
template <class T>
struct gathered<task<T>> {
    using result = T;
    static constexpr bool is_consumed = false;  // others may look at it, too
};

/// A child's result as a gather hands it on; `std::monostate` stands for void.
template <class T>
using element =
    std::conditional_t<std::is_void_v<T>, std::monostate,
                       std::conditional_t<std::is_reference_v<T>,
                                          std::reference_wrapper<std::remove_reference_t<T>>, T>>;

template <class Child>
[[nodiscard]] element<typename gathered<Child>::result> take_element(const any_task& child) {
    using result = typename gathered<Child>::result;
    auto typed = child.as<result>();
    if constexpr (std::is_void_v<result>) {
        typed.result();
        return {};
    } else if constexpr (std::is_reference_v<result>) {
        return std::ref(typed.result());
    } else if constexpr (gathered<Child>::is_consumed) {
        return std::move(typed).result();
    } else {
        return typed.result();
    }
}

template <class... Children>
struct tuple_collector {
    static constexpr bool all_void = (std::is_void_v<typename gathered<Children>::result> && ...);
    using result = std::conditional_t<all_void, void,
                                      std::tuple<element<typename gathered<Children>::result>...>>;

    static void collect(const std::vector<any_task>& children, result_slot<result>& into) {
        if constexpr (all_void) {
            into.set();
        } else {
            [&]<std::size_t... I>(std::index_sequence<I...>) {
                into.set(result(take_element<Children>(children[I])...));
            }
            (std::index_sequence_for<Children...>());
        }
    }
};

template <class Child>
struct vector_collector {
    using item = typename gathered<Child>::result;
    using result = std::conditional_t<std::is_void_v<item>, void, std::vector<element<item>>>;

    static void collect(const std::vector<any_task>& children, result_slot<result>& into) {
        if constexpr (std::is_void_v<item>) {
            into.set();
        } else {
            result items;
            items.reserve(children.size());
            for (const auto& child : children) {
                items.push_back(take_element<Child>(child));
            }
            into.set(std::move(items));
        }
    }
};

}  // namespace coroscope::detail
