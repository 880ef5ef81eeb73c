// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/assertion_error.hpp>
#include <coroscope/testkit/capture_output.hpp>
#include <coroscope/testkit/detail/mock_argument.hpp>
#include <coroscope/testkit/detail/mock_core.hpp>
#include <coroscope/testkit/intercept_sleep.hpp>
#include <coroscope/testkit/patch.hpp>

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/result_slot.hpp>

#include <concepts>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace coroscope::testkit {

template <class Signature>
class coroutine_mock;

/// A coroutine function that answers as it is told, and knows how it was called and awaited.
///
///     coroutine_mock<int(std::string)> fetch("fetch");
///     fetch.delays(2s).throws_once(timeout_error("busy")).returns(3);
///     CO_CHECK(co_await use(fetch) == 3);                  // or patch(service.fetch, fetch)
///     fetch.assert_awaited_with("a");
///
/// Answers are chosen when a call is awaited: those for one await first, in the order in which they
/// were given, then the one for all others. A mock that returns something fails the test where it
/// has no answer. So does a call that is never awaited: what it returned was dropped, and neither
/// because of an exception nor of a cancellation.
///
/// Copies are the same mock, so that it may be given away by value, as a `std::function`, or by
/// reference. How it keeps arguments: `detail::kept_argument`. **Thread safety**: one thread.
/// **Lifetime**: calls in flight keep what they need.
template <class R, class... Args>
class coroutine_mock<R(Args...)> {
public:
    explicit coroutine_mock(std::string name) : state_(std::make_shared<state>(std::move(name))) {}

    coro<R> operator()(Args... args, await_site where = await_site::current()) const {
        auto made = std::make_shared<call>();
        made->keep_at_call(args...);
        state_->note_call(made, where);
        return play(state_, made, detail::mock_ticket(state_, made), std::forward<Args>(args)...);
    }

    // --- Answers

    /// To all awaits. Something that cannot be copied answers one.
    template <class V = R>
        requires(!std::is_void_v<R>)
    coroutine_mock& returns(V&& value) {
        return answers<can_repeat>(answer_with(std::forward<V>(value)));
    }
    coroutine_mock& returns() requires std::is_void_v<R> {
        return answers<true>(std::make_shared<answer>());
    }
    template <class V = R>
        requires(!std::is_void_v<R>)
    coroutine_mock& returns_once(V&& value) {
        return answers<false>(answer_with(std::forward<V>(value)));
    }
    coroutine_mock& returns_once() requires std::is_void_v<R> {
        return answers<false>(std::make_shared<answer>());
    }
    /// The first to the next await, and so on.
    template <class... V>
    coroutine_mock& returns_in_turn(V&&... values) {
        (returns_once(std::forward<V>(values)), ...);
        return *this;
    }
    template <class E>
    coroutine_mock& throws(E exception) {
        return answers<true>(answer_throwing(std::move(exception)));
    }
    template <class E>
    coroutine_mock& throws_once(E exception) {
        return answers<false>(answer_throwing(std::move(exception)));
    }
    /// `f` is called with the arguments, and may be a coroutine function; what it returns, or
    /// throws, is the answer.
    template <class F>
    coroutine_mock& side_effect(F f) {
        return answers<true>(answer_by(std::move(f)));
    }
    template <class F>
    coroutine_mock& side_effect_once(F f) {
        return answers<false>(answer_by(std::move(f)));
    }
    /// Each answer takes this long, in the loop's time.
    coroutine_mock& delays(duration length) {
        state_->delay = length;
        return *this;
    }

    // --- What came

    [[nodiscard]] const std::string& name() const noexcept { return state_->name(); }
    [[nodiscard]] std::size_t call_count() const noexcept { return state_->calls().size(); }
    [[nodiscard]] std::size_t await_count() const noexcept { return state_->awaits().size(); }
    /// An argument of an await, the first one being number 0: as it was kept. Throws
    /// `assertion_error` where there is none.
    template <std::size_t Index>
    [[nodiscard]] const auto& awaited_argument(std::size_t await,
                                               await_site where = await_site::current()) const {
        const auto& came = static_cast<const call&>(*state_->await_at(await, where).call);
        const auto& kept = std::get<Index>(came.kept).value;
        if (!kept.has_value()) {
            throw assertion_error(name() + ": a side effect was given that argument");
        }
        return *kept;
    }
    /// Forgets calls and awaits; answers stay.
    void reset() noexcept { state_->forget(); }

    // --- Assertions; they throw `assertion_error`. An expected argument is a value, `anything`, or
    // `matching(f)`.

    void assert_awaited(await_site where = await_site::current()) const {
        state_->assert_count("assert_awaited", await_count() > 0, "at least one await", where);
    }
    void assert_awaited_once(await_site where = await_site::current()) const {
        state_->assert_count("assert_awaited_once", await_count() == 1, "one await", where);
    }
    void assert_not_awaited(await_site where = await_site::current()) const {
        state_->assert_count("assert_not_awaited", await_count() == 0, "no await", where);
    }
    /// All calls that were made were awaited.
    void assert_all_awaited(await_site where = await_site::current()) const {
        state_->assert_all_awaited(where);
    }
    /// The last await had these arguments.
    void assert_awaited_with(detail::expected_argument<Args>... expected,
                             await_site where = await_site::current()) const {
        const expected_arguments all(std::move(expected)...);
        state_->assert_last(all.matcher(), all.text, where);
    }
    void assert_awaited_once_with(detail::expected_argument<Args>... expected,
                                  await_site where = await_site::current()) const {
        const expected_arguments all(std::move(expected)...);
        state_->assert_once(all.matcher(), all.text, where);
    }
    /// Some await had.
    void assert_any_await(detail::expected_argument<Args>... expected,
                          await_site where = await_site::current()) const {
        const expected_arguments all(std::move(expected)...);
        state_->assert_any(all.matcher(), all.text, where);
    }
    /// What `assert_awaits_in_order` is given for each await: `{"a", 1}`.
    struct expected_arguments {
        // NOLINTNEXTLINE(google-explicit-constructor): written as a braced list
        expected_arguments(detail::expected_argument<Args>... expected)
            : text(joined(expected.text()...)),
              all(std::move(expected)...) {}
        [[nodiscard]] detail::mock_core::matcher matcher() const {
            return [this](const detail::mock_call& came) {
                return static_cast<const call&>(came).is(*this);
            };
        }
        std::string text;  ///< before `all`, which is moved into place
        std::tuple<detail::expected_argument<Args>...> all;
    };
    /// Awaits with these arguments came in this order; others may have come before, between and
    /// after.
    void assert_awaits_in_order(std::initializer_list<expected_arguments> expected,
                                await_site where = await_site::current()) const {
        std::vector<detail::mock_core::matcher> matchers;
        std::vector<std::string> texts;
        for (const auto& each : expected) {
            matchers.push_back(each.matcher());
            texts.push_back(each.text);
        }
        state_->assert_in_order(matchers, texts, where);
    }

    /// For `mock_log`.
    [[nodiscard]] detail::mock_core& core() const noexcept { return *state_; }

private:
    static constexpr bool can_repeat = std::is_reference_v<R> || std::is_copy_constructible_v<R>;

    template <class... Texts>
    [[nodiscard]] static std::string joined(const Texts&... texts) {
        std::string all;
        ((all += (all.empty() ? "" : ", ") + texts), ...);
        return "(" + all + ")";
    }

    struct call final : detail::mock_call {
        std::tuple<detail::kept_argument<Args>...> kept;

        void keep_at_call(const std::remove_reference_t<Args>&... args) {
            const auto keep = [&](auto&... each) {
                (each.keep_at_call(args), ...);
            };
            std::apply(keep, kept);
        }
        void keep_at_await(std::remove_reference_t<Args>&... args) {
            const auto keep = [&](auto&... each) {
                (each.keep_at_await(args), ...);
            };
            std::apply(keep, kept);
        }
        [[nodiscard]] bool is(const expected_arguments& expected) const {
            return is(expected, std::index_sequence_for<Args...>());
        }
        template <std::size_t... I>
        [[nodiscard]] bool is(const expected_arguments& expected, std::index_sequence<I...>) const {
            return (std::get<I>(expected.all).accepts(std::get<I>(kept)) && ...);
        }
        [[nodiscard]] std::string arguments() const override {
            const auto join = [](const auto&... each) {
                return joined(each.text()...);
            };
            return std::apply(join, kept);
        }
    };

    struct answer {
        coroscope::detail::result_slot<R> value;
        std::exception_ptr thrown;
        std::function<coro<R>(Args...)> effect;
    };

    struct state final : detail::mock_core {
        using detail::mock_core::mock_core;
        std::deque<std::shared_ptr<answer>> once;
        std::shared_ptr<answer> always = std::is_void_v<R> ? std::make_shared<answer>() : nullptr;
        duration delay{};

        [[nodiscard]] std::shared_ptr<answer> next_answer() {
            if (!once.empty()) {
                auto next = std::move(once.front());
                once.pop_front();
                return next;
            }
            if (always == nullptr) { this->fail_without_answer(); }
            return always;
        }
    };

    /// The coroutine that a call gives.
    static coro<R> play(std::shared_ptr<state> s, std::shared_ptr<call> c,
                        detail::mock_ticket ticket, Args... args) {
        ticket.use();
        const auto chosen = s->next_answer();
        if (!chosen->effect) { c->keep_at_await(args...); }
        if (s->delay > duration::zero()) { co_await detail::let_pass(s->delay); }
        if (chosen->thrown) { std::rethrow_exception(chosen->thrown); }
        if constexpr (std::is_void_v<R>) {
            if (chosen->effect) { co_await chosen->effect(std::forward<Args>(args)...); }
        } else {
            if (chosen->effect) { co_return co_await chosen->effect(std::forward<Args>(args)...); }
            if constexpr (can_repeat) {
                co_return std::as_const(chosen->value).get();
            } else {
                co_return std::move(chosen->value).get();
            }
        }
    }

    /// Runs a side effect that is no coroutine function as one.
    template <class F>
    static coro<R> run_plain(std::shared_ptr<F> f, Args... args) {
        if constexpr (std::is_void_v<R>) {
            static_cast<void>(std::invoke(*f, std::forward<Args>(args)...));
            co_return;
        } else {
            co_return std::invoke(*f, std::forward<Args>(args)...);
        }
    }

    template <class V>
    [[nodiscard]] static std::shared_ptr<answer> answer_with(V&& value) {
        auto made = std::make_shared<answer>();
        made->value.set(std::forward<V>(value));
        return made;
    }
    template <class E>
    [[nodiscard]] static std::shared_ptr<answer> answer_throwing(E exception) {
        auto made = std::make_shared<answer>();
        if constexpr (std::same_as<E, std::exception_ptr>) {
            made->thrown = std::move(exception);
        } else {
            made->thrown = std::make_exception_ptr(std::move(exception));
        }
        return made;
    }
    template <class F>
    [[nodiscard]] static std::shared_ptr<answer> answer_by(F f) {
        auto made = std::make_shared<answer>();
        auto shared = std::make_shared<F>(std::move(f));
        made->effect = [shared](Args... args) {
            if constexpr (coroscope::detail::is_coro<std::invoke_result_t<F&, Args...>>) {
                return std::invoke(*shared, std::forward<Args>(args)...);
            } else {
                return run_plain(shared, std::forward<Args>(args)...);
            }
        };
        return made;
    }
    template <bool Always>
    coroutine_mock& answers(std::shared_ptr<answer> made) {
        if constexpr (Always) {
            state_->always = std::move(made);
        } else {
            state_->once.push_back(std::move(made));
        }
        return *this;
    }

    std::shared_ptr<state> state_;
};

}  // namespace coroscope::testkit
