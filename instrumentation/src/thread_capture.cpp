// SPDX-License-Identifier: Apache-2.0
#include "thread_capture.hpp"

#include "landing_places.hpp"
#include "signal_capture.hpp"
#include "symbolizer.hpp"
#include "unwinder.hpp"

#include <cerrno>
#include <cstring>

namespace coroscope::instrumentation::detail {
namespace {

std::string trouble_of(signal_answer answer, int number) {
    const auto signal = "signal " + std::to_string(number);
    switch (answer) {
    case signal_answer::copied: return {};
    case signal_answer::unreadable:
        return "the kernel refused to copy the stack; allow the process process_vm_readv";
    case signal_answer::blocked:
        return "the thread holds " + signal + " back; unblock it, or choose another one with "
               "stall_watchdog_options::signal_number";
    case signal_answer::replaced:
        return "the program has replaced the handler of " + signal + "; choose another one with "
               "stall_watchdog_options::signal_number";
    case signal_answer::missing:
        return "the thread did not answer " + signal + " in time: it was not scheduled, or was "
               "busy in the kernel";
    case signal_answer::in_kernel: return "the thread went into the kernel and came back at once";
    case signal_answer::gone: return "the thread has ended";
    case signal_answer::unsupported:
        return "threads that run are not captured on this architecture, nor under the thread "
               "sanitizer, which holds signals back";
    }
    return {};
}

}  // namespace

class thread_capture::implementation {
public:
    explicit implementation(const capture_settings& settings)
        : settings_(settings),
          copy_(settings.most_bytes) {
        install_capture_handler(settings.signal_number);
    }

    capture take(const thread_identity& thread) {
        capture made;
        bool is_complete = false;
        for (int attempt = 0; attempt < attempts && !is_complete; ++attempt) {
            made = {};
            made.place = place_of(thread.id);
            if (made.place.is_blocked()) {
                take_blocked(thread, made);
            } else if (made.place.where == thread_place::kind::running) {
                const auto answer =
                    capture_by_signal(thread, settings_.signal_number, settings_.patience, copy_);
                made.is_taken = answer == signal_answer::copied;
                made.trouble = trouble_of(answer, settings_.signal_number);
                if (!made.is_taken && answer != signal_answer::in_kernel) { break; }
            } else {
                made.trouble =
                    "the kernel does not say where the thread is (no "
                    "/proc/self/task/*/syscall)";
            }
            is_complete = made.is_taken && follow();
        }
        return made;
    }

    report::stack stack() { return symbolizer::shared().name(unwound_); }

private:
    static constexpr int attempts = 8;

    /// False if the thread was where an exception arrives, and where nobody can tell who called.
    bool follow() {
        unwound_ = unwind(copy_);
        return !landings_.cut(unwound_);
    }

    void take_blocked(const thread_identity& thread, capture& made) {
        register_values registers;
        registers.values[register_values::stack_pointer] = made.place.stack_pointer;
        registers.values[register_values::instruction_pointer] = made.place.instruction_pointer;
        if (!copy_.take(registers, thread.stack)) {
            made.trouble =
                std::string("the kernel refused to copy the stack: ") + std::strerror(errno);
        } else if (place_of(thread.id) != made.place) {
            made.trouble = "the thread went on while its stack was copied";
        } else {
            made.is_taken = true;
        }
    }

    capture_settings settings_;
    stack_copy copy_;
    unwound_stack unwound_;
    landing_places landings_;
};

thread_capture::thread_capture(const capture_settings& settings)
    : implementation_(std::make_unique<implementation>(settings)) {}
thread_capture::~thread_capture() = default;

capture thread_capture::take(const thread_identity& thread) {
    return implementation_->take(thread);
}

report::stack thread_capture::stack() {
    return implementation_->stack();
}

report::stack name_return_addresses(std::span<void* const> addresses) {
    unwound_stack stack;
    for (const auto* address : addresses) {
        stack.addresses.push_back(reinterpret_cast<std::uintptr_t>(address));
    }
    // A stack begins with the instruction that runs. Here that is a call.
    if (!stack.addresses.empty()) { --stack.addresses.front(); }
    return symbolizer::shared().name(stack);
}

bool has_native_stacks() noexcept {
    return true;
}

}  // namespace coroscope::instrumentation::detail
