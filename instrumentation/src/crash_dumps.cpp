// SPDX-License-Identifier: Apache-2.0
#include "crash_dumps.hpp"

#include "fork_safe_mutex.hpp"

#include <coroscope/instrumentation/flight_recorder.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace coroscope::instrumentation {
namespace {

constexpr std::array crash_signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

struct crash_dump {
    std::atomic<const flight_recorder*> recorder{nullptr};
    std::array<char, PATH_MAX> path{};
};

// Everything that the handler reads is there before it may be called, and never goes away.
std::array<crash_dump, 16> dumps;
std::array<struct ::sigaction, crash_signals.size()> previous_actions;
std::atomic<bool> crashing{false};
std::atomic<bool> written{false};

void write_all() noexcept {
    for (auto& dump : dumps) {
        const auto* recorder = dump.recorder.load(std::memory_order_acquire);
        if (recorder == nullptr) { continue; }
        const int descriptor =
            ::open(dump.path.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (descriptor < 0) { continue; }
        static_cast<void>(recorder->dump_from_signal(descriptor));
        ::close(descriptor);
    }
}

/// Whoever handled the signal before gets it. A fault comes again by itself, with all that is
/// known of it, when the handler returns; what was sent has to be sent again.
void pass_on(int signal, const ::siginfo_t* info) noexcept {
    for (std::size_t i = 0; i < crash_signals.size(); ++i) {
        if (crash_signals[i] == signal) { ::sigaction(signal, &previous_actions[i], nullptr); }
    }
    const bool is_fault = info != nullptr && info->si_code > 0 && info->si_code != SI_KERNEL;
    if (!is_fault) { static_cast<void>(::raise(signal)); }
}

void on_crash(int signal, ::siginfo_t* info, void* /*context*/) noexcept {
    const int error = errno;
    if (!crashing.exchange(true)) {
        write_all();
        written.store(true);
    }
    while (!written.load()) {  // another thread crashed first: the process must not end before
        ::sched_yield();
    }
    pass_on(signal, info);
    errno = error;
}

void install_handlers() noexcept {
    struct ::sigaction action {};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    for (const auto signal : crash_signals) {
        ::sigaddset(&action.sa_mask, signal);
    }
    for (std::size_t i = 0; i < crash_signals.size(); ++i) {
        ::sigaction(crash_signals[i], &action, &previous_actions[i]);
    }
}

}  // namespace

void add_crash_dump(const flight_recorder& of, const std::filesystem::path& file) {
    static constinit detail::fork_safe_mutex adding;
    static bool installed = false;
    const std::lock_guard lock(adding);
    const auto name = std::filesystem::absolute(file).string();
    for (auto& dump : dumps) {
        if (dump.recorder.load() != nullptr) { continue; }
        if (name.size() >= dump.path.size()) {
            throw std::invalid_argument("the path of a crash dump is too long: " + name);
        }
        name.copy(dump.path.data(), name.size());
        dump.path[name.size()] = '\0';
        dump.recorder.store(&of, std::memory_order_release);
        if (!installed) { install_handlers(); }
        installed = true;
        return;
    }
    throw std::logic_error("flight_recorder::dump_on_crash: " + std::to_string(dumps.size())
                           + " recorders are dumped already when the process crashes; destroy one "
                             "of them first");
}

void forget_crash_dumps(const flight_recorder& of) noexcept {
    for (auto& dump : dumps) {
        const auto* expected = &of;
        dump.recorder.compare_exchange_strong(expected, nullptr);
    }
}

}  // namespace coroscope::instrumentation
