// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/with.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace coroscope {

/// Several resources, released in reverse order: Python's `AsyncExitStack`.
///
/// `run` runs a body that enters resources as it goes, and releases them after it, last first, each
/// as `with` does: in full, whatever cancels the user meanwhile. Each release is told what is being
/// thrown; an exception of a release takes its place. **Lifetime**: must outlive `run`. A stack
/// that is destroyed with resources left destroys them without `exit`. **Thread safety**: the
/// loop's thread only.
///
///     coro<> body(coroscope::exit_stack& stack) {
///         auto& in = co_await stack.enter(coroscope::closing(source()));
///         auto& out = co_await stack.enter(coroscope::closing(sink()));
///         co_await copy(in, out);
///     }
///
///     coroscope::exit_stack stack;
///     co_await stack.run(body(stack));
class exit_stack {
public:
    exit_stack() = default;
    exit_stack(exit_stack&&) = default;
    exit_stack& operator=(exit_stack&&) = delete;  // what it holds could not be released

    /// Awaits `resource.enter()`, gives what that gives, and puts the resource on the stack. An
    /// rvalue is moved in; an lvalue stays where it is. If `enter` throws there is nothing to
    /// release.
    template <async_resource R>
    [[nodiscard]] coro<detail::entered<R>> enter(R&& resource) {
        return enter_held(std::make_unique<held<R>>(std::forward<R>(resource)));
    }
    /// Puts a release on the stack: `coro<> f(std::exception_ptr)`.
    template <class F>
    requires std::is_invocable_r_v<coro<>, F&, std::exception_ptr> void push(F f) {
        entries_.push_back(std::make_unique<released_by<F>>(std::move(f)));
    }
    /// Calls `f()` on release, and awaits what it returns if that is a `coro<>`.
    template <class F>
        requires std::is_invocable_v<F&>
    void callback(F f) { entries_.push_back(std::make_unique<calling<F>>(std::move(f))); }

    /// Releases all now, last first.
    [[nodiscard]] coro<> close(await_site where = await_site::current()) {
        return unwind(nullptr, where);
    }
    /// Moves everything to a new stack; this one has nothing to release.
    [[nodiscard]] exit_stack pop_all() noexcept { return std::move(*this); }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

    /// Runs the body, then releases what is on the stack, and gives the body's result.
    template <class T>
    [[nodiscard]] coro<T> run(coro<T> body, await_site where = await_site::current()) {
        detail::result_slot<T> result;
        std::exception_ptr error;
        co_await detail::settle_body(std::move(body), result, error);
        co_await unwind(error, where);
        co_return std::move(result).get();
    }

private:
    struct entry {
        entry() = default;
        entry(const entry&) = delete;
        entry& operator=(const entry&) = delete;
        virtual ~entry() = default;
        [[nodiscard]] virtual coro<> exit(std::exception_ptr error) = 0;
    };
    template <class R>
    struct held final : entry {
        explicit held(R&& r) : resource(std::forward<R>(r)) {}
        [[nodiscard]] coro<> exit(std::exception_ptr error) override {
            return resource.exit(std::move(error));
        }
        R resource;
    };
    template <class F>
    struct released_by final : entry {
        explicit released_by(F f) : function(std::move(f)) {}
        [[nodiscard]] coro<> exit(std::exception_ptr error) override {
            return function(std::move(error));
        }
        F function;
    };
    template <class F>
    struct calling final : entry {
        explicit calling(F f) : function(std::move(f)) {}
        [[nodiscard]] coro<> exit(std::exception_ptr) override {
            if constexpr (detail::is_coro<std::invoke_result_t<F&>>) {
                co_await function();
            } else {
                function();
            }
            co_return;
        }
        F function;
    };

    template <class R>
    coro<detail::entered<R>> enter_held(std::unique_ptr<held<R>> holding) {
        if constexpr (std::is_void_v<detail::entered<R>>) {
            co_await holding->resource.enter();
            entries_.push_back(std::move(holding));
        } else {
            detail::entered<R> value = co_await holding->resource.enter();
            entries_.push_back(std::move(holding));
            co_return static_cast<detail::entered<R>&&>(value);
        }
    }
    [[nodiscard]] coro<> unwind(std::exception_ptr error, await_site where);

    std::vector<std::unique_ptr<entry>> entries_;
};

}  // namespace coroscope
