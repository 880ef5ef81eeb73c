// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/call_timer.hpp>

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace coroscope::instrumentation::detail {

/// What a coroutine's frame keeps its statistics with.
template <class Statistics>
[[nodiscard]] std::shared_ptr<Statistics> hold(const std::shared_ptr<Statistics>& statistics) {
    return statistics;
}
[[nodiscard]] inline call_hold hold(const std::shared_ptr<call_statistics>& statistics) noexcept {
    return call_hold(*statistics);
}

/// Awaits a call of a coroutine function while a `Meter` (a `call_timer`, for instance) is there,
/// and tells that what became of it. A call that is dropped while it is suspended, with its loop
/// for instance, counts as cancelled.
template <class Meter, class Hold, class T>
coro<T> measure_coroutine(Hold statistics, coro<T> work) {
    Meter meter(*statistics, call_outcome::cancelled);
    try {
        if constexpr (std::is_void_v<T>) {
            co_await coroscope::detail::unlisted(work);
            meter.set(call_outcome::returned);
        } else {
            T result = co_await coroscope::detail::unlisted(work);
            meter.set(call_outcome::returned);
            co_return static_cast<T&&>(result);
        }
    } catch (const cancelled_error&) { throw; } catch (...) {
        meter.set(call_outcome::threw);
        throw;
    }
}

/// The same for a plain function.
template <class Meter, class Statistics, class F, class... Args>
std::invoke_result_t<F&, Args...> measure_function(Statistics& statistics, F& f, Args&&... args) {
    Meter meter(statistics, call_outcome::returned);
    try {
        return std::invoke(f, std::forward<Args>(args)...);
    } catch (const cancelled_error&) {
        meter.set(call_outcome::cancelled);
        throw;
    } catch (...) {
        meter.set(call_outcome::threw);
        throw;
    }
}

/// Either, by what `f` returns. A function that throws instead of returning its coroutine has been
/// called, too.
template <class Meter, class Statistics, class F, class... Args>
std::invoke_result_t<F&, Args...> measure_call(const std::shared_ptr<Statistics>& statistics, F& f,
                                               Args&&... args) {
    if constexpr (coroscope::detail::is_coro<std::invoke_result_t<F&, Args...>>) {
        try {
            return measure_coroutine<Meter>(hold(statistics),
                                            std::invoke(f, std::forward<Args>(args)...));
        } catch (...) {
            const Meter meter(*statistics, call_outcome::threw);
            throw;
        }
    } else {
        return measure_function<Meter>(*statistics, f, std::forward<Args>(args)...);
    }
}

/// A function whose calls are measured by a `Meter` while its profiler is started.
template <class Meter, class Statistics, class F>
class measured_callable {
public:
    measured_callable(std::shared_ptr<Statistics> statistics, F f)
        : statistics_(std::move(statistics)),
          function_(std::move(f)) {}

    template <class... Args>
        requires std::is_invocable_v<F&, Args...> std::invoke_result_t<F&, Args...>
    operator()(Args&&... args) { return call(function_, std::forward<Args>(args)...); }
    template <class... Args>
        requires std::is_invocable_v<const F&, Args...> std::invoke_result_t<const F&, Args...>
    operator()(Args&&... args) const { return call(function_, std::forward<Args>(args)...); }

private:
    template <class G, class... Args>
    std::invoke_result_t<G&, Args...> call(G& f, Args&&... args) const {
        if (!statistics_->counts()) { return std::invoke(f, std::forward<Args>(args)...); }
        return measure_call<Meter>(statistics_, f, std::forward<Args>(args)...);
    }

    std::shared_ptr<Statistics> statistics_;
    F function_;
};

}  // namespace coroscope::instrumentation::detail
