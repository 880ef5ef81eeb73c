// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/subprocess.hpp>

#include <coroscope/runtime/descriptors.hpp>

#include "runtime/subprocess_pair.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/socket.h>

using namespace subprocess_pair;
using stream_pair::contains;
using stream_pair::message_of;
using stream_pair::temporary_folder;

namespace {

std::string contents_of(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("a child may be started with no options", "[io]") {
    coroscope::run([]() -> coro<> {
        const command quiet("true");
        auto first = co_await coroscope::create_subprocess_exec(quiet);
        auto second = co_await coroscope::create_subprocess_shell("exit 3");
        const int zero = co_await first.wait();
        const int three = co_await second.wait();
        CHECK(zero == 0);
        CHECK(three == 3);
    }());
}

TEST_CASE("a program that cannot be started is named, with the reason", "[io]") {
    coroscope::run([]() -> coro<> {
        using boost::system::system_error;
        const temporary_folder folder;
        const auto nowhere =
            co_await message_of<system_error>(start_program(command("no-such-program")));
        CHECK(contains(nowhere, "'no-such-program', which is in no folder of PATH"));
        const auto missing =
            co_await message_of<system_error>(start_program(command("/no/such/program")));
        CHECK(contains(missing, "starting the program '/no/such/program'"));
        CHECK(contains(missing, "No such file"));
        const auto path = folder / "text";
        std::ofstream(path) << "no program";
        const auto denied = co_await message_of<system_error>(start_program(command(path)));
        CHECK(contains(denied, "Permission denied"));
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        const auto format = co_await message_of<system_error>(start_program(command(path)));
        CHECK(contains(format, "Exec format error"));
        subprocess_options options;
        options.working_directory = folder / "missing";
        const auto where =
            co_await message_of<system_error>(start_program(command("true"), options));
        CHECK(contains(where, "in the folder '" + options.working_directory + "'"));
    }());
    CHECK_FALSE(has_children());
}

TEST_CASE("arguments that make no sense are refused before anything starts", "[io]") {
    coroscope::run([]() -> coro<> {
        using wrong = std::invalid_argument;
        std::vector<std::string> none;
        const auto empty = co_await message_of<wrong>(start_program(command(none)));
        CHECK(contains(empty, "the first is its name"));
        const std::string cut("a\0b", 3);
        const auto nul = co_await message_of<wrong>(start_program(command("echo", cut)));
        CHECK(contains(nul, "NUL byte"));
        subprocess_options options;
        options.output = redirect::to_output();
        const auto loop = co_await message_of<wrong>(start_program(command("true"), options));
        CHECK(contains(loop, "subprocess_options::error only"));
        options = {};
        options.variables = coroscope::environment{{"A=B", "c"}};
        const auto variable =
            co_await message_of<wrong>(start_program(command("/bin/true"), options));
        CHECK(contains(variable, "'A=B'"));
        options = {};
        options.output = redirect::to(12345);
        const auto closed = co_await message_of<boost::system::system_error>(
            start_program(command("true"), options));
        CHECK(contains(closed, "descriptor 12345"));
    }());
}

TEST_CASE("a child starts in the folder and with the environment that it is given", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        auto options = all_pipes();
        options.working_directory = std::filesystem::canonical(folder / ".").string();
        options.variables = coroscope::environment{{"COLOUR", "green"}, {"PATH", "/usr/bin:/bin"}};
        const auto where = co_await output_of("pwd; echo $COLOUR; env | wc -l", options);
        // The shell adds PWD, and some shells SHLVL and _.
        CHECK(where.rfind(options.working_directory + "\ngreen\n", 0) == 0);
        const auto home = coroscope::current_environment();
        CHECK(home.count("PATH") == 1);
        options.variables = home;
        options.variables->insert_or_assign("ADDED", "1");
        const auto added = co_await output_of("echo $ADDED", options);
        CHECK(added == "1\n");
    }());
}

TEST_CASE("a program is looked for in the PATH that the child gets", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "greet";
        std::ofstream(path) << "#!/bin/sh\necho from here\n";
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        auto options = all_pipes();
        options.variables = coroscope::environment{{"PATH", "/nowhere:" + (folder / "")}};
        auto p = co_await start_program(command("greet"), options);
        const auto captured = co_await p.communicate();
        CHECK(captured.output == "from here\n");
    }());
}

TEST_CASE("output goes to a file, error to where the output goes", "[io]") {
    const temporary_folder folder;
    const auto path = folder / "log";
    coroscope::run([](std::string log) -> coro<> {
        const coroscope::file_descriptor file(
            ::open(log.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        subprocess_options options;
        options.output = redirect::to(file.get());
        options.error = redirect::to_output();
        auto p = co_await start_shell("echo one; echo two >&2", options);
        co_await p.wait();
    }(path));
    CHECK(contents_of(path) == "one\ntwo\n");
    coroscope::run([]() -> coro<> {
        auto options = all_pipes();
        options.error = redirect::to_output();
        const auto both = co_await output_of("echo one; echo two >&2", options);
        CHECK(both == "one\ntwo\n");
        options = all_pipes();
        options.input = redirect::devnull();
        const auto nothing = co_await output_of("cat", options);
        CHECK(nothing.empty());
    }());
}

TEST_CASE("streams that lie where others are to go are not overwritten", "[io]") {
    coroscope::run([]() -> coro<> {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        coroscope::file_descriptor reading(ends[0]);
        coroscope::file_descriptor writing(ends[1]);
        auto options = all_pipes();
        options.input = redirect::to(2);  // swapped with the next
        options.error = redirect::to(0);
        const auto output = co_await output_of("echo fine", options);
        CHECK(output == "fine\n");
    }());
}

TEST_CASE("a child inherits no descriptor but those passed to it, under the same numbers", "[io]") {
    coroscope::run([]() -> coro<> {
        // As Asio opens its sockets: without close-on-exec.
        const coroscope::file_descriptor leaky(::socket(AF_UNIX, SOCK_STREAM, 0));
        const temporary_folder folder;
        const auto path = folder / "passed";
        std::ofstream(path) << "text";
        const coroscope::file_descriptor passed(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        auto other = co_await start_program(command("cat"));
        const std::string list =
            "for f in /proc/self/fd/*; do echo $f; done | "
            "sed 's#.*/##' | sort -n | tr '\\n' ' '";
        // The shell itself has one open for the listing of the folder.
        const auto plain = co_await output_of(list);
        CHECK_FALSE(contains(" " + plain, " " + std::to_string(leaky.get()) + " "));
        auto options = all_pipes();
        options.pass_descriptors = {passed.get()};
        // Not `cat <&12`: some shells know numbers of one digit only.
        const auto through =
            co_await output_of("cat /proc/self/fd/" + std::to_string(passed.get()), options);
        CHECK(through == "text");
        const auto with_one = co_await output_of(list, options);
        CHECK(contains(" " + with_one, " " + std::to_string(passed.get()) + " "));
        CHECK_FALSE(contains(" " + with_one, " " + std::to_string(leaky.get()) + " "));
        options.pass_descriptors = {12345};
        const auto message = co_await message_of<boost::system::system_error>(
            start_program(command("true"), options));
        CHECK(contains(message, "passing descriptor 12345"));

        options = all_pipes();
        options.close_descriptors = false;
        const auto open = co_await output_of(list, options);
        CHECK(contains(" " + open, " " + std::to_string(leaky.get()) + " "));
    }());
}

TEST_CASE("a child of another child does not hold this one's input open", "[io]") {
    coroscope::run([]() -> coro<> {
        auto options = all_pipes();
        options.close_descriptors = false;  // close-on-exec must do it
        auto first = co_await start_program(command("cat"), options);
        auto second = co_await start_program(command("cat"), options);
        first.input().close();
        const auto code = co_await first.wait();
        CHECK(code == 0);
        CHECK_FALSE(second.returncode().has_value());
    }());
}

TEST_CASE("a child may have a session or a process group of its own", "[io]") {
    coroscope::run([]() -> coro<> {
        auto options = all_pipes();
        auto plain = co_await start_program(command("cat"), options);
        CHECK(::getsid(plain.pid()) == ::getsid(0));
        CHECK(::getpgid(plain.pid()) == ::getpgid(0));
        options.new_session = true;
        auto session = co_await start_program(command("cat"), options);
        CHECK(::getsid(session.pid()) == session.pid());
        options.new_session = false;
        options.process_group = 0;
        auto group = co_await start_program(command("cat"), options);
        CHECK(::getsid(group.pid()) == ::getsid(0));
        CHECK(::getpgid(group.pid()) == group.pid());
        options.process_group = group.pid();
        auto member = co_await start_program(command("cat"), options);
        CHECK(::getpgid(member.pid()) == group.pid());
    }());
}

TEST_CASE("a child's signals are neither blocked nor ignored because its parent's are", "[io]") {
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    struct sigaction ignore = {};
    struct sigaction handled = {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &handled);
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("sleep", "1000"));
        p.terminate();
        const auto terminated = co_await p.wait();
        CHECK(terminated == -SIGTERM);
        auto writer = co_await start_program(command("yes"));
        writer.output().close();
        const auto ended = co_await writer.wait();
        CHECK(ended == -SIGPIPE);
    }());
    ::sigaction(SIGPIPE, &handled, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}
