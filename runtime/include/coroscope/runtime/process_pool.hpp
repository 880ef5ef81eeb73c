// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/subprocess.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace coroscope {

namespace detail {
struct process_pool_state;
}

/// What a function in a worker process threw: the text of its exception.
class worker_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A worker process ended, or sent something else than replies, while it had a request. The request
/// is not tried again.
class worker_died_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct process_pool_options {
    // No aggregate: g++ 12 destroys those twice beside a co_await.
    process_pool_options() {}  // NOLINT(modernize-use-equals-default)

    /// Processes, each started when it is first needed; 0: as many as the machine has processors.
    std::size_t workers = 0;
    /// How they are started; input and output are the pool's.
    subprocess_options process;
};

/// A number of worker processes that run functions by name: for work that may crash or takes long
/// on a processor.
///
///     coro<> body(coroscope::process_pool& pool) {
///         auto thumbnail = pool.submit("shrink", path);
///         co_await thumbnail;
///     }
///
///     co_await coroscope::with(coroscope::process_pool(coroscope::command("shrinker")), body);
///
/// The program calls `process_worker_main`. Nothing is forked without an exec, since a program with
/// threads cannot do that safely; it may be the program's own (`/proc/self/exe`) with an argument
/// that says so. Leaving the `with` waits for all requests; if it is left by a cancellation, they
/// are cancelled and the workers killed. A worker that dies fails its request, and another one
/// takes its place. **Cancelling** a request's future takes it back if it was not sent; otherwise
/// its reply is dropped. **Thread safety**: the loop's thread only.
class process_pool {
public:
    explicit process_pool(command worker, process_pool_options options = {});
    process_pool(process_pool&& other) noexcept;
    process_pool& operator=(process_pool&& other) = delete;
    /// Kills workers that are left.
    ~process_pool();

    /// Asks a worker to call `function(argument)`; both are bytes of any kind. Throws
    /// `queue_shutdown` after the end.
    future<std::string> submit(std::string function, std::string argument = {},
                               await_site where = await_site::current());
    /// Requests that no worker has begun.
    [[nodiscard]] std::size_t queued() const noexcept;

    [[nodiscard]] coro<process_pool&> enter();
    [[nodiscard]] coro<> exit(std::exception_ptr error);

private:
    std::shared_ptr<detail::process_pool_state> state_;
};

using worker_functions = std::map<std::string, std::function<std::string(std::string)>>;

/// The main function of a worker program: answers requests until its input ends, and returns the
/// exit status. What the functions write to the standard output goes to the standard error, since
/// the replies have the former; their standard input is empty. Runs no loop; a function may.
[[nodiscard]] int process_worker_main(const worker_functions& functions);

}  // namespace coroscope
