// SPDX-License-Identifier: Apache-2.0
// What runs somewhere else than on the loop (in threads, in files, in worker processes), cancelled
// at each of its suspension points in turn: it is taken back or done whole, nobody else waits for
// ever, and everything is released.
#include <coroscope/runtime/async_file.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/process_pool.hpp>
#include <coroscope/runtime/resolve.hpp>
#include <coroscope/runtime/threads.hpp>
#include <coroscope/runtime/with.hpp>

#include "runtime/cancellation_sweep.hpp"
#include "runtime/stream_pair.hpp"
#include "runtime/worker_program.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace cancellation_sweep;
using coroscope::async_file;
using coroscope::file_mode;
using coroscope::future;
using coroscope::get_running_loop;
using coroscope::process_pool;
using coroscope::thread_pool_executor;
using stream_pair::temporary_folder;
using worker_program::make_pool;

namespace {

/// One call in a thread after the other.
coro<int> count_in_threads(std::shared_ptr<std::atomic<int>> calls) {
    const auto call = [](std::shared_ptr<std::atomic<int>> c) {
        return ++*c;
    };
    int last = 0;
    for (int i = 0; i < 3; ++i) {
        last = co_await coroscope::to_thread(call, calls);
    }
    co_return last;
}

/// Submits so many jobs to a pool with little room; counts those that it could.
coro<> submit_some(thread_pool_executor& to, int n, int& submitted,
                   std::vector<future<int>>& results) {
    for (int i = 0; i < n; ++i) {
        co_await to.wait_for_room();
        results.push_back(get_running_loop().run_in_executor(to, [] { return 1; }));
        ++submitted;
    }
}

constexpr std::size_t lines = 3;

/// Writes lines and closes; what was awaited is counted.
coro<> write_lines(std::string path, std::size_t& written) {
    auto file = co_await coroscope::open_file(std::move(path), file_mode::write);
    for (std::size_t i = 0; i < lines; ++i) {
        co_await file.write("line " + std::to_string(i) + '\n');
        ++written;
    }
    co_await file.close();
}

coro<> write_with(async_file& file, std::size_t& written) {
    for (std::size_t i = 0; i < lines; ++i) {
        co_await file.write("line " + std::to_string(i) + '\n');
        ++written;
    }
}

[[nodiscard]] std::string first_lines(std::size_t n) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) {
        text += "line " + std::to_string(i) + '\n';
    }
    return text;
}

/// What a cancelled writer may leave: what it knows to be written, and perhaps one line more.
void check_written(const std::string& text, std::size_t written) {
    CHECK((text == first_lines(written) || text == first_lines(written + 1)));
}

coro<std::string> contents(std::string path) {
    try {
        co_return co_await coroscope::read_file(std::move(path));
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch): none yet
    }
    co_return std::string();
}

using requests = std::vector<future<std::string>>;

/// More requests than workers; waits for the first ones only.
coro<> use_workers(process_pool& pool, requests& all) {
    for (const auto* each : {"1", "2", "3", "4"}) {
        all.push_back(pool.submit("echo", each));
    }
    const auto first = co_await all.at(0);
    const auto second = co_await all.at(1);
    CHECK(first + second == "12");
}

}  // namespace

TEST_CASE("to_thread, cancelled at each of its steps, keeps no later job from its thread",
          "[threads]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const auto calls = std::make_shared<std::atomic<int>>(0);
        auto counting = get_running_loop().create_task(count_in_threads(calls));
        const bool was_cancelled = co_await cancel_after(counting, n);
        const int last = co_await count_in_threads(calls);
        CHECK(last == *calls);
        CHECK(*calls >= 3);
        CHECK(*calls <= 6);
        if (!was_cancelled) { CHECK((counting.result() == 3 && last == 6)); }
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}

TEST_CASE("wait_for_room, cancelled at each of its steps, keeps nobody else from the room",
          "[threads]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        coroscope::thread_pool_options options;
        options.threads = 1;
        options.max_queued = 1;
        auto pool = std::make_unique<thread_pool_executor>(options);
        int mine = 0;
        int others = 0;
        std::vector<future<int>> results;
        auto submitting = get_running_loop().create_task(submit_some(*pool, 6, mine, results));
        auto beside = get_running_loop().create_task(submit_some(*pool, 6, others, results));
        const bool was_cancelled = co_await cancel_after(submitting, n);
        co_await beside;
        CHECK(others == 6);
        int done = 0;
        for (auto& each : results) {
            const int one = co_await each;
            done += one;
        }
        CHECK(done == mine + others);
        results.clear();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("writing a file, cancelled at each of its steps, writes whole lines and closes it",
          "[threads]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "lines";
        std::size_t written = 0;
        const auto before = open_descriptors();
        auto writing = get_running_loop().create_task(write_lines(path, written));
        const bool was_cancelled = co_await cancel_after(writing, n);
        const auto is_closed = [before] {
            return open_descriptors() == before;
        };
        const bool closed = co_await comes_true(is_closed);
        CHECK(closed);
        const auto text = co_await contents(path);
        check_written(text, written);
        if (!was_cancelled) { CHECK(written == lines); }
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 5);
}

TEST_CASE("a file of a with, cancelled at each pass, is closed before the with is over",
          "[threads]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "lines";
        std::size_t written = 0;
        auto writing = get_running_loop().create_task(
            coroscope::with(coroscope::async_open(path, file_mode::write), write_with, written));
        const bool was_cancelled = co_await cancel_in_pass(writing, n);
        const auto text = co_await contents(path);
        check_written(text, written);
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 5);
}

TEST_CASE("reading a file, cancelled at each of its steps, moves its position by whole reads",
          "[threads]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "lines";
        co_await coroscope::write_file(path, first_lines(lines));
        auto file = co_await coroscope::open_file(path);
        const auto read_all_lines = [](async_file& from, std::size_t& count) -> coro<> {
            for (; count < lines; ++count) {
                const auto line = co_await from.read_line();
                CHECK(line == "line " + std::to_string(count) + '\n');
            }
        };
        std::size_t read = 0;
        auto reading = get_running_loop().create_task(read_all_lines(file, read));
        const bool was_cancelled = co_await cancel_after(reading, n);
        const auto at = co_await file.seek(0, coroscope::seek_from::current);
        const auto length = first_lines(1).size();
        CHECK((at == read * length || at == (read + 1) * length));
        co_await file.seek(0);
        const auto again = co_await file.read_all();
        CHECK(again == first_lines(lines));
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > lines);
}

TEST_CASE("read_file and write_file, cancelled at each of their steps, leave nothing open",
          "[threads]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const temporary_folder folder;
        const auto copy = [](std::string from, std::string to) -> coro<> {
            co_await coroscope::write_file(from, "text");
            auto text = co_await coroscope::read_file(from);
            co_await coroscope::write_file(std::move(to), std::move(text));
        };
        auto copying = get_running_loop().create_task(copy(folder / "original", folder / "copy"));
        const bool was_cancelled = co_await cancel_after(copying, n);
        const auto copied = co_await contents(folder / "copy");
        CHECK((copied == "text" || (was_cancelled && copied.empty())));
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}

TEST_CASE("lookups, cancelled at each of their steps, end unheard", "[threads]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const auto look_up = []() -> coro<std::size_t> {
            const auto found = co_await coroscope::getaddrinfo("127.0.0.1", "80");
            coroscope::naming_options as_numbers;
            as_numbers.numeric_host = as_numbers.numeric_service = true;
            const auto name = co_await coroscope::getnameinfo("127.0.0.1", 80, as_numbers);
            CHECK(name.host == "127.0.0.1");
            co_return found.size();
        };
        auto looking = get_running_loop().create_task(look_up());
        const bool was_cancelled = co_await cancel_after(looking, n);
        const auto found = co_await look_up();
        CHECK(found == 1);
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("the user of worker processes, cancelled at each pass, leaves no worker and no request",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        requests all;
        auto pool = make_pool(2);
        auto user =
            get_running_loop().create_task(coroscope::with(std::move(pool), use_workers, all));
        const bool was_cancelled = co_await cancel_in_pass(user, n);
        for (const auto& each : all) {
            CHECK(each.done());
            if (!was_cancelled) { CHECK_FALSE(each.cancelled()); }
        }
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}

TEST_CASE("a request to a worker, cancelled at each pass, spares the others", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const auto use = [](process_pool& pool, std::uint64_t pass, bool& ends) -> coro<> {
            const auto await_one = [](future<std::string> which) -> coro<> {
                co_await which;
            };
            auto asking = get_running_loop().create_task(await_one(pool.submit("echo", "first")));
            auto second = pool.submit("echo", "second");
            const bool was_cancelled = co_await cancel_in_pass(asking, pass);
            auto third = pool.submit("echo", "third");
            const auto text = co_await second;
            const auto last = co_await third;
            CHECK(text == "second");
            CHECK(last == "third");
            ends = !was_cancelled;
        };
        co_await coroscope::with(make_pool(1), use, n, at_end);
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("a pool that is dropped in any pass cancels all that it has not done", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        requests all;
        {
            auto pool = make_pool(1);
            const auto warm = co_await pool.submit("echo", "warm");
            CHECK(warm == "warm");
            // The worker waits for requests: this one is handed to it.
            all.push_back(pool.submit("echo", "1"));
            all.push_back(pool.submit("echo", "2"));
            const busy_passes seen;
            while (!all.back().done() && seen.count < n) {
                co_await coroscope::yield_now();
            }
            at_end = all.back().done();
        }
        const auto all_done = [&all] {
            return all.front().done() && all.back().done();
        };
        const bool settled = co_await comes_true(all_done);
        CHECK(settled);
    };
    CHECK(sweep(scenario) > 2);
}
