// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/run.hpp>

#include "fork_safety.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

namespace coroscope::detail {
namespace {

/// What the signal handler can reach: where to write, and how often it was called.
std::atomic<int> interrupt_descriptor{-1};
std::atomic<int> interrupts{0};

void on_interrupt(int signal) {
    const int saved = errno;
    const int wake = interrupt_descriptor.load();
    if (wake < 0 || interrupts.fetch_add(1) > 0) {
        // The second time, or in a process that was forked: as if nobody handled it.
        std::signal(signal, SIG_DFL);
        ::raise(signal);
        return;
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake, &one, sizeof one);
    errno = saved;
}

}  // namespace

void disown_interrupts() noexcept {
    interrupt_descriptor.store(-1);
}

/// Turns SIGINT into a cancellation of the main task while it lives, then restores what was.
class runner::interrupt_guard {
public:
    interrupt_guard(loop& l, any_task main)
        : loop_(l.core()),
          main_(std::move(main)),
          wake_(l.io_context()) {
        const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (descriptor < 0) { throw std::system_error(errno, std::generic_category(), "eventfd"); }
        wake_.assign(descriptor);
        interrupts.store(0);
        interrupt_descriptor.store(descriptor);
        struct sigaction action = {};
        action.sa_handler = on_interrupt;
        action.sa_flags = SA_RESTART;
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGINT, &action, &before_);
        wait();
    }
    interrupt_guard(const interrupt_guard&) = delete;
    interrupt_guard& operator=(const interrupt_guard&) = delete;
    ~interrupt_guard() {
        leave_parent(loop_);
        ::sigaction(SIGINT, &before_, nullptr);
        interrupt_descriptor.store(-1);
    }

    [[nodiscard]] static bool applies() {
        // Another `run` has it, or the program does not want it: leave it alone.
        struct sigaction now = {};
        ::sigaction(SIGINT, nullptr, &now);
        return interrupt_descriptor.load() < 0 && now.sa_handler == SIG_DFL;
    }

private:
    void wait() {
        wake_.async_read_some(boost::asio::buffer(&count_, sizeof count_),
                              [this](const boost::system::error_code& error, std::size_t) {
                                  if (!error) { main_.cancel("interrupted (SIGINT)"); }
                              });
    }

    loop_core& loop_;
    any_task main_;
    boost::asio::posix::stream_descriptor wake_;
    std::uint64_t count_ = 0;
    struct sigaction before_ = {};
};

runner::runner(run_options options) : options_(std::move(options)) {
    if (running_loop != nullptr) {
        throw std::logic_error(
            "coroscope::run was called inside a running loop; co_await the "
            "coroutine, or give it to create_task");
    }
    loop_options settings;
    settings.clock = options_.clock;
    settings.debug = options_.debug;
    loop_ = options_.make_loop ? options_.make_loop(settings) : std::make_unique<loop>(settings);
    if (options_.prepare) { options_.prepare(*loop_); }
}

runner::~runner() {
    try {
        finish();
    } catch (...) {  // NOLINT(bugprone-empty-catch): the first exception is on its way already
    }
}

void runner::set_main(any_task main) {
    if (options_.handle_sigint && interrupt_guard::applies()) {
        interrupt_ = std::make_unique<interrupt_guard>(*loop_, std::move(main));
    }
}

void runner::finish() {
    if (loop_ == nullptr) { return; }
    const auto closing = std::move(loop_);
    const auto guard = std::move(interrupt_);  // goes before the loop, whatever is thrown
    auto left = all_tasks(*closing);
    std::vector<std::uint32_t> requests;
    requests.reserve(left.size());
    for (const auto& t : left) {
        requests.push_back(t.cancelling());
    }
    for (std::size_t i = 0; i < left.size(); ++i) {
        // Tasks that others await have their request from those: a chain is walked once.
        if (left[i].cancelling() == requests[i]) { left[i].cancel(); }
    }
    for (auto& t : left) {
        if (!t.done()) {
            struct ended final : completion_waiter {
                loop& l;
                explicit ended(loop& target) : l(target) {}
                void on_complete() noexcept override { l.stop(); }
            } waiter(*closing);
            t.core().add_waiter(waiter);
            closing->run_forever();
        }
    }
    left.clear();
    if (closing->core().first_generator != nullptr) {
        closing->run_until_complete(closing->shutdown_generators());
    }
    closing->shutdown_default_executor();
    closing->close();
}

}  // namespace coroscope::detail
