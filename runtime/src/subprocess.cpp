// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/subprocess.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "child_process.hpp"
#include "program_start.hpp"
#include "sited.hpp"
#include "stream_state.hpp"

#include <csignal>
#include <utility>

#include <unistd.h>

namespace coroscope {

namespace detail {

struct process_state {
    std::shared_ptr<child_process> child;
    std::optional<stream> input;
    std::optional<stream> output;
    std::optional<stream> error;

    process_state() = default;
    process_state(const process_state&) = delete;
    process_state& operator=(const process_state&) = delete;
    ~process_state() { give_up(); }

    /// The child is wanted no more, nor what it was sent.
    void give_up() noexcept {
        if (child) { child->abandon(); }
        if (input.has_value()) { input->abort(); }
        if (output.has_value()) { output->close(); }
        if (error.has_value()) { error->close(); }
    }
};

}  // namespace detail

namespace {

using detail::byte_channel;
using process_pointer = std::shared_ptr<detail::process_state>;

[[noreturn]] void throw_no_pipe(const char* which, const std::string& of) {
    throw invalid_state_error("the " + std::string(which) + " of " + of
                              + " is not a pipe; set subprocess_options::" + which
                              + " to redirect::pipe()");
}

stream& expect_pipe(std::optional<stream>& pipe, const char* which,
                    const detail::process_state& of) {
    if (!pipe.has_value()) { throw_no_pipe(which, of.child->name()); }
    return *pipe;
}

coro<> read_to_end(std::optional<stream>& from, await_site where) {
    if (!from.has_value()) { co_return; }
    co_await detail::read_to_end(detail::stream_access::state(*from), where);
}

/// Closes the input and waits until all of it is sent, or wanted no more.
coro<> feed(std::optional<stream>& to, await_site where) {
    if (!to.has_value()) { co_return; }
    to->close();
    try {
        co_await to->wait_closed(where);
    } catch (const boost::system::system_error& e) {
        if (e.code() != boost::asio::error::broken_pipe) { throw; }
    }
}

coro<int> wait_for_end(process_pointer s, await_site where) {
    auto& child = *s->child;
    if (!child.returncode().has_value()) {
        auto ended = child.ended.add(child.core.get(), wait_kind::io, where);
        co_await detail::at(where, std::move(ended));
    }
    co_return child.returncode().value();
}

[[nodiscard]] std::string take_all(const std::optional<stream>& from) {
    if (!from.has_value()) { return {}; }
    return detail::stream_access::state(*from)->input.take(std::string::npos);
}

/// What has arrived stays in the pipes' buffers until the end, so that a cancellation loses
/// nothing.
coro<captured_output> exchange(process_pointer s, std::string input, await_site where) {
    if (!input.empty()) { expect_pipe(s->input, "input", *s).write(input); }
    auto all =
        gather(feed(s->input, where), read_to_end(s->output, where), read_to_end(s->error, where));
    co_await detail::at(where, std::move(all));
    co_await wait_for_end(s, where);
    captured_output captured;
    captured.output = take_all(s->output);
    captured.error = take_all(s->error);
    co_return captured;
}

/// Connects what was started with the loop.
[[nodiscard]] process_pointer adopt(loop& in, detail::started_program started, std::string program,
                                    const subprocess_options& options) {
    auto s = std::make_shared<detail::process_state>();
    s->child = std::make_shared<detail::child_process>(in, started.pid, std::move(program));
    s->child->watch(options.watching);
    detail::children::of(in).add(s->child);
    const auto take = [&](file_descriptor& end, byte_channel::direction goes, const char* which) {
        if (end.get() < 0) { return std::optional<stream>(); }
        auto pipe = detail::adopt_pipe(in, std::move(end), goes, options.pipes);
        pipe->remote = pipe->local = which + s->child->name();
        return std::optional<stream>(std::in_place, std::move(pipe));
    };
    s->input = take(started.pipes[0], byte_channel::direction::out, "the input of ");
    s->output = take(started.pipes[1], byte_channel::direction::in, "the output of ");
    s->error = take(started.pipes[2], byte_channel::direction::in, "the error output of ");
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
    if (state_) { state_->give_up(); }
}

detail::process_state& process::state() const {
    if (!state_) { throw invalid_state_error("a process object was used after it was moved from"); }
    return *state_;
}

pid_t process::pid() const {
    return state().child->pid;
}

stream& process::input() const {
    return expect_pipe(state().input, "input", state());
}

stream& process::output() const {
    return expect_pipe(state().output, "output", state());
}

stream& process::error() const {
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
