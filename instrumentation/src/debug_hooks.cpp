// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/debug_hooks.hpp>

#include <coroscope/instrumentation/await_graph.hpp>

#include "fork_safe_mutex.hpp"
#include "native_stack.hpp"
#include "throw_watch.hpp"

#include <coroscope/runtime/detail/completion.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/task.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string_view>
#include <typeinfo>

namespace coroscope::instrumentation {
namespace {

constexpr std::string_view flag = "--coroscope-debug";

// The calls of post_mortem functions that go on. A call may end on another thread, with its loop.
constinit detail::fork_safe_mutex calls_mutex;
detail::hooked_call* first_call = nullptr;

[[nodiscard]] bool variable_says_so() {
    const auto* value = std::getenv("COROSCOPE_DEBUG");  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

[[nodiscard]] bool take_flag(int& argc, char** argv) {
    auto** const end = std::remove_if(argv + std::min(argc, 1), argv + argc,
                                      [](const char* argument) { return argument == flag; });
    const bool found = end != argv + argc;
    argc = static_cast<int>(end - argv);
    if (found) { argv[argc] = nullptr; }
    return found;
}

void print_place(std::ostream& out, const await_site& site) {
    out << "  " << coroscope::to_string(site) << " in " << function_name(site) << '\n';
}

void print_exception(std::ostream& out, const std::exception_ptr& e) {
    try {
        std::rethrow_exception(e);
    } catch (const std::exception& known) {
        out << type_name(typeid(known)) << ": " << known.what() << '\n';
    } catch (...) { out << "an exception that is no std::exception\n"; }
}

void print_throw(std::ostream& out, const std::exception_ptr& e) {
    const auto thrown = thrown_at(e);
    if (!thrown) {
        out << "where it was thrown is not known: by std::make_exception_ptr, or on another "
               "thread\n";
        return;
    }
    out << "thrown below these co_awaits:\n";
    for (std::size_t i = 0; i < thrown->async_count; ++i) {
        print_place(out, thrown->async[i]);
    }
    out << "native stack of the throw:\n";
    print(out, thrown->native);
}

void print_task(std::ostream& out) {
    const auto task = current_task();
    if (task.valid()) { print_async_stack(out, task); }
}

[[nodiscard]] const char* name_of(detail::debug_hook hook) noexcept {
    switch (hook) {
    case detail::debug_hook::post_mortem: return "post_mortem";
    case detail::debug_hook::pre_run: return "pre_run";
    case detail::debug_hook::post_run: return "post_run";
    }
    return "?";
}

/// All at once, so that other threads' lines do not come between. What fails is left out.
template <class F>
void write(const detail::hook_plan& plan, F&& print_rest) noexcept {
    try {
        std::ostringstream text;
        text << "coroscope: " << name_of(plan.which) << " of the function wrapped at "
             << coroscope::to_string(plan.where) << '\n';
        print_rest(text);
        std::cerr << text.str() << std::flush;
    } catch (...) { return; }
}

void stop_or_write_here(const detail::hook_plan& plan, const void* caller) noexcept {
    if (debugger_is_attached()) {
        stop_in_debugger();
        return;
    }
    const auto here = native_stack::capture(caller);
    write(plan, [&](std::ostream& out) {
        print_task(out);
        out << "native stack:\n";
        print(out, here);
    });
}

}  // namespace

bool init_debug_hooks(int& argc, char** argv) {
    const bool asked = take_flag(argc, argv);
    const bool on = asked || variable_says_so();
    if (on && !watch_throws()) {
        std::cerr << "coroscope: the places that throw cannot be found in this program\n";
    }
    detail::debug_hooks_are_on.store(on, std::memory_order_relaxed);
    return on;
}

namespace detail {

hooked_call::hooked_call(const hook_plan& plan) noexcept : plan_(plan) {
    if (plan.which == debug_hook::pre_run) {
        stop_or_write_here(plan, __builtin_return_address(0));
    }
    if (plan.which != debug_hook::post_mortem) { return; }
    const auto* loop = coroscope::detail::running_loop;
    if (loop != nullptr && loop->current != nullptr) { frame_ = loop->current->top; }
    const std::lock_guard lock(calls_mutex);
    next_ = std::exchange(first_call, this);
}

hooked_call::~hooked_call() {
    if (plan_.which != debug_hook::post_mortem) { return; }
    const std::lock_guard lock(calls_mutex);
    auto** link = &first_call;
    while (*link != this) {
        link = &(*link)->next_;
    }
    *link = next_;
}

void hooked_call::returned() noexcept {
    if (plan_.which == debug_hook::post_run) {
        stop_or_write_here(plan_, __builtin_return_address(0));
    }
}

void hooked_call::failed(const std::exception_ptr& with) noexcept {
    if (plan_.which != debug_hook::post_mortem) { return; }
    if (!plan_.on_cancellation && coroscope::detail::is_cancellation(with)) { return; }
    if (debugger_is_attached()) {
        const auto thrown = thrown_at(with);
        if (!thrown || !thrown->has_stopped) { stop_in_debugger(); }
        return;
    }
    write(plan_, [&](std::ostream& out) {
        print_exception(out, with);
        print_throw(out, with);
        print_task(out);
    });
}

bool hooked_call::awaits_throw(bool is_cancellation) noexcept {
    const auto* loop = coroscope::detail::running_loop;
    if (loop == nullptr || loop->current == nullptr) { return false; }
    const std::lock_guard lock(calls_mutex);
    for (const auto* call = first_call; call != nullptr; call = call->next_) {
        if (is_cancellation && !call->plan_.on_cancellation) { continue; }
        for (const auto* f = loop->current->top; f != nullptr; f = f->parent) {
            if (f == call->frame_) { return true; }
        }
    }
    return false;
}

bool is_generator_exit(const std::exception_ptr& thrown) noexcept {
    try {
        std::rethrow_exception(thrown);
    } catch (const generator_exit&) { return true; } catch (...) {
        return false;
    }
}

}  // namespace detail
}  // namespace coroscope::instrumentation
