// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/runtime/task_group.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

/// The pool was closed.
class pool_closed : public std::runtime_error {
public:
    pool_closed() : std::runtime_error("the connection pool is closed") {}
};

/// At most so many connections, which those who need one take turns with.
///
///     connection_pool<stream> pool(3, connect);
///     const auto ask = [](stream& s, std::string what) -> coro<std::string> { ... };
///     std::string answer = co_await pool.use(ask, "question");
///
/// A connection is made when somebody needs one and none is free, and kept for the next. One whose
/// user fails or is cancelled is thrown away, since nobody knows what state it is in, and another
/// takes its place when it is needed. Who has to wait is served first come, first served.
/// `Connection` is movable and has `close()` and a coroutine `wait_closed()`; destroying one closes
/// it. **Thread safety**: the loop's thread only. **Lifetime**: outlives those who use it.
template <class Connection>
class connection_pool {
public:
    using connector = std::function<coroscope::coro<Connection>()>;

    connection_pool(std::size_t max_conn, connector connect)
        : connect_(std::move(connect)),
          max_conn_(max_conn),
          permits_(max_conn) {
        if (max_conn == 0) { throw std::invalid_argument("a connection pool of size 0"); }
        unused_.set();
    }
    connection_pool(const connection_pool&) = delete;
    connection_pool& operator=(const connection_pool&) = delete;

    /// Waits for a connection, then for the coroutine `f(connection, args...)`, whose result it
    /// gives. Throws what connecting or `f` throws, and `pool_closed`.
    template <class F, class... Args>
    [[nodiscard]] auto use(F f, Args... args) {
        return use_one(false, std::move(f), std::move(args)...);
    }
    /// The same with a new connection, in place of a free one where there is no room. That the
    /// other side has closed a connection meanwhile shows only when it is used: this is for trying
    /// again.
    template <class F, class... Args>
    [[nodiscard]] auto use_new(F f, Args... args) {
        return use_one(true, std::move(f), std::move(args)...);
    }

    /// Makes all the connections that there may be now, side by side.
    [[nodiscard]] coroscope::coro<> connect_all() {
        coroscope::task_group group;
        co_await group.run(start_connecting(group));
    }

    /// Turns away those who wait and those who come, waits for those who have a connection, then
    /// until all connections are closed.
    [[nodiscard]] coroscope::coro<> close() {
        // Somebody who waits gets this permit, is turned away, and so passes it on to the next.
        if (!std::exchange(closed_, true)) { permits_.release(); }
        co_await unused_.wait();
        auto left = std::exchange(free_, {});
        for (auto& each : left) {
            each.close();
        }
        for (auto& each : left) {
            co_await until_closed(each);
        }
    }

    /// Connections that nobody uses now.
    [[nodiscard]] std::size_t free() const noexcept { return free_.size(); }
    [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }
    /// Connections made so far.
    [[nodiscard]] std::size_t made() const noexcept { return made_; }

private:
    struct user {
        explicit user(connection_pool& p) : pool(p) {
            ++pool.in_use_;
            pool.unused_.clear();
        }
        user(const user&) = delete;
        user& operator=(const user&) = delete;
        ~user() {
            if (--pool.in_use_ == 0) { pool.unused_.set(); }
        }
        connection_pool& pool;
    };

    template <class F, class... Args>
    [[nodiscard]] std::invoke_result_t<F&, Connection&, Args...> use_one(bool new_one, F f,
                                                                         Args... args) {
        using result_type = typename std::invoke_result_t<F&, Connection&, Args...>::result_type;
        const auto permit = co_await permits_.scoped();
        if (closed_) { throw pool_closed(); }
        const user counted(*this);
        if (new_one && free_.size() + in_use_ > max_conn_) { free_.erase(free_.begin()); }
        Connection mine = co_await take(new_one);
        auto work = f(mine, std::move(args)...);  // a failure destroys the connection
        if constexpr (std::is_void_v<result_type>) {
            co_await std::move(work);
            free_.push_back(std::move(mine));
        } else {
            result_type result = co_await std::move(work);
            free_.push_back(std::move(mine));
            co_return result;
        }
    }

    /// The connection that was used last, or a new one.
    [[nodiscard]] coroscope::coro<Connection> take(bool new_one) {
        if (new_one || free_.empty()) {
            Connection made = co_await connect_();
            ++made_;
            co_return made;
        }
        Connection last = std::move(free_.back());
        free_.pop_back();
        co_return last;
    }

    [[nodiscard]] static coroscope::coro<> do_nothing(Connection&) { co_return; }
    [[nodiscard]] coroscope::coro<> start_connecting(coroscope::task_group& group) {
        for (auto n = free_.size() + in_use_; n < max_conn_; ++n) {
            group.create_task(use_new(do_nothing));
        }
        co_return;
    }

    /// How it ends makes no difference any more.
    [[nodiscard]] static coroscope::coro<> until_closed(Connection& which) {
        try {
            co_await which.wait_closed();
        } catch (const coroscope::cancelled_error&) {
            throw;
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
        }
    }

    connector connect_;
    std::size_t max_conn_;
    coroscope::semaphore permits_;
    std::vector<Connection> free_;
    coroscope::event unused_;  ///< nobody has a connection
    std::size_t in_use_ = 0;
    std::size_t made_ = 0;
    bool closed_ = false;
};
