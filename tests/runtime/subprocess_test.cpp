// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/subprocess.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>

#include "runtime/subprocess_pair.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace subprocess_pair;
using stream_pair::contains;
using stream_pair::message_of;

TEST_CASE("a child is given input, and its output and return code come back", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_shell("cat; echo problem >&2; exit 3");
        CHECK(p.pid() > 0);
        CHECK_FALSE(p.returncode().has_value());
        const auto captured = co_await p.communicate("hello\n");
        CHECK(captured.output == "hello\n");
        CHECK(captured.error == "problem\n");
        CHECK(p.returncode() == 3);
        const auto again = co_await p.wait();
        CHECK(again == 3);
    }());
}

TEST_CASE("communicate gets past full pipes in all three directions", "[io]") {
    coroscope::run([]() -> coro<> {
        const std::string much(3'000'000, 'x');
        auto p = co_await start_shell("tee /dev/stderr");
        const auto captured = co_await p.communicate(much);
        CHECK(captured.output == much);
        CHECK(captured.error == much);
        CHECK(p.returncode() == 0);
    }());
}

TEST_CASE("the standard streams are pipes that a program may open anew", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_shell("cat /dev/stdin > /dev/stdout");
        const auto captured = co_await p.communicate("again");
        CHECK(captured.output == "again");
        CHECK(captured.error.empty());
    }());
}

TEST_CASE("a conversation with a child goes line by line", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("cat"));
        for (const std::string line : {"one\n", "two\n", "three\n"}) {
            p.input().write(line);
            co_await p.input().drain();
            const auto echo = co_await p.output().read_line();
            CHECK(echo == line);
        }
        p.input().write("12345;rest");
        const auto five = co_await p.output().read_exactly(5);
        CHECK(five == "12345");
        const auto separator = co_await p.output().read_until(";");
        CHECK(separator == ";");
        p.input().close();
        CHECK(p.input().is_closing());
        CHECK_THROWS_AS(p.input().write("late"), coroscope::invalid_state_error);
        co_await p.input().wait_closed();
        const auto rest = co_await p.output().read_all();
        CHECK(rest == "rest");
        const auto after = co_await p.output().read(10);
        CHECK(after.empty());
        const auto code = co_await p.wait();
        CHECK(code == 0);
    }());
}

TEST_CASE("writing more than a child reads pauses the writer until it reads", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("cat"));
        p.input().write(std::string(400'000, 'y'));
        CHECK(p.input().unsent() > 0);
        auto draining = coroscope::get_running_loop().create_task(p.input().drain());
        co_await stream_pair::let_others_run();
        CHECK_FALSE(draining.done());
        const auto all = co_await p.output().read_exactly(400'000);
        CHECK(all.size() == 400'000);
        co_await draining;
        CHECK(p.input().unsent() <= 16 * 1024);
    }());
}

TEST_CASE("a child that does not read is no error of communicate, one of drain, and no SIGPIPE",
          "[io]") {
    coroscope::run([]() -> coro<> {
        const std::string much(1'000'000, 'x');
        auto deaf = co_await start_shell("exec 0<&-; echo done");
        const auto captured = co_await deaf.communicate(much);
        CHECK(captured.output == "done\n");
        CHECK(deaf.returncode() == 0);

        auto gone = co_await start_shell("exit 0");
        co_await gone.wait();
        gone.input().write("x");
        const auto message = co_await message_of<boost::system::system_error>(gone.input().drain());
        CHECK(contains(message, "writing to the input of process "));
        CHECK(contains(message, "Broken pipe"));
    }());
}

TEST_CASE("what ended a child shows in its return code", "[io]") {
    coroscope::run([]() -> coro<> {
        for (const int signal : {SIGTERM, SIGKILL, SIGUSR1}) {
            auto p = co_await start_program(command("sleep", "1000"));
            CHECK(p.send_signal(signal));
            const auto code = co_await p.wait();
            CHECK(code == -signal);
            CHECK_FALSE(p.terminate());
            CHECK_FALSE(p.kill());
        }
        auto p = co_await start_program(command("sleep", "1000"));
        CHECK_THROWS_AS(p.send_signal(12345), boost::system::system_error);
        CHECK(p.terminate());
        const auto code = co_await p.wait();
        CHECK(code == -SIGTERM);
    }());
}

TEST_CASE("many may wait for one child, and many children run at once", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("cat"));
        auto& loop = coroscope::get_running_loop();
        auto first = loop.create_task(p.wait());
        auto second = loop.create_task(p.wait());
        auto third = loop.create_task(p.wait());
        co_await coroscope::yield_now();
        third.cancel();
        co_await coroscope::yield_now();
        p.input().close();
        co_await first;
        co_await second;
        CHECK(first.result() == 0);
        CHECK(second.result() == 0);
        CHECK(third.cancelled());

        std::vector<coro<std::string>> outputs;
        for (int i = 0; i < 30; ++i) {
            outputs.push_back(output_of("echo " + std::to_string(i)));
        }
        const auto all = co_await coroscope::gather(std::move(outputs));
        for (int i = 0; i < 30; ++i) {
            CHECK(all[static_cast<std::size_t>(i)] == std::to_string(i) + "\n");
        }
    }());
    CHECK_FALSE(has_children());
}

TEST_CASE("cancelling a wait leaves the child alive", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("cat"));
        auto waiting = coroscope::get_running_loop().create_task(p.wait());
        co_await coroscope::yield_now();
        waiting.cancel();
        co_await stream_pair::let_others_run();
        CHECK(waiting.cancelled());
        CHECK(exists(p.pid()));
        p.input().write("still here");
        const auto echo = co_await p.output().read(100);
        CHECK(echo == "still here");
    }());
}

TEST_CASE("a cancelled communicate loses nothing: the next one gives it all", "[io]") {
    coroscope::run([]() -> coro<> {
        // The child cannot end before it is allowed to, which is after the cancellation.
        const stream_pair::temporary_folder folder;
        const auto gate = folder / "gate";
        REQUIRE(::mkfifo(gate.c_str(), S_IRUSR | S_IWUSR) == 0);
        const int opened = ::open(gate.c_str(), O_RDWR | O_CLOEXEC);
        REQUIRE(opened >= 0);
        auto p = co_await start_shell("echo before; cat; read x < " + gate + "; echo after");
        p.input().write("in between\n");
        auto talking = coroscope::get_running_loop().create_task(p.communicate("input\n"));
        co_await stream_pair::let_others_run();
        talking.cancel();
        co_await stream_pair::let_others_run();
        CHECK(talking.cancelled());
        CHECK(::write(opened, "\n", 1) == 1);
        const auto captured = co_await p.communicate();
        ::close(opened);
        CHECK(captured.output == "before\nin between\ninput\nafter\n");
        CHECK(p.returncode() == 0);
    }());
}

TEST_CASE("a stream that is no pipe says so", "[io]") {
    coroscope::run([]() -> coro<> {
        subprocess_options options;
        options.output = redirect::devnull();
        auto p = co_await start_shell("echo unheard", options);
        CHECK_THROWS_AS(p.input(), coroscope::invalid_state_error);
        const auto captured = co_await p.communicate();
        CHECK(captured.output.empty());
        const auto message =
            co_await message_of<coroscope::invalid_state_error>(p.communicate("text"));
        CHECK(contains(message, "the input of process "));
        CHECK(contains(message, "set subprocess_options::input to redirect::pipe()"));
        const auto error = std::string("(/bin/sh)");
        CHECK(contains(message, error));
    }());
}

TEST_CASE("two tasks may not read one pipe at the same time", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("cat"));
        auto reading = coroscope::get_running_loop().create_task(p.output().read(1));
        co_await coroscope::yield_now();
        const auto message =
            co_await message_of<coroscope::invalid_state_error>(p.output().read(1));
        CHECK(contains(message, "two tasks read from the output of process "));
        reading.cancel();
        co_await stream_pair::let_others_run();
        p.output().close();
        const auto nothing = co_await p.output().read(1);
        CHECK(nothing.empty());
    }());
}

TEST_CASE("loops in several threads have children at the same time", "[io][threads]") {
    for (const auto how :
         {coroscope::child_watching::automatic, coroscope::child_watching::thread}) {
        std::vector<std::string> outputs(4);
        std::vector<std::thread> threads;
        for (auto& output : outputs) {
            threads.emplace_back([&output, how] {
                auto body = [](coroscope::child_watching watching) -> coro<std::string> {
                    std::string all;
                    for (int i = 0; i < 5; ++i) {
                        auto options = all_pipes();
                        options.watching = watching;
                        const auto part = co_await output_of("echo " + std::to_string(i), options);
                        all += part;
                    }
                    co_return all;
                };
                output = coroscope::run(body(how));
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        for (const auto& output : outputs) {
            CHECK(output == "0\n1\n2\n3\n4\n");
        }
    }
    CHECK_FALSE(has_children());
}

TEST_CASE("a virtual clock stands still while a child runs") {
    virtual_loop v;
    auto body = []() -> coro<int> {
        auto p = co_await start_program(command("cat"));
        p.input().close();
        co_return co_await p.wait();
    };
    CHECK(v.loop.run_until_complete(body()) == 0);
    CHECK(v.clock.elapsed() == coroscope::duration::zero());
    CHECK(v.loop.core().io_operations == 0);
}
