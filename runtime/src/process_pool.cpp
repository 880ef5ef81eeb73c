// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/process_pool.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/runtime/wait.hpp>

#include "worker_frame.hpp"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace coroscope {

namespace detail {

/// Whoever drops one that has no reply yet cancels it, so that nobody waits for ever.
struct worker_request {
    worker_request() = default;
    worker_request(worker_request&&) noexcept = default;
    worker_request& operator=(worker_request&&) = delete;
    ~worker_request() {
        if (reply.valid() && !reply.done()) { reply.cancel("the process pool was cancelled"); }
    }
    std::string function;
    std::string argument;
    future<std::string> reply;
};

struct process_pool_state {
    process_pool_state(command worker, process_pool_options o)
        : program(std::move(worker)),
          options(std::move(o)) {
        if (options.workers == 0) {
            options.workers = std::max(1U, std::thread::hardware_concurrency());
        }
        options.process.input = redirect::pipe();
        options.process.output = redirect::pipe();
    }
    const command program;
    process_pool_options options;
    queue<worker_request> requests;
    std::vector<task<>> servants;
    std::size_t unanswered = 0;  ///< requests in the queue and with servants
};

}  // namespace detail

namespace {

using detail::worker_request;
using state_pointer = std::shared_ptr<detail::process_pool_state>;

coro<std::string> read_reply(process& worker) {
    const auto head = co_await worker.output().read_exactly(detail::frame_head_size);
    co_return co_await worker.output().read_exactly(detail::size_in_head(head));
}

/// Sends a request and gives the reply's frame; throws whatever if the worker is of no use any
/// more.
coro<std::string> ask(process& worker, const worker_request& request) {
    worker.input().write(detail::make_frame(request.function));
    worker.input().write(detail::make_frame(request.argument));
    co_await worker.input().drain();
    auto reply = co_await read_reply(worker);
    if (reply.empty()) { throw std::runtime_error("it sent an empty reply"); }
    co_return reply;
}

void give_reply(worker_request& request, const std::string& reply) {
    if (request.reply.done()) { return; }  // cancelled: nobody wants it
    auto content = reply.substr(1);
    if (reply.front() == detail::reply_is_result) {
        request.reply.set_result(std::move(content));
    } else {
        request.reply.set_exception(worker_error(std::move(content)));
    }
}

[[nodiscard]] std::string reason_of(const std::exception_ptr& problem) {
    try {
        std::rethrow_exception(problem);
    } catch (const std::exception& e) { return e.what(); } catch (...) {
        return "an unknown exception";
    }
}

/// Ends a worker that has failed, and tells how it ended.
coro<std::string> dismiss(process& worker) {
    worker.kill();
    const int code = co_await worker.wait();
    co_return "the worker process " + std::to_string(worker.pid()) + " (return code "
        + std::to_string(code) + ")";
}

coro<> answer(state_pointer s, std::optional<process>& worker, worker_request& request) {
    std::exception_ptr problem;
    // One that ended while it had nothing to do has failed nobody.
    if (worker.has_value() && worker->returncode().has_value()) { worker.reset(); }
    try {
        if (!worker.has_value()) {
            worker.emplace(co_await create_subprocess_exec(s->program, s->options.process));
        }
        const auto reply = co_await ask(*worker, request);
        give_reply(request, reply);
        co_return;
    } catch (const cancelled_error&) { throw; } catch (...) {
        problem = std::current_exception();
    }
    if (!worker.has_value()) {  // it could not be started
        if (!request.reply.done()) { request.reply.set_exception(problem); }
        co_return;
    }
    const auto who = co_await dismiss(*worker);
    worker.reset();
    if (request.reply.done()) { co_return; }
    request.reply.set_exception(worker_died_error(who + " failed while it ran '" + request.function
                                                  + "': " + reason_of(problem)));
}

/// One worker's side of the pool: a request after another, then the worker's orderly end.
coro<> serve(state_pointer s) {
    std::optional<process> worker;
    for (;;) {
        std::optional<worker_request> request;
        try {
            request.emplace(co_await s->requests.get());
        } catch (const queue_shutdown&) { break; }
        const bool is_taken_back = request->reply.done();
        if (!is_taken_back) { co_await answer(s, worker, *request); }
        --s->unanswered;
    }
    if (worker.has_value()) {
        worker->input().close();
        co_await worker->wait();
    }
}

/// Also the requests that a servant was chosen for and has not taken yet.
void cancel_all(detail::process_pool_state& s) {
    for (auto& each : s.servants) {
        if (!each.done()) { each.cancel(); }
    }
    s.requests.shutdown(true);
}

}  // namespace

process_pool::process_pool(command worker, process_pool_options options)
    : state_(std::make_shared<detail::process_pool_state>(std::move(worker), std::move(options))) {}
process_pool::process_pool(process_pool&& other) noexcept = default;

process_pool::~process_pool() {
    if (state_) { cancel_all(*state_); }
}

future<std::string> process_pool::submit(std::string function, std::string argument,
                                         await_site where) {
    auto& s = *state_;
    auto& loop = get_running_loop();
    auto reply = loop.create_future<std::string>(where);
    worker_request request;
    request.function = std::move(function);
    request.argument = std::move(argument);
    request.reply = reply;
    s.requests.put_nowait(std::move(request));
    if (++s.unanswered > s.servants.size() && s.servants.size() < s.options.workers) {
        const auto name = "worker " + std::to_string(s.servants.size() + 1);
        s.servants.push_back(loop.create_task(serve(state_), name, where));
    }
    return reply;
}

std::size_t process_pool::queued() const noexcept {
    return state_->requests.size();
}

coro<process_pool&> process_pool::enter() {
    co_return *this;
}

coro<> process_pool::exit(std::exception_ptr error) {
    auto& s = *state_;
    s.requests.shutdown();
    if (detail::is_cancellation(error)) { cancel_all(s); }
    std::vector<any_task> left(s.servants.begin(), s.servants.end());
    if (!left.empty()) { co_await wait(left); }
}

}  // namespace coroscope
