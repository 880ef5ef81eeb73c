// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/subprocess.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "child_process.hpp"
#include "process_pipe.hpp"
#include "program_start.hpp"
#include "sited.hpp"
#include "stream_reading.hpp"

#include <csignal>
#include <utility>

#include <unistd.h>

namespace coroscope {

namespace detail {

struct process_state {
    std::shared_ptr<child_process> child;
    std::optional<process_input> input;
    std::optional<process_output> output;
    std::optional<process_output> error;
    // The same, for the coroutines that outlive the objects.
    std::shared_ptr<writing_pipe> to_input;
    std::shared_ptr<reading_pipe> from_output;
    std::shared_ptr<reading_pipe> from_error;

    process_state() = default;
    process_state(const process_state&) = delete;
    process_state& operator=(const process_state&) = delete;
    ~process_state() {
        if (child) { child->abandon(); }
        if (to_input) { to_input->abort(); }
    }
};

}  // namespace detail

namespace {

using state_pointer = std::shared_ptr<detail::process_state>;

[[noreturn]] void throw_no_pipe(const char* which, const std::string& of) {
    throw invalid_state_error("the " + std::string(which) + " of " + of
                              + " is not a pipe; set subprocess_options::" + which
                              + " to redirect::pipe()");
}

template <class Pipe>
Pipe& expect_pipe(std::optional<Pipe>& pipe, const char* which, const detail::process_state& of) {
    if (!pipe.has_value()) { throw_no_pipe(which, of.child->name()); }
    return *pipe;
}

coro<std::string> read_everything(std::shared_ptr<detail::reading_pipe> p, await_site where) {
    co_await detail::read_to_end_of(p, where);
    co_return p->input.take(p->input.bytes().size());
}

coro<> read_to_end(std::shared_ptr<detail::reading_pipe> p, await_site where) {
    if (p) { co_await detail::read_to_end_of(p, where); }
}

/// Closes the input and waits until all of it is sent, or wanted no more.
coro<> feed(std::shared_ptr<detail::writing_pipe> p, await_site where) {
    if (!p) { co_return; }
    p->close();
    try {
        co_await detail::writing_pipe::wait_closed(p, where);
    } catch (const boost::system::system_error& e) {
        if (e.code() != boost::asio::error::broken_pipe) { throw; }
    }
}

coro<int> wait_for_end(state_pointer s, await_site where) {
    auto& child = *s->child;
    if (!child.returncode().has_value()) {
        auto ended = child.ended.add(child.core.get(), wait_kind::io, where);
        co_await detail::at(where, std::move(ended));
    }
    co_return child.returncode().value();
}

[[nodiscard]] std::string take_all(const std::shared_ptr<detail::reading_pipe>& p) {
    return p ? p->input.take(p->input.bytes().size()) : std::string();
}

/// What has arrived stays in the pipes' buffers until the end, so that a cancellation loses
/// nothing.
coro<captured_output> exchange(state_pointer s, std::string input, await_site where) {
    if (!input.empty()) { expect_pipe(s->input, "input", *s).write(input); }
    auto all = gather(feed(s->to_input, where), read_to_end(s->from_output, where),
                      read_to_end(s->from_error, where));
    co_await detail::at(where, std::move(all));
    co_await wait_for_end(s, where);
    captured_output captured;
    captured.output = take_all(s->from_output);
    captured.error = take_all(s->from_error);
    co_return captured;
}

/// Connects what was started with the loop.
[[nodiscard]] state_pointer adopt(loop& in, detail::started_program started, std::string program,
                                  const subprocess_options& options) {
    auto s = std::make_shared<detail::process_state>();
    s->child = std::make_shared<detail::child_process>(in, started.pid, std::move(program));
    s->child->watch(options.watching);
    detail::children::of(in).add(s->child);
    const auto of = " of " + s->child->name();
    if (started.pipes[0].get() >= 0) {
        s->to_input = std::make_shared<detail::writing_pipe>(in, std::move(started.pipes[0]),
                                                             options.pipes, "the input" + of);
        s->input.emplace(s->to_input);
    }
    if (started.pipes[1].get() >= 0) {
        s->from_output = std::make_shared<detail::reading_pipe>(in, std::move(started.pipes[1]),
                                                                options.pipes, "the output" + of);
        s->output.emplace(s->from_output);
    }
    if (started.pipes[2].get() >= 0) {
        s->from_error = std::make_shared<detail::reading_pipe>(
            in, std::move(started.pipes[2]), options.pipes, "the error output" + of);
        s->error.emplace(s->from_error);
    }
    return s;
}

}  // namespace

environment current_environment() {
    environment all;
    for (char** each = ::environ; each != nullptr && *each != nullptr; ++each) {
        const std::string_view entry(*each);
        const auto separator = entry.find('=');
        if (separator == 0 || separator == entry.npos) { continue; }
        all.emplace(entry.substr(0, separator), entry.substr(separator + 1));
    }
    return all;
}

// --- The pipes

process_input::process_input(std::shared_ptr<detail::writing_pipe> pipe) noexcept
    : pipe_(std::move(pipe)) {}
process_input::process_input(process_input&& other) noexcept = default;

process_input& process_input::operator=(process_input&& other) noexcept {
    if (this != &other) {
        close();
        pipe_ = std::move(other.pipe_);
    }
    return *this;
}

process_input::~process_input() {
    close();
}

const std::shared_ptr<detail::writing_pipe>& process_input::pipe() const {
    if (!pipe_) { throw invalid_state_error("a process_input was used after it was moved from"); }
    return pipe_;
}

void process_input::write(std::string_view bytes) {
    pipe()->write(bytes);
}

coro<> process_input::drain(await_site where) {
    return detail::writing_pipe::drain(pipe(), where);
}

std::size_t process_input::unsent() const noexcept {
    return pipe_ ? pipe_->unsent() : 0;
}

void process_input::close() noexcept {
    if (pipe_) { pipe_->close(); }
}

coro<> process_input::wait_closed(await_site where) {
    return detail::writing_pipe::wait_closed(pipe(), where);
}

bool process_input::is_closing() const noexcept {
    return !pipe_ || pipe_->is_closing();
}

process_output::process_output(std::shared_ptr<detail::reading_pipe> pipe) noexcept
    : pipe_(std::move(pipe)) {}
process_output::process_output(process_output&& other) noexcept = default;

process_output& process_output::operator=(process_output&& other) noexcept {
    if (this != &other) {
        close();
        pipe_ = std::move(other.pipe_);
    }
    return *this;
}

process_output::~process_output() {
    close();
}

const std::shared_ptr<detail::reading_pipe>& process_output::pipe() const {
    if (!pipe_) { throw invalid_state_error("a process_output was used after it was moved from"); }
    return pipe_;
}

coro<std::string> process_output::read(std::size_t n, await_site where) {
    return detail::read_some_of(pipe(), n, where);
}

coro<std::string> process_output::read_exactly(std::size_t n, await_site where) {
    return detail::read_exactly_of(pipe(), n, where);
}

coro<std::string> process_output::read_until(std::string separator, await_site where) {
    return detail::read_until_of(pipe(), std::move(separator), where);
}

coro<std::string> process_output::read_line(await_site where) {
    return detail::read_line_of(pipe(), where);
}

coro<std::string> process_output::read_all(await_site where) {
    return read_everything(pipe(), where);
}

void process_output::close() noexcept {
    if (pipe_) { pipe_->close(); }
}

// --- The process

process::process(std::shared_ptr<detail::process_state> state) noexcept
    : state_(std::move(state)) {}
process::process(process&& other) noexcept = default;

process& process::operator=(process&& other) noexcept {
    if (this != &other) {
        process before(std::move(*this));
        state_ = std::move(other.state_);
    }
    return *this;
}

process::~process() {
    if (!state_) { return; }
    state_->child->abandon();
    if (state_->to_input) { state_->to_input->abort(); }
    if (state_->from_output) { state_->from_output->close(); }
    if (state_->from_error) { state_->from_error->close(); }
}

detail::process_state& process::state() const {
    if (!state_) { throw invalid_state_error("a process object was used after it was moved from"); }
    return *state_;
}

pid_t process::pid() const {
    return state().child->pid;
}

process_input& process::input() const {
    return expect_pipe(state().input, "input", state());
}

process_output& process::output() const {
    return expect_pipe(state().output, "output", state());
}

process_output& process::error() const {
    return expect_pipe(state().error, "error", state());
}

coro<int> process::wait(await_site where) {
    static_cast<void>(state());
    return wait_for_end(state_, where);
}

coro<captured_output> process::communicate(std::string input, await_site where) {
    static_cast<void>(state());
    return exchange(state_, std::move(input), where);
}

std::optional<int> process::returncode() const {
    return state().child->returncode();
}

bool process::send_signal(int signal) {
    return state().child->send_signal(signal);
}

bool process::terminate() {
    return send_signal(SIGTERM);
}

bool process::kill() {
    return send_signal(SIGKILL);
}

coro<process> create_subprocess_exec(command program, subprocess_options options, await_site) {
    auto& loop = get_running_loop();
    detail::stream_state::check(options.pipes);
    auto started = detail::start_program(program.words(), options);
    co_return process(adopt(loop, std::move(started), program.words().front(), options));
}

coro<process> create_subprocess_shell(std::string line, subprocess_options options,
                                      await_site where) {
    return create_subprocess_exec(command("/bin/sh", "-c", std::move(line)), std::move(options),
                                  where);
}

}  // namespace coroscope
