// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace coroscope {

struct run_options {
    /// Makes the loop; empty: `loop(loop_options)` with the clock and debug flag below.
    std::function<std::unique_ptr<loop>(const loop_options&)> make_loop;
    coroscope::clock* clock = nullptr;
    std::optional<bool> debug;
    /// SIGINT cancels the main task; a second SIGINT ends the process as if nobody handled it.
    bool handle_sigint = true;
    /// Called with the new loop before anything runs: attach observers here.
    std::function<void(loop&)> prepare;
    std::string name = "main";
};

namespace detail {

/// One `run`: makes a loop, and on its way out cancels what is left, waits for it and for the
/// executor's jobs, and closes the loop.
class runner {
public:
    explicit runner(run_options options);
    runner(const runner&) = delete;
    runner& operator=(const runner&) = delete;
    ~runner();

    [[nodiscard]] loop& target() noexcept { return *loop_; }
    [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
    /// SIGINT goes to this task from now on.
    void set_main(any_task main);
    void finish();

private:
    class interrupt_guard;
    run_options options_;
    std::unique_ptr<loop> loop_;
    std::unique_ptr<interrupt_guard> interrupt_;
};

}  // namespace detail

/// Runs a coroutine in a loop of its own and gives its result: the usual `main` of a program.
///
/// Tasks still alive when it ends are cancelled and awaited, the default executor's jobs are
/// awaited, and the loop is closed. Throws what the coroutine throws; `cancelled_error` if it was
/// cancelled, by SIGINT for instance. Throws `std::logic_error` if a loop already runs on this
/// thread.
template <class T>
T run(coro<T> main, run_options options = {}, await_site where = await_site::current()) {
    detail::runner runner(std::move(options));
    auto main_task = runner.target().create_task(std::move(main), runner.name(), where);
    runner.set_main(main_task);
    if constexpr (std::is_void_v<T>) {
        runner.target().run_until_complete(std::move(main_task));
        runner.finish();
    } else {
        T result = runner.target().run_until_complete(std::move(main_task));
        runner.finish();
        return static_cast<T>(std::forward<T>(result));
    }
}

}  // namespace coroscope
