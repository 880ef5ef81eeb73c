// SPDX-License-Identifier: Apache-2.0
#include "child_process.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/exception_context.hpp>

#include "fork_safety.hpp"

#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coroscope::detail {
namespace {

using boost::system::error_code;

// By number, since Debian 12 has them but older C libraries do not.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

constexpr int code_of_a_stolen_child = 255;  // asyncio's

[[nodiscard]] int code_of(int status) noexcept {
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

child_process::child_process(loop& in, pid_t started, std::string path)
    : core(in.core()),
      pid(started),
      program(std::move(path)),
      descriptor_(in.io_context()),
      parent_(::getpid()) {}

child_process::~child_process() {
    if (thread_.joinable()) { thread_.detach(); }  // only in a copy that a fork has made
}

std::string child_process::name() const {
    return "process " + std::to_string(pid) + " (" + program + ")";
}

void child_process::watch(child_watching how) {
    try {
        const bool is_open = how != child_watching::thread && open_descriptor();
        if (is_open) {
            wait_for_descriptor();
        } else if (how == child_watching::descriptor) {
            throw boost::system::system_error(
                errno, boost::system::system_category(),
                "watching " + name() + " by pidfd_open, which needs Linux 5.3");
        } else {
            start_thread();
        }
    } catch (...) {
        end_now();
        throw;
    }
}

bool child_process::open_descriptor() {
    const auto opened = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (opened < 0) { return false; }
    error_code error;
    descriptor_.assign(opened, error);
    if (error) {
        ::close(opened);
        throw boost::system::system_error(error, "watching " + name());
    }
    return true;
}

void child_process::wait_for_descriptor() {
    ++core->io_operations;
    auto ended_there = [self = shared_from_this()](const error_code& error) {
        --self->core->io_operations;
        if (error || self->code_.has_value()) { return; }
        self->reap(WNOHANG);
        if (!self->code_.has_value()) { self->wait_for_descriptor(); }
    };
    descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read, std::move(ended_there));
}

/// The thread only waits; to reap is for the loop, which also signals.
void child_process::start_thread() {
    auto wait = [child = pid, mail = core->mail, weak = weak_from_this()]() mutable {
        siginfo_t facts = {};
        while (::waitid(P_PID, static_cast<id_t>(child), &facts, WEXITED | WNOWAIT) != 0
               && errno == EINTR) {}
        auto reap = [w = std::move(weak)] {
            const auto self = w.lock();
            if (!self) { return; }
            --self->core->io_operations;
            self->reap(WNOHANG);
        };
        post_mail(*mail, std::move(reap));
    };
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's own threads
    try {
        thread_ = std::thread(std::move(wait));
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ++core->io_operations;
}

bool child_process::send_signal(int signal) {
    if (code_.has_value()) { return false; }
    if (::getpid() != parent_) {
        throw std::logic_error(name() + " belongs to the process that this one was forked from");
    }
    if (::kill(pid, signal) == 0) { return true; }
    if (errno == ESRCH) { return false; }
    throw boost::system::system_error(errno, boost::system::system_category(),
                                      "sending signal " + std::to_string(signal) + " to " + name());
}

void child_process::abandon() noexcept {
    on_end = nullptr;
    if (!code_.has_value() && ::getpid() == parent_) { ::kill(pid, SIGKILL); }
}

void child_process::end_now() noexcept {
    abandon();
    if (code_.has_value()) { return; }
    if (::getpid() == parent_) {
        reap(0);
    } else {
        stop_watching();
    }
}

void child_process::reap(int options) noexcept {
    if (code_.has_value()) { return; }
    int status = 0;
    pid_t got = 0;
    do {
        got = ::waitpid(pid, &status, options);
    } while (got < 0 && errno == EINTR);
    if (got == pid) {
        take(code_of(status));
    } else if (got < 0) {
        report_stolen();
        take(code_of_a_stolen_child);
    }
}

void child_process::take(int code) noexcept {
    const auto self = shared_from_this();
    code_ = code;
    stop_watching();
    ended.release();
    if (on_end) { std::exchange(on_end, nullptr)(code); }
}

void child_process::stop_watching() noexcept {
    leave_parent(core.get());
    error_code ignored;
    descriptor_.close(ignored);
    if (thread_.joinable() && ::getpid() == parent_) { thread_.join(); }
    if (core->self != nullptr && boost::asio::has_service<children>(core->self->io_context())) {
        children::of(*core->self).remove(*this);
    }
}

void child_process::report_stolen() noexcept {
    if (core->self == nullptr) { return; }
    exception_context problem;
    problem.message = name() + " was reaped by somebody else, or SIGCHLD is ignored; its return "
                      + "code is unknown and given as 255. Call waitpid for your own children only";
    core->self->call_exception_handler(problem);
}

void children::remove(const child_process& child) noexcept {
    std::erase_if(running_, [&child](const auto& each) { return each.get() == &child; });
}

void children::end_all() noexcept {
    const auto all = std::exchange(running_, {});
    for (const auto& child : all) {
        child->abandon();  // all first, so that they end at the same time
    }
    for (const auto& child : all) {
        child->end_now();
    }
}

void end_children(boost::asio::io_context& io) noexcept {
    if (boost::asio::has_service<children>(io)) {
        boost::asio::use_service<children>(io).end_all();
    }
}

}  // namespace coroscope::detail
