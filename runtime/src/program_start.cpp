// SPDX-License-Identifier: Apache-2.0
#include "program_start.hpp"

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

// posix_spawn and not fork: it copies no page tables, runs nothing of ours in the child, where
// other threads' locks may be held for ever, and reports what went wrong there.

namespace coroscope::detail {
namespace {

using boost::system::system_error;

[[noreturn]] void fail(int error, const std::string& doing) {
    throw system_error(error, boost::system::system_category(), doing);
}

/// Only returns for success.
void expect(int error, const char* doing) {
    if (error != 0) { fail(error, doing); }
}

class file_actions {
public:
    file_actions() { expect(::posix_spawn_file_actions_init(&raw_), "starting a program"); }
    file_actions(const file_actions&) = delete;
    file_actions& operator=(const file_actions&) = delete;
    ~file_actions() { ::posix_spawn_file_actions_destroy(&raw_); }
    [[nodiscard]] posix_spawn_file_actions_t* get() noexcept { return &raw_; }

    void duplicate(int from, int to) {
        expect(::posix_spawn_file_actions_adddup2(&raw_, from, to), "redirecting a program");
    }
    void open_null(int at) {
        expect(::posix_spawn_file_actions_addopen(&raw_, at, "/dev/null", O_RDWR, 0),
               "redirecting a program");
    }
    void change_folder(const std::string& to) {
        expect(::posix_spawn_file_actions_addchdir_np(&raw_, to.c_str()), "changing the folder");
    }
    /// Closes all but the first three and these.
    void close_others(std::vector<int> kept) {
        std::sort(kept.begin(), kept.end());
        int next = 3;
        for (const int each : kept) {
            for (; next < each; ++next) {
                expect(::posix_spawn_file_actions_addclose(&raw_, next), "closing descriptors");
            }
            next = std::max(next, each + 1);
        }
        expect(::posix_spawn_file_actions_addclosefrom_np(&raw_, next), "closing descriptors");
    }

private:
    posix_spawn_file_actions_t raw_ = {};
};

class attributes {
public:
    explicit attributes(const subprocess_options& options) {
        expect(::posix_spawnattr_init(&raw_), "starting a program");
        short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        sigset_t signals;
        sigemptyset(&signals);
        ::posix_spawnattr_setsigmask(&raw_, &signals);
        sigaddset(&signals, SIGPIPE);
        ::posix_spawnattr_setsigdefault(&raw_, &signals);
        if (options.new_session) { flags |= POSIX_SPAWN_SETSID; }
        if (options.process_group.has_value()) {
            flags |= POSIX_SPAWN_SETPGROUP;
            ::posix_spawnattr_setpgroup(&raw_, *options.process_group);
        }
        ::posix_spawnattr_setflags(&raw_, flags);
    }
    attributes(const attributes&) = delete;
    attributes& operator=(const attributes&) = delete;
    ~attributes() { ::posix_spawnattr_destroy(&raw_); }
    [[nodiscard]] const posix_spawnattr_t* get() const noexcept { return &raw_; }

private:
    posix_spawnattr_t raw_ = {};
};

/// What `execve` takes.
class text_list {
public:
    explicit text_list(std::vector<std::string> texts) : texts_(std::move(texts)) {
        for (auto& each : texts_) {
            if (each.find('\0') != std::string::npos) {
                throw std::invalid_argument(
                    "an argument or environment variable of a program contains a NUL byte: "
                    + std::string(each.c_str()));
            }
            pointers_.push_back(each.data());
        }
        pointers_.push_back(nullptr);
    }
    text_list(const text_list&) = delete;
    text_list& operator=(const text_list&) = delete;
    ~text_list() = default;
    [[nodiscard]] char* const* get() noexcept { return pointers_.data(); }

private:
    std::vector<std::string> texts_;
    std::vector<char*> pointers_;
};

[[nodiscard]] std::vector<std::string> as_list(const environment& variables) {
    std::vector<std::string> list;
    for (const auto& [name, value] : variables) {
        if (name.empty() || name.find('=') != std::string::npos) {
            throw std::invalid_argument("an environment variable is named '" + name
                                        + "'; names are not empty and contain no '='");
        }
        list.push_back(std::string(name).append("=").append(value));
    }
    return list;
}

[[nodiscard]] bool is_program(const std::string& path) {
    struct stat facts = {};
    return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)
           && ::access(path.c_str(), X_OK) == 0;
}

/// The path of a program: the first of this name in the PATH that the child will have.
[[nodiscard]] std::string find_program(const std::string& name, const environment& variables) {
    if (name.find('/') != std::string::npos) { return name; }
    const auto found = variables.find("PATH");
    std::string_view path = "/bin:/usr/bin";
    if (found != variables.end()) { path = found->second; }
    while (!name.empty()) {
        const auto end = path.find(':');
        const auto folder = path.substr(0, end);
        auto candidate = (folder.empty() ? std::string(".") : std::string(folder)) + "/" + name;
        if (is_program(candidate)) { return candidate; }
        if (end == path.npos) { break; }
        path.remove_prefix(end + 1);
    }
    fail(ENOENT, "starting the program '" + name + "', which is in no folder of PATH");
}

/// A copy above the three numbers that the child's streams get, so that none is overwritten before
/// it is used.
[[nodiscard]] file_descriptor out_of_the_way(int descriptor, const std::string& what) {
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) { fail(errno, what); }
    return file_descriptor(copy);
}

/// The child's ends, and ours.
class standard_streams {
public:
    standard_streams(const subprocess_options& options, file_actions& actions) {
        redirect_one(0, options.input, actions);
        redirect_one(1, options.output, actions);
        redirect_one(2, options.error, actions);
    }
    std::array<file_descriptor, 3> ours;

private:
    void redirect_one(int stream, const redirect& where, file_actions& actions) {
        auto& theirs = theirs_[static_cast<std::size_t>(stream)];
        switch (where.what()) {
        case redirect::kind::inherit: return;
        case redirect::kind::devnull: actions.open_null(stream); return;
        case redirect::kind::to_output:
            if (stream != 2) {
                throw std::invalid_argument(
                    "redirect::to_output is for subprocess_options::error only");
            }
            actions.duplicate(1, 2);
            return;
        case redirect::kind::pipe: theirs = open_pipe(stream); break;
        case redirect::kind::descriptor:
            theirs = out_of_the_way(where.descriptor(), "redirecting a program to descriptor "
                                                            + std::to_string(where.descriptor()));
            break;
        }
        actions.duplicate(theirs.get(), stream);
    }
    [[nodiscard]] file_descriptor open_pipe(int stream) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) { fail(errno, "opening a pipe to a program"); }
        const file_descriptor reading(ends[0]);
        const file_descriptor writing(ends[1]);
        const bool child_reads = stream == 0;
        ours[static_cast<std::size_t>(stream)] =
            out_of_the_way(child_reads ? ends[1] : ends[0], "opening a pipe to a program");
        return out_of_the_way(child_reads ? ends[0] : ends[1], "opening a pipe to a program");
    }
    std::array<file_descriptor, 3> theirs_;
};

/// Names the folder where that is what is missing; the kernel tells only that something is.
[[noreturn]] void fail_to_start(int error, const std::string& program, const std::string& folder) {
    struct stat facts = {};
    if (!folder.empty() && (::stat(folder.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode))) {
        fail(error, "starting the program '" + program + "' in the folder '" + folder + "'");
    }
    fail(error, "starting the program '" + program + "'");
}

}  // namespace

started_program start_program(const std::vector<std::string>& arguments,
                              const subprocess_options& options) {
    if (arguments.empty()) {
        throw std::invalid_argument(
            "a program is started without arguments; the first is its name");
    }
    const auto variables =
        options.variables.has_value() ? *options.variables : current_environment();
    text_list argv(arguments);
    text_list envp(as_list(variables));
    const auto path = find_program(arguments.front(), variables);
    file_actions actions;
    standard_streams streams(options, actions);
    for (const int each : options.pass_descriptors) {
        if (::fcntl(each, F_GETFD) < 0) {
            fail(errno, "passing descriptor " + std::to_string(each) + " to a program");
        }
        actions.duplicate(each, each);  // which lets it survive the exec
    }
    if (!options.working_directory.empty()) { actions.change_folder(options.working_directory); }
    if (options.close_descriptors) { actions.close_others(options.pass_descriptors); }
    const attributes how(options);
    started_program started{};
    const int error =
        ::posix_spawn(&started.pid, path.c_str(), actions.get(), how.get(), argv.get(), envp.get());
    if (error != 0) { fail_to_start(error, arguments.front(), options.working_directory); }
    started.pipes = std::move(streams.ours);
    return started;
}

}  // namespace coroscope::detail
