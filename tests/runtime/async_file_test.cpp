// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/async_file.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/with.hpp>

#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>

using coroscope::async_file;
using coroscope::coro;
using coroscope::file_mode;
using stream_pair::contains;
using stream_pair::message_of;
using stream_pair::temporary_folder;

namespace {

coro<std::string> read_from(async_file& file) {
    co_return co_await file.read(1);
}

}  // namespace

TEST_CASE("a file is written and read as a whole", "[threads]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "f";
        const std::string much(1'000'000, 'x');
        co_await coroscope::write_file(path, much);
        const auto read = co_await coroscope::read_file(path);
        CHECK(read == much);
        co_await coroscope::write_file(path, "short");
        const auto again = co_await coroscope::read_file(path);
        CHECK(again == "short");
    }());
}

TEST_CASE("what goes wrong with a file names it", "[threads]") {
    coroscope::run([]() -> coro<> {
        using boost::system::system_error;
        const temporary_folder folder;
        const auto path = folder / "missing";
        const auto missing = co_await message_of<system_error>(coroscope::read_file(path));
        CHECK(contains(missing, "opening the file '" + path + "': No such file"));
        const auto denied = co_await message_of<system_error>(
            coroscope::write_file(folder / "no/such/folder", "x"));
        CHECK(contains(denied, "No such file"));
        const auto directory = co_await message_of<system_error>(coroscope::read_file(folder / ""));
        CHECK(contains(directory, "reading the file"));
        const auto update =
            co_await message_of<system_error>(coroscope::open_file(path, file_mode::update));
        CHECK(contains(update, path));
    }());
}

TEST_CASE("lines, pieces and positions go together", "[threads]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "f";
        co_await coroscope::write_file(path, "one\ntwo\nthree");
        auto file = co_await coroscope::open_file(path, file_mode::update);
        CHECK(file.path() == path);
        const auto line = co_await file.read_line();
        CHECK(line == "one\n");
        const auto piece = co_await file.read(2);
        CHECK(piece == "tw");
        const auto here = co_await file.seek(0, coroscope::seek_from::current);
        CHECK(here == 6);
        co_await file.write("O");
        co_await file.seek(-6, coroscope::seek_from::end);
        const auto rest = co_await file.read_all();
        CHECK(rest == "\nthree");
        co_await file.seek(8);
        const auto last = co_await file.read_line();
        CHECK(last == "three");
        const auto none = co_await file.read_line();
        CHECK(none.empty());
        const auto nothing = co_await file.read(5);
        CHECK(nothing.empty());
        co_await file.sync();
        co_await file.close();
        co_await file.close();
        CHECK_THROWS_AS(file.read(1), coroscope::invalid_state_error);
        const auto all = co_await coroscope::read_file(path);
        CHECK(all == "one\ntwO\nthree");
        auto appending = co_await coroscope::open_file(path, file_mode::append);
        co_await appending.write("!");
        const auto unreadable =
            co_await message_of<boost::system::system_error>(read_from(appending));
        CHECK(contains(unreadable, "reading the file '" + path + "'"));
        const auto longer = co_await coroscope::read_file(path);
        CHECK(longer == "one\ntwO\nthree!");
    }());
}

TEST_CASE("operations that nobody awaits happen in their order, before the close", "[threads]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "f";
        std::string expected;
        {
            auto file = co_await coroscope::open_file(path, file_mode::write);
            for (int i = 0; i < 300; ++i) {
                const auto line = std::to_string(i) + "\n";
                expected += line;
                file.write(line);
            }
            co_await file.close();
        }
        const auto all = co_await coroscope::read_file(path);
        CHECK(all == expected);
    }());
}

TEST_CASE("a write that has not begun is taken back when its task is cancelled", "[threads]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto pool = std::make_shared<coroscope::thread_pool_executor>(1);
        loop.set_default_executor(pool);
        const temporary_folder folder;
        const auto path = folder / "f";
        auto file = co_await coroscope::open_file(path, file_mode::write);
        std::promise<void> released;
        pool->submit([&released] { released.get_future().wait(); });
        auto first = file.write("first ");
        auto second = file.write("second ");
        auto third = file.write("third");
        second.cancel();
        released.set_value();
        co_await third;
        const auto all = co_await coroscope::read_file(path);
        CHECK(all == "first third");
        CHECK(first.done());
        co_await file.close();
    }());
}

TEST_CASE("recipe: writing and running async_open", "[threads]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "run.txt";
        auto write_words = [](async_file& f) -> coro<> {
            for (const char* word :
                 {"this", "is", "written", "in", "the", "order", "of", "the", "calls"}) {
                f.write(std::string(word) + " ");
            }
            co_return;
        };
        co_await coroscope::with(coroscope::async_open(path, file_mode::write), write_words);
        const auto all = co_await coroscope::read_file(path);
        CHECK(all == "this is written in the order of the calls ");
        auto fail = [](async_file& f) -> coro<> {
            f.write("kept all the same");
            throw std::out_of_range("in the body");
            co_return;
        };
        const auto message = co_await message_of<std::out_of_range>(
            coroscope::with(coroscope::async_open(path, file_mode::write), fail));
        CHECK(message == "in the body");
        const auto kept = co_await coroscope::read_file(path);
        CHECK(kept == "kept all the same");
    }());
}

TEST_CASE("a write may be cancelled when its file is gone, a close is not taken back",
          "[threads]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto pool = std::make_shared<coroscope::thread_pool_executor>(1);
        loop.set_default_executor(pool);
        const temporary_folder folder;
        const auto path = folder / "f";
        std::promise<void> released;
        coroscope::future<> last;
        coroscope::future<> closed;
        {
            auto file = co_await coroscope::open_file(path, file_mode::write);
            pool->submit([&released] { released.get_future().wait(); });
            file.write("first");
            last = file.write(" last");
            closed = file.close();
        }
        last.cancel();
        closed.cancel();
        released.set_value();
        auto settled = loop.run_in_executor(*pool, [] {});
        co_await std::move(settled);
        const auto all = co_await coroscope::read_file(path);
        CHECK(all == "first");
    }());
}
