// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/stream.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace coroscope {

namespace detail {
struct process_state;
}  // namespace detail

/// A program, by its path or by a name to be looked for in PATH, and its arguments. Written
/// `command("sort", "-u")` and not as a braced list, which g++ 12 does not compile in a `co_await`.
class command {
public:
    template <class... Arguments>
    explicit command(std::string program, Arguments&&... arguments) {
        words_.reserve(1 + sizeof...(arguments));
        words_.push_back(std::move(program));
        (words_.emplace_back(std::forward<Arguments>(arguments)), ...);
    }
    /// The program first.
    explicit command(std::vector<std::string> words) noexcept : words_(std::move(words)) {}
    [[nodiscard]] const std::vector<std::string>& words() const noexcept { return words_; }

private:
    std::vector<std::string> words_;
};

/// Where one of a child's three standard streams leads.
class redirect {
public:
    enum class kind { inherit, pipe, devnull, to_output, descriptor };

    /// The parent's own.
    [[nodiscard]] static redirect inherit() noexcept { return redirect(kind::inherit, -1); }
    /// A pipe to the `process` object.
    [[nodiscard]] static redirect pipe() noexcept { return redirect(kind::pipe, -1); }
    [[nodiscard]] static redirect devnull() noexcept { return redirect(kind::devnull, -1); }
    /// Standard error only: wherever the standard output leads.
    [[nodiscard]] static redirect to_output() noexcept { return redirect(kind::to_output, -1); }
    /// An open descriptor, which stays yours.
    [[nodiscard]] static redirect to(int descriptor) noexcept {
        return redirect(kind::descriptor, descriptor);
    }

    [[nodiscard]] kind what() const noexcept { return what_; }
    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

private:
    redirect(kind what, int descriptor) noexcept : what_(what), descriptor_(descriptor) {}
    kind what_;
    int descriptor_;
};

/// How a loop learns that a child has ended. No way touches other code's children, handles SIGCHLD,
/// or calls `waitpid(-1)`.
enum class child_watching {
    automatic,   ///< a descriptor; a thread where the kernel (before 5.3) has none
    descriptor,  ///< `pidfd_open`, watched by the loop
    thread,      ///< a thread for each child, blocked in `waitid`
};

using environment = std::map<std::string, std::string>;

/// A copy of this process's environment, to change and hand to a child.
[[nodiscard]] environment current_environment();

struct subprocess_options {
    // No aggregate: g++ 12 destroys those twice beside a co_await.
    subprocess_options() {}  // NOLINT(modernize-use-equals-default)

    redirect input = redirect::inherit();
    redirect output = redirect::inherit();
    redirect error = redirect::inherit();
    /// Where the child starts; empty: where the parent is.
    std::string working_directory;
    /// All that the child gets, PATH included, by which it is then looked for; unset: the parent's.
    std::optional<environment> variables;
    /// Closes everything but the three standard streams and `pass_descriptors` in the child, also
    /// what was opened without O_CLOEXEC (Asio's sockets are).
    bool close_descriptors = true;
    /// Descriptors that the child gets under the same numbers.
    std::vector<int> pass_descriptors;
    /// A session, and with it a process group, of its own: a terminal's Ctrl+C does not reach it.
    bool new_session = false;
    /// The process group to join; 0: a new one.
    std::optional<pid_t> process_group;
    /// Limits of the three pipes.
    stream_options pipes;
    child_watching watching = child_watching::automatic;
};

/// What a child wrote into its pipes.
struct captured_output {
    std::string output;
    std::string error;
};

/// A child process of the loop.
///
///     coroscope::subprocess_options options;
///     options.input = options.output = coroscope::redirect::pipe();
///     auto sort = co_await create_subprocess_exec(coroscope::command("sort", "-u"), options);
///     const auto sorted = co_await sort.communicate("b\na\n");
///
/// **Cancellation** of a task that waits leaves the child alive and loses nothing that it wrote.
/// **Lifetime**: destroying the object while the child runs kills it (SIGKILL) and closes the
/// pipes; the loop reaps it, so that no zombie is left. Closing the loop does that to all its
/// children, and waits for their end. After a `fork` the copy in the new process does nothing to
/// the child.
/// **Thread safety**: the loop's thread only; loops in several threads may have children each.
class process {
public:
    /// For the library's own components.
    explicit process(std::shared_ptr<detail::process_state> state) noexcept;
    process(process&& other) noexcept;
    process& operator=(process&& other) noexcept;
    ~process();

    [[nodiscard]] pid_t pid() const;
    /// Our ends of the pipes: the first is to be written to, the others to be read. Closing the
    /// first (or `write_eof`) ends the child's input; that it reads no more shows at the next
    /// `drain`, as `broken_pipe`, never as SIGPIPE. A child that writes to what was closed here
    /// gets SIGPIPE. `invalid_state_error` for a stream that was not redirected to a pipe.
    [[nodiscard]] stream& input() const;
    [[nodiscard]] stream& output() const;
    [[nodiscard]] stream& error() const;

    /// Waits for the child's end and gives its return code. A child that fills a pipe which nobody
    /// reads never ends: use `communicate` then.
    [[nodiscard]] coro<int> wait(await_site where = await_site::current());
    /// Writes `input` to the child, ends its input, reads all it writes, and waits for its end, all
    /// at the same time. That the child reads no more is no error. Throws `invalid_state_error` for
    /// input without a pipe. After a cancellation, a second call (without input) goes on.
    [[nodiscard]] coro<captured_output> communicate(std::string input = {},
                                                    await_site where = await_site::current());

    /// The exit status, or the negative number of the signal that ended the child; nothing while it
    /// runs. 255 if other code has reaped it, which the loop's exception handler is told.
    [[nodiscard]] std::optional<int> returncode() const;

    /// False if the loop knows already that the child has ended: nobody got the signal. Throws
    /// `boost::system::system_error` for a signal that does not exist or may not be sent.
    bool send_signal(int signal);
    /// SIGTERM.
    bool terminate();
    /// SIGKILL.
    bool kill();

private:
    [[nodiscard]] detail::process_state& state() const;
    std::shared_ptr<detail::process_state> state_;
};

/// Starts a program. Its signals are unblocked, and SIGPIPE ends it, whatever the parent does about
/// these. Blocks the loop until the kernel has replaced the child by the program (about a
/// millisecond). Throws `boost::system::system_error` naming the program, and the folder if that is
/// what is missing; `std::invalid_argument` for options that make no sense.
[[nodiscard]] coro<process> create_subprocess_exec(command program, subprocess_options options = {},
                                                   await_site where = await_site::current());

/// Starts `/bin/sh -c line`. Never build the line from other people's words.
[[nodiscard]] coro<process> create_subprocess_shell(std::string line,
                                                    subprocess_options options = {},
                                                    await_site where = await_site::current());

}  // namespace coroscope
