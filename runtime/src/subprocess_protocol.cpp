// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/subprocess_protocol.hpp>

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "stream_state.hpp"

#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <utility>

namespace coroscope {

namespace detail {

struct subprocess_transport_state {
    subprocess_transport_state(process p, const subprocess_options& options)
        : child(std::move(p)),
          pid(child->pid()),
          has_input(options.input.what() == redirect::kind::pipe),
          has_output(options.output.what() == redirect::kind::pipe),
          has_error(options.error.what() == redirect::kind::pipe) {}
    /// Nothing after the end, so that a transport may outlive its loop.
    std::optional<process> child;
    const pid_t pid;
    std::optional<int> code;
    const bool has_input;
    const bool has_output;
    const bool has_error;
    std::shared_ptr<subprocess_protocol> protocol;
    task<> attending;
    std::exception_ptr problem;  ///< what the protocol threw first
    bool is_input_lost = false;  ///< by no act of ours: the child reads no more

    void end() {
        code = child->returncode();
        child.reset();
    }
};

}  // namespace detail

namespace {

using state_pointer = std::shared_ptr<detail::subprocess_transport_state>;

constexpr std::size_t most_at_once = std::size_t{64} * 1024;

/// What has come, or nothing at the end; why it ended, if that was an error.
coro<std::string> next_bytes(stream& from, std::exception_ptr& problem) {
    try {
        co_return co_await from.read(most_at_once);
    } catch (const cancelled_error&) { throw; } catch (...) {
        problem = std::current_exception();
    }
    co_return std::string();
}

coro<> pass_on(state_pointer s, int stream) {
    const bool is_piped = stream == 1 ? s->has_output : s->has_error;
    if (!is_piped) { co_return; }
    auto& pipe = stream == 1 ? s->child->output() : s->child->error();
    std::exception_ptr problem;
    std::string bytes = co_await next_bytes(pipe, problem);
    while (!bytes.empty()) {
        s->protocol->pipe_data_received(stream, bytes);
        bytes = co_await next_bytes(pipe, problem);
    }
    s->protocol->pipe_connection_lost(stream, problem);
}

/// Until the child's input is closed here, or nobody reads it any more.
coro<> wait_for_end_of(std::shared_ptr<detail::stream_state> input) {
    using phase = detail::stream_state::phase;
    while (input->where_in_life != phase::closed && !input->channel.is_reader_gone()) {
        try {
            co_await input->channel.async_wait_input(use_coro);
        } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch): closed
        }
    }
}

/// asyncio's rule: the end is an error if it came before something that was to be sent.
[[nodiscard]] std::exception_ptr why_ended(const detail::stream_state& input) {
    auto error = input.error();
    if (!error && input.unsent() > 0) { error = boost::asio::error::broken_pipe; }
    if (!error || error == boost::asio::error::operation_aborted) { return nullptr; }
    return std::make_exception_ptr(
        boost::system::system_error(error, "writing to " + input.remote));
}

coro<> tell_end_of_input(state_pointer s) {
    if (!s->has_input) { co_return; }
    const auto input = detail::stream_access::state(s->child->input());
    co_await wait_for_end_of(input);
    const bool is_open_here = input->where_in_life == detail::stream_state::phase::open;
    s->is_input_lost = is_open_here || s->child->returncode().has_value();
    const auto problem = why_ended(*input);
    input->abort();
    s->protocol->pipe_connection_lost(0, problem);
}

coro<> tell_end(state_pointer s) {
    co_await s->child->wait();
    s->protocol->process_exited();
    if (s->has_input) { s->child->input().close(); }
}

/// The rest goes on to its end when one callback has thrown: soon, since the child is killed.
coro<> guarded(coro<> part, state_pointer s) {
    try {
        co_await std::move(part);
    } catch (const cancelled_error&) { throw; } catch (...) {
        if (s->problem == nullptr) { s->problem = std::current_exception(); }
        subprocess_transport(s).close();
    }
}

/// Lets go of a protocol, which keeps its transport as a rule, where the task that serves it ends
/// before its time: it was cancelled before its first step, which the protocol is told, or the loop
/// was closed.
class attendance {
public:
    explicit attendance(state_pointer s) noexcept : state(std::move(s)), in_(get_running_loop()) {}
    attendance(attendance&&) = default;
    attendance& operator=(attendance&&) = delete;
    ~attendance() {
        if (!state || state->protocol == nullptr) { return; }
        auto tell = [s = state, protocol = std::exchange(state->protocol, nullptr)] {
            s->end();
            protocol->connection_lost(std::make_exception_ptr(cancelled_error()));
        };
        try {
            in_.call_soon(std::move(tell));
        } catch (...) { state->end(); }  // the loop is closed
    }
    state_pointer state;

private:
    loop& in_;
};

/// From `connection_made` to `connection_lost`.
coro<> attend(attendance of) {
    const auto s = of.state;
    std::exception_ptr cancellation;
    try {
        auto all = gather(guarded(tell_end_of_input(s), s), guarded(pass_on(s, 1), s),
                          guarded(pass_on(s, 2), s), guarded(tell_end(s), s));
        co_await std::move(all);
    } catch (...) { cancellation = std::current_exception(); }
    s->attending = {};
    s->end();
    const auto protocol = std::exchange(s->protocol, nullptr);
    protocol->connection_lost(cancellation != nullptr ? cancellation : s->problem);
    if (cancellation != nullptr) { std::rethrow_exception(cancellation); }
}

}  // namespace

pid_t subprocess_transport::pid() const {
    return state_->pid;
}

std::optional<int> subprocess_transport::returncode() const {
    return state_->child ? state_->child->returncode() : state_->code;
}

void subprocess_transport::write(std::string_view bytes) {
    if (state_->child && !state_->is_input_lost) { state_->child->input().write(bytes); }
}

void subprocess_transport::write_eof() {
    if (state_->child) { state_->child->input().close(); }
}

bool subprocess_transport::send_signal(int signal) {
    return state_->child && state_->child->send_signal(signal);
}

bool subprocess_transport::terminate() {
    return state_->child && state_->child->terminate();
}

bool subprocess_transport::kill() {
    return state_->child && state_->child->kill();
}

void subprocess_transport::close() {
    auto& s = *state_;
    if (!s.child) { return; }
    s.child->kill();
    if (s.has_input) { s.child->input().abort(); }
    if (s.has_output) { s.child->output().close(); }
    if (s.has_error) { s.child->error().close(); }
}

subprocess_options all_piped() {
    subprocess_options options;
    options.input = options.output = options.error = redirect::pipe();
    return options;
}

coro<subprocess_connection> subprocess_exec(subprocess_protocol_factory factory, command program,
                                            subprocess_options options, await_site where) {
    auto protocol = factory();
    if (protocol == nullptr) {
        throw std::invalid_argument("the protocol factory given to subprocess_exec returned null");
    }
    auto child = co_await create_subprocess_exec(std::move(program), options, where);
    auto state = std::make_shared<detail::subprocess_transport_state>(std::move(child), options);
    state->protocol = protocol;
    const subprocess_transport transport(state);
    protocol->connection_made(transport);
    const auto name = "child process " + std::to_string(transport.pid());
    state->attending = get_running_loop().create_task(attend(attendance(state)), name, where);
    co_return subprocess_connection{transport, protocol};
}

coro<subprocess_connection> subprocess_shell(subprocess_protocol_factory factory, std::string line,
                                             subprocess_options options, await_site where) {
    return subprocess_exec(std::move(factory), command("/bin/sh", "-c", std::move(line)),
                           std::move(options), where);
}

}  // namespace coroscope
