// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/loop.hpp>

#include "fork_safety.hpp"
#include "loop_implementation.hpp"
#include "loop_registry.hpp"

#include <coroscope/runtime/error.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

namespace coroscope {
namespace {

[[nodiscard]] bool debug_from_environment() {
    const auto* value = std::getenv("COROSCOPE_DEBUG");  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
}

}  // namespace

loop::loop(loop_options options)
    : implementation_(std::make_unique<implementation>(*this, options)),
      core_(&implementation_->core),
      origin_depth_(options.origin_depth) {
    set_debug(options.debug.has_value() ? *options.debug : debug_from_environment());
    detail::expect_forks();
    core_->time->on_loop_opened(*this);
    detail::register_loop(*this);
}

loop::~loop() {
    if (implementation_->state.load() == loop_state::idle) { close(); }
    detail::unregister_loop(*this);
}

void loop::run_forever() {
    implementation_->run();
}

void loop::run_until_done(detail::completion& c) {
    struct stopper final : detail::completion_waiter {
        implementation& loop;
        explicit stopper(implementation& l) : loop(l) {}
        void on_complete() noexcept override { loop.request_finish(); }
    };
    implementation_->expect_runnable();
    if (c.done()) { return; }
    stopper at_end(*implementation_);
    c.add_waiter(at_end);
    implementation_->run();
    if (!c.done()) {
        throw broken_loop_error("the loop was stopped before what it was to run until was done");
    }
}

void loop::expect_runnable() const {
    implementation_->expect_runnable();
}

void loop::stop() {
    if (debug()) { detail::check_thread(*core_, "loop::stop"); }
    implementation_->request_stop();
    auto running = loop_state::running;
    implementation_->state.compare_exchange_strong(running, loop_state::stopped);
}

void loop::stop_threadsafe() {
    detail::post_mail(*core_->mail, [this] { stop(); });
}

void loop::close() {
    const bool was_open = !is_closed();
    implementation_->close();
    if (was_open) { core_->time->on_loop_closed(*this); }
}

bool loop::is_running() const noexcept {
    const auto s = state();
    return s == loop_state::running || s == loop_state::stopped;
}

bool loop::is_closed() const noexcept {
    return state() == loop_state::closed;
}

loop_state loop::state() const noexcept {
    return implementation_->state.load(std::memory_order_acquire);
}

void loop::expect_usable(const char* what) const {
    if (is_closed()) {
        throw invalid_state_error(std::string(what) + ": the loop is closed; make a new one");
    }
    if (debug()) { detail::check_thread(*core_, what); }
}

handle loop::call_soon(detail::callback f, await_site where) {
    expect_usable("loop::call_soon");
    auto* state = new detail::handle_state(*core_, std::move(f), core_->next_object_id++, where);
    core_->ready.push(detail::ready_entry(state));
    if (core_->is_told_of(hook::edge)) [[unlikely]] { core_->notify_posted(*state); }
    return handle(*state);
}

void loop::call_soon_threadsafe(detail::callback f, await_site where) {
    if (!core_->mail->post(std::move(f), where, false)) {
        throw invalid_state_error("loop::call_soon_threadsafe: the loop is closed; make a new one");
    }
}

timer_handle loop::call_later(duration delay, detail::callback f, await_site where) {
    return call_at(saturating_add(time(), delay), std::move(f), where);
}

timer_handle loop::call_at(time_point when, detail::callback f, await_site where) {
    expect_usable("loop::call_at");
    auto* state = new detail::handle_state(*core_, std::move(f), core_->next_object_id++, where);
    state->when = when;
    state->timer.target = detail::ready_entry(state);
    if (core_->policy != nullptr) [[unlikely]] { core_->note_creator(*state); }
    timer_handle result(*state);
    if (when == time_point::max()) {
        state->release();  // never comes: no queue holds it
    } else {
        core_->arm(state->timer, when, time());
    }
    return result;
}

// --- Tasks

any_task loop::create_through_factory(any_coro work, std::string_view name, await_site where) {
    expect_usable("loop::create_task");
    task_options options;
    options.name = name;
    options.created_at = where;
    if (implementation_->factory == nullptr) { return start_task(std::move(work), options); }
    const auto& type = work.result_type();
    auto made = implementation_->factory(*this, std::move(work), options);
    if (!made.valid() || made.result_type() != type) {
        throw std::logic_error(
            "the task factory returned no task, or one whose result type is not "
            "the coroutine's; return what loop::start_task gives");
    }
    return made;
}

any_task loop::start_task(any_coro work, const task_options& options) {
    expect_usable("loop::start_task");
    auto* frame = std::exchange(work.frame_, nullptr);
    auto& task = *work.operations_->make_task(*core_, frame, options.created_at);
    any_task handle(task);
    const bool is_eager = options.eager && detail::running_loop == core_;
    detail::start_task(task, options.name, options.created_at,
                       is_eager ? detail::first_step::now : detail::first_step::soon);
    if (is_eager) { implementation_->run_eagerly(task); }
    return handle;
}

void loop::set_task_factory(task_factory factory) {
    implementation_->factory = std::move(factory);
    update_creation();
}

void loop::update_creation() noexcept {
    has_special_creation_ = implementation_->factory != nullptr || debug() || is_closed();
    core_->origin_depth = origin_depth();
}

// --- Exceptions

void loop::set_exception_handler(exception_handler handler) {
    implementation_->handler = std::move(handler);
}

void loop::call_exception_handler(const exception_context& context) noexcept {
    if (core_->wants(hook::exception)) [[unlikely]] {
        implementation_->observers.tell(hook::exception,
                                        [&](observer& o) { o.on_exception(context); });
    }
    const auto handler = implementation_->handler;
    if (handler == nullptr) {
        default_exception_handler(context);
        return;
    }
    try {
        handler(*this, context);
    } catch (...) {
        exception_context failure;
        failure.message = "the exception handler itself threw, while told: " + context.message;
        failure.exception = std::current_exception();
        default_exception_handler(failure);
        default_exception_handler(context);
    }
}

void loop::default_exception_handler(const exception_context& context) noexcept {
    try {
        std::cerr << "coroscope: " + to_string(context) << std::flush;
    } catch (...) {  // NOLINT(bugprone-empty-catch): nobody is left to be told
    }
}

// --- Executors

executor& loop::default_executor() {
    auto& i = *implementation_;
    if (i.default_executor == nullptr) {
        i.default_executor = std::make_shared<thread_pool_executor>(i.executor_threads);
        i.owns_executor = true;
    }
    return *i.default_executor;
}

void loop::set_default_executor(std::shared_ptr<executor> e) {
    implementation_->default_executor = std::move(e);
    implementation_->owns_executor = false;
}

void loop::shutdown_default_executor() {
    if (implementation_->owns_executor) {
        implementation_->default_executor.reset();
        implementation_->owns_executor = false;
    }
}

void loop::submit(executor& in, std::unique_ptr<detail::executor_job> job) {
    expect_usable("loop::run_in_executor");
    implementation_->submit(in, std::move(job));
}

// --- Settings and facts

time_point loop::time() const noexcept {
    return core_->time->now();
}

coroscope::clock& loop::clock() const noexcept {
    return *core_->time;
}

void loop::set_debug(bool on) noexcept {
    core_->debug = on;
    update_creation();
}

bool loop::debug() const noexcept {
    return core_->debug;
}

void loop::set_origin_depth(std::size_t sites) noexcept {
    origin_depth_ = sites;
    update_creation();
}

std::size_t loop::origin_depth() const noexcept {
    constexpr std::size_t in_debug_mode = 10;
    return origin_depth_.value_or(debug() ? in_debug_mode : 1);
}

void loop::set_slow_callback_duration(duration threshold) {
    if (threshold < duration::zero()) {
        throw std::invalid_argument(
            "slow_callback_duration must not be negative; 0 reports every "
            "step");
    }
    implementation_->set_slow_threshold(threshold);
}

duration loop::slow_callback_duration() const noexcept {
    return implementation_->slow_threshold;
}

std::uint32_t loop::id() const noexcept {
    return core_->id;
}

loop_statistics loop::statistics() const noexcept {
    return implementation_->statistics();
}

boost::asio::io_context& loop::io_context() noexcept {
    implementation_->io_is_used.store(true, std::memory_order_relaxed);
    return implementation_->io;
}

std::vector<time_point> loop::pending_deadlines() const {
    auto deadlines = core_->timers.deadlines();
    std::sort(deadlines.begin(), deadlines.end());
    return deadlines;
}

void loop::clock_moved() {
    core_->collect_due_timers(time());
}

// --- Seams

void loop::attach(observer& o, hook_set hooks) {
    implementation_->attach(o, hooks);
}

void loop::remove_observer(observer& o) noexcept {
    implementation_->remove(o);
}

void loop::add_pause_sink(detail::pause_sink& sink) noexcept {
    implementation_->add(sink);
}

void loop::remove_pause_sink(detail::pause_sink& sink) noexcept {
    implementation_->remove(sink);
}

void loop::flush_steps() noexcept {
    implementation_->observers.flush();
}

void loop::set_schedule_policy(schedule_policy* policy) noexcept {
    implementation_->set_policy(policy);
}

loop& get_running_loop() {
    if (detail::running_loop == nullptr) {
        throw std::logic_error(
            "no running loop: this is to be called from a coroutine or callback "
            "that a loop runs");
    }
    return *detail::running_loop->self;
}

}  // namespace coroscope
