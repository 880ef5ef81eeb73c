// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/signal_handlers.hpp>

#include "fork_safety.hpp"
#include "stream_state.hpp"
#include "watches.hpp"

#include <array>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace coroscope {
namespace detail {
namespace {

/// What the process did on each signal before the first of our loops handled it. Asio would leave
/// the default behind.
struct original {
    int users = 0;
    struct sigaction action = {};
};
constinit std::mutex originals_lock;
std::array<original, NSIG> originals;

}  // namespace

std::mutex& lock_of_signal_actions() noexcept {
    return originals_lock;
}

/// One signal of one loop.
class signal_watch : public std::enable_shared_from_this<signal_watch> {
public:
    signal_watch(loop& in, int signal, callback f, await_site where)
        : core_(in.core()),
          signal_(signal),
          function_(std::move(f)),
          created_at_(where),
          signals_(in.io_context()) {}
    signal_watch(const signal_watch&) = delete;
    signal_watch& operator=(const signal_watch&) = delete;
    ~signal_watch() { stop(); }

    void start() {
        const std::scoped_lock lock(originals_lock);
        auto& before = originals[static_cast<std::size_t>(signal_)];
        struct sigaction action = {};
        ::sigaction(signal_, nullptr, &action);
        signals_.add(signal_);
        is_on_ = true;
        if (before.users++ == 0) { before.action = action; }
        arm();
    }
    void stop() noexcept {
        pending_.cancel();
        if (!std::exchange(is_on_, false)) { return; }
        const std::scoped_lock lock(originals_lock);
        boost::system::error_code ignored;
        signals_.clear(ignored);
        auto& before = originals[static_cast<std::size_t>(signal_)];
        if (--before.users == 0) { ::sigaction(signal_, &before.action, nullptr); }
    }

private:
    /// Something external that may come, for as long as it is armed.
    void arm() {
        ++core_->io_operations;
        auto arrived = [weak = weak_from_this(), core = &core_.get()](
                           const boost::system::error_code& error, int) {
            --core->io_operations;
            const auto self = weak.lock();
            if (self && !error && self->is_on_) { self->on_signal(); }
        };
        signals_.async_wait(std::move(arrived));
    }
    void on_signal() {
        auto call = [self = shared_from_this()] {
            if (self->is_on_) { self->function_(); }
        };
        pending_ = core_->self->call_soon(std::move(call), created_at_);
        arm();
    }

    core_reference core_;
    int signal_;
    callback function_;
    await_site created_at_;
    handle pending_;
    boost::asio::signal_set signals_;
    bool is_on_ = false;
};

}  // namespace detail

void add_signal_handler(loop& in, int signal, detail::callback f, await_site where) {
    detail::expect_watchable(in, "add_signal_handler");
    if (signal <= 0 || signal >= NSIG || signal == SIGKILL || signal == SIGSTOP) {
        throw std::invalid_argument("signal " + std::to_string(signal) + " cannot be handled");
    }
    auto watch = std::make_shared<detail::signal_watch>(in, signal, std::move(f), where);
    watch->start();
    auto& slot = detail::watches::of(in).signals[signal];
    const auto before = std::exchange(slot, std::move(watch));
    if (before) { before->stop(); }
}

bool remove_signal_handler(loop& in, int signal) noexcept {
    if (in.is_closed()) { return false; }
    auto& all = detail::watches::of(in).signals;
    const auto found = all.find(signal);
    if (found == all.end()) { return false; }
    const auto before = std::move(found->second);
    all.erase(found);
    before->stop();
    return true;
}

}  // namespace coroscope
