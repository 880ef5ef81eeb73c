// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/subprocess.hpp>

#include "stream_state.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace coroscope::detail {

/// One child of one loop, until it is reaped: by the loop's thread alone, so that nobody signals a
/// process that has taken over its number.
class child_process : public std::enable_shared_from_this<child_process> {
public:
    child_process(loop& in, pid_t pid, std::string program);
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process();

    /// Watches it from now on. Throws where that is impossible; the child is gone then.
    void watch(child_watching how);
    /// False if it has ended.
    bool send_signal(int signal);
    /// Kills it; the loop reaps it later.
    void abandon() noexcept;
    /// Kills it and waits for its end: the loop closes.
    void end_now() noexcept;

    [[nodiscard]] const std::optional<int>& returncode() const noexcept { return code_; }
    /// `process 4711 (cat)`
    [[nodiscard]] std::string name() const;

    core_reference core;
    const pid_t pid;
    const std::string program;
    waiting_tasks ended;
    std::function<void(int)> on_end;  ///< called on the loop's thread, as a part of no step

private:
    [[nodiscard]] bool open_descriptor();
    void wait_for_descriptor();
    void start_thread();
    /// Takes its return code if it has one; `options` of `waitpid`.
    void reap(int options) noexcept;
    void take(int code) noexcept;
    void stop_watching() noexcept;
    void report_stolen() noexcept;

    boost::asio::posix::stream_descriptor descriptor_;  ///< of the process
    std::thread thread_;
    std::optional<int> code_;
    pid_t parent_;  ///< this process; another one after a fork
};

/// The children of one loop. Goes with its Asio context; closing the loop ends them.
class children : public boost::asio::execution_context::service {
public:
    static inline boost::asio::execution_context::id id;  // NOLINT: Asio wants it so
    explicit children(boost::asio::io_context& io) : service(io) {}

    [[nodiscard]] static children& of(loop& l) {
        return boost::asio::use_service<children>(l.io_context());
    }
    void add(std::shared_ptr<child_process> child) { running_.push_back(std::move(child)); }
    void remove(const child_process& child) noexcept;
    void end_all() noexcept;

private:
    void shutdown() noexcept override { end_all(); }
    std::vector<std::shared_ptr<child_process>> running_;
};

/// Ends the children of the loop that has this context, if any.
void end_children(boost::asio::io_context& io) noexcept;

}  // namespace coroscope::detail
