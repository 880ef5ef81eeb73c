// SPDX-License-Identifier: Apache-2.0
// What a process that was forked may do with the loops that it has a copy of: nothing.
#include <coroscope/runtime/loop.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop_table.hpp>

#include "runtime/settling.hpp"
#include "runtime/subprocess_pair.hpp"
#include "support/catch.hpp"

#include <array>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>

using coroscope::coro;
using stream_pair::temporary_folder;

namespace {

/// Runs `f` in a new process and gives its status: 0 if it returned true.
template <class F>
[[nodiscard]] int status_in_new_process(F f) {
    const pid_t child = ::fork();
    if (child == 0) {
        int code = 2;
        try {
            code = f() ? 0 : 1;
        } catch (...) { code = 3; }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

coro<int> sleep_and_give(int n) {
    co_await coroscope::sleep_for(std::chrono::milliseconds(n));
    co_return n;
}

bool throws_without_loop() {
    try {
        static_cast<void>(coroscope::get_running_loop());
        return false;
    } catch (const std::logic_error&) { return true; }
}

}  // namespace

TEST_CASE("a running loop is not inherited, and the new process may run one of its own", "[io]") {
    coroscope::run([]() -> coro<> {
        const auto id = coroscope::get_running_loop().id();
        const int status = status_in_new_process([id] {
            const bool is_none = throws_without_loop();
            const auto listed = coroscope::read_loops();
            for (const auto& view : listed) {
                if (view.alive && view.id == id) { return false; }
            }
            const int slept = coroscope::run(sleep_and_give(2));
            const auto said = coroscope::run(subprocess_pair::output_of("echo hi"));
            return is_none && slept == 2 && said == "hi\n";
        });
        CHECK(status == 0);
        const int slept = co_await sleep_and_give(1);
        CHECK(slept == 1);
    }());
}

TEST_CASE("a copy of a loop does not run", "[io]") {
    coroscope::loop loop;
    const int status = status_in_new_process([&] {
        try {
            loop.run_until_complete(sleep_and_give(1));
            return false;
        } catch (const coroscope::invalid_state_error& e) {
            return stream_pair::contains(e.what(), "make a loop of its own here");
        }
    });
    CHECK(status == 0);
    CHECK(loop.run_until_complete(sleep_and_give(1)) == 1);
}

TEST_CASE("a process that is forked in a loop and returns to it leaves it with an error", "[io]") {
    const pid_t before = ::getpid();
    std::string problem;
    int status = 0;
    try {
        auto forks = []() -> coro<int> {
            const pid_t child = ::fork();
            if (child != 0) {
                int ended = 0;
                ::waitpid(child, &ended, 0);
                co_return ended;
            }
            co_await sleep_and_give(1000);
            co_return 1;
        };
        status = coroscope::run(forks());
    } catch (const std::exception& e) { problem = e.what(); }
    if (::getpid() != before) {
        ::_exit(stream_pair::contains(problem, "this process was forked inside of loop") ? 0 : 1);
    }
    CHECK(problem.empty());
    CHECK(status == 0);
}

namespace {

/// A loop with something of every kind on it.
struct busy_loop {
    explicit busy_loop(const std::string& socket_path) {
        loop->run_until_complete(fill(*this, socket_path));
    }
    static coro<> fill(busy_loop& b, std::string path) {
        const auto ignore = [](coroscope::stream s) {
            return keep(std::move(s));
        };
        b.pair.emplace(co_await stream_pair::connect());
        b.server.emplace(co_await coroscope::start_unix_server(ignore, path));
        b.child.emplace(co_await subprocess_pair::start_program(subprocess_pair::command("cat")));
        b.timer = coroscope::get_running_loop().create_task(sleep_and_give(50));
        b.reading = coroscope::get_running_loop().create_task(b.pair->client.read(100));
        REQUIRE(::pipe(b.ends.data()) == 0);
        coroscope::add_reader(coroscope::get_running_loop(), b.ends[0], [&b] {
            std::array<char, 8> buffer{};
            b.bytes_read += ::read(b.ends[0], buffer.data(), buffer.size());
        });
        auto job = [] {
            return 1;
        };
        co_await coroscope::get_running_loop().run_in_executor(job);
        co_await stream_pair::let_others_run();
    }
    static coro<> keep(coroscope::stream s) { co_await s.read(1); }
    ~busy_loop() {
        reset();
        ::close(ends[0]);
        ::close(ends[1]);
    }
    busy_loop(const busy_loop&) = delete;
    busy_loop& operator=(const busy_loop&) = delete;
    /// Destroys all of it, what the loop runs first.
    void reset() {
        timer = {};
        reading = {};
        child.reset();
        server.reset();
        pair.reset();
        loop.reset();
    }

    std::unique_ptr<coroscope::loop> loop = std::make_unique<coroscope::loop>();
    std::optional<stream_pair::connected> pair;
    std::optional<coroscope::server> server;
    std::optional<coroscope::process> child;
    coroscope::task<int> timer;
    coroscope::task<std::string> reading;
    std::array<int, 2> ends{-1, -1};
    ssize_t bytes_read = 0;
};

/// That everything on the loop still works.
coro<> use(busy_loop& b, std::string socket_path) {
    const int slept = co_await b.timer;
    CHECK(slept == 50);
    b.pair->peer.write("over the stream");
    const auto read = co_await b.reading;
    CHECK(read == "over the stream");
    REQUIRE(::write(b.ends[1], "abc", 3) == 3);
    const auto has_read = [&b] {
        return b.bytes_read == 3;
    };
    co_await subprocess_pair::until(has_read);
    CHECK(std::filesystem::is_socket(socket_path));
    auto client = co_await coroscope::open_unix_connection(socket_path);
    client.close();
    const auto echoed = co_await b.child->communicate("through the child");
    CHECK(echoed.output == "through the child");
    CHECK(b.child->returncode() == 0);
    auto job = [] {
        return 2;
    };
    const int from_job = co_await coroscope::get_running_loop().run_in_executor(job);
    CHECK(from_job == 2);
}

}  // namespace

TEST_CASE("destroying a copy of a loop and all on it does not disturb the original", "[io]") {
    const temporary_folder folder;
    const auto path = folder / "s";
    busy_loop b(path);
    b.loop->set_exception_handler([](coroscope::loop&, const coroscope::exception_context&) {});
    const int streams_first = status_in_new_process([&] {
        b.reset();
        return true;
    });
    CHECK(streams_first == 0);
    const int loop_first = status_in_new_process([&] {
        b.loop->close();
        b.reset();
        return true;
    });
    CHECK(loop_first == 0);
    b.loop->run_until_complete(use(b, path));
}

TEST_CASE("a signal to the new process does not reach the loop of the old one", "[io]") {
    struct sigaction before = {};
    struct sigaction plain = {};
    plain.sa_handler = SIG_DFL;
    ::sigaction(SIGINT, &plain, &before);
    auto body = []() -> coro<int> {
        const int status = status_in_new_process([] {
            ::raise(SIGINT);
            return true;
        });
        co_await stream_pair::let_others_run();
        co_return status;
    };
    const int status = coroscope::run(body());
    ::sigaction(SIGINT, &before, nullptr);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGINT);
}

TEST_CASE("a copy that leaves its run takes no SIGINT from the original", "[io]") {
    struct sigaction before = {};
    struct sigaction plain = {};
    plain.sa_handler = SIG_DFL;
    ::sigaction(SIGINT, &plain, &before);
    const pid_t original = ::getpid();
    std::string problem;
    auto body = []() -> coro<> {
        const pid_t child = ::fork();
        if (child != 0) {
            int status = 0;
            ::waitpid(child, &status, 0);
            coroscope::get_running_loop().call_soon([] { ::raise(SIGINT); });
        }
        co_await sleep_and_give(10'000);
    };
    try {
        coroscope::run(body());
    } catch (const std::exception& e) { problem = e.what(); }
    if (::getpid() != original) { ::_exit(0); }
    ::sigaction(SIGINT, &before, nullptr);
    CHECK(stream_pair::contains(problem, "SIGINT"));
}

TEST_CASE("recipe: a loop per process", "[io]") {
    std::vector<pid_t> children;
    for (int i = 0; i < 5; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            auto body = []() -> coro<int> {
                auto both = coroscope::gather(sleep_and_give(2), sleep_and_give(1));
                const auto results = co_await std::move(both);
                co_return std::get<0>(results) + std::get<1>(results);
            };
            ::_exit(coroscope::run(body()));
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        CHECK(::waitpid(child, &status, 0) == child);
        CHECK(WEXITSTATUS(status) == 3);
    }
}
