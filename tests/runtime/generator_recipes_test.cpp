// SPDX-License-Identifier: Apache-2.0
// What asyncio's textbooks do with asynchronous generators, with the outcomes that they state.
#include <coroscope/runtime/generator.hpp>
#include <coroscope/runtime/generator_adapters.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/with.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <regex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::async_generator;
using coroscope::coro;
using coroscope::duration;
using namespace std::chrono_literals;

namespace {

using lines = std::vector<std::string>;

async_generator<int> random_numbers(duration delay, int start, int end) {
    std::mt19937 random(1);
    std::uniform_int_distribution<int> between(start, end);
    for (;;) {
        co_await coroscope::sleep_for(delay);
        co_yield between(random);
    }
}

}  // namespace

TEST_CASE("recipe: an endless generator of random numbers gives one each second", "[generator]") {
    virtual_loop v;
    const auto drawn = v.loop.run_until_complete(
        v.loop.create_task(coroscope::collect(coroscope::take(random_numbers(1s, 0, 100), 20))));
    CHECK(drawn.size() == 20);
    for (const int number : drawn) {
        CHECK((number >= 0 && number <= 100));
    }
    CHECK(v.clock.elapsed() == 20s);
}

// --- Requests

namespace {

std::string fetch(const std::string& url) {
    if (url.find("missing") != std::string::npos) { throw std::runtime_error("no such host"); }
    return "page of " + url;
}

/// Yields the requests, which run side by side from then on.
async_generator<coroscope::future<std::string>> bulk_requests(coroscope::thread_pool_executor& in,
                                                              lines urls) {
    for (auto& url : urls) {
        auto request = [url] {
            return fetch(url);
        };
        co_yield coroscope::get_running_loop().run_in_executor(in, std::move(request));
    }
}

coro<> collect_pages(lines& pages, lines& failures) {
    coroscope::thread_pool_executor threads(10);
    const lines urls = {"a.example", "missing.example", "b.example"};
    const auto requests = co_await coroscope::collect(bulk_requests(threads, urls));
    for (const auto& request : requests) {
        try {
            pages.push_back(co_await request);
        } catch (const std::runtime_error& e) { failures.emplace_back(e.what()); }
    }
}

}  // namespace

TEST_CASE("recipe: a comprehension over requests names the failures and has the other pages",
          "[generator][threads]") {
    virtual_loop v;
    lines pages;
    lines failures;
    v.loop.run_until_complete(v.loop.create_task(collect_pages(pages, failures)));
    CHECK(pages == lines{"page of a.example", "page of b.example"});
    CHECK(failures == lines{"no such host"});
}

// --- A state machine

namespace {

enum class state { idle, started, paused };
enum class action { start, pause, stop, exit };

std::string name_of(state s) {
    return s == state::idle ? "IDLE" : s == state::started ? "STARTED" : "PAUSED";
}

/// Null: there is no such edge.
std::optional<state> after(state from, action a) {
    if (a == action::start) { return state::started; }
    if (a == action::pause && from != state::started) { return std::nullopt; }
    return a == action::pause ? state::paused : state::idle;
}

async_generator<state, action> state_machine(lines& log) {
    auto now = state::idle;
    for (;;) {
        const auto sent = co_yield now;
        if (!sent) { continue; }
        const auto next = after(now, *sent);
        if (next) {
            log.push_back("Transitioning from " + name_of(now) + " to " + name_of(*next));
        } else {
            log.push_back("no edge from " + name_of(now));
        }
        now = next.value_or(now);
        if (*sent == action::exit) { break; }
    }
}

struct start_error : std::runtime_error {
    start_error() : std::runtime_error("the machine has been started") {}
};
struct step_error : std::runtime_error {
    step_error() : std::runtime_error("the machine does not run") {}
};
struct stop_error : std::runtime_error {
    stop_error() : std::runtime_error("the machine has not been started") {}
};

/// Starts, steps and stops the machine, and says which of these was wrong.
class machine {
public:
    explicit machine(lines& log) : states_(state_machine(log)) {}
    coro<> start() {
        if (is_started_) { throw start_error(); }
        is_started_ = true;
        co_await states_.next();
    }
    /// False: that was the last step.
    coro<bool> step(action a) {
        if (!is_started_ || states_.finished()) { throw step_error(); }
        const auto reached = co_await states_.asend(a);
        co_return reached.has_value();
    }
    /// Also once the machine has come to its end by itself.
    coro<> stop() {
        if (!is_started_) { throw stop_error(); }
        co_await states_.aclose();
    }

private:
    async_generator<state, action> states_;
    bool is_started_ = false;
};

/// The menu: asks again where a line is no number from 0 to 3, and is left after Exit.
coro<> use_menu(coroscope::queue<std::string>& typed, lines& log) {
    machine m(log);
    co_await m.start();
    bool goes_on = true;
    while (goes_on) {
        const std::string line = co_await typed.get();
        if (line.size() != 1 || line[0] < '0' || line[0] > '3') {
            log.emplace_back("again");
            continue;
        }
        goes_on = co_await m.step(static_cast<action>(line[0] - '0'));
    }
    co_await m.stop();
}

template <class Error, class T>
coro<bool> throws(coro<T> work) {
    try {
        co_await std::move(work);
    } catch (const Error&) { co_return true; }
    co_return false;
}

}  // namespace

TEST_CASE("recipe: a state machine that a menu drives until Exit", "[generator]") {
    virtual_loop v;
    coroscope::queue<std::string> typed;
    for (const auto* line : {"1", "0", "1", "0", "-1", "4", "", "2", "3", "0"}) {
        typed.put_nowait(line);
    }
    lines log;
    v.loop.run_until_complete(v.loop.create_task(use_menu(typed, log)));
    CHECK(log
          == lines{"no edge from IDLE", "Transitioning from IDLE to STARTED",
                   "Transitioning from STARTED to PAUSED", "Transitioning from PAUSED to STARTED",
                   "again", "again", "again", "Transitioning from STARTED to IDLE",
                   "Transitioning from IDLE to IDLE"});
    CHECK(typed.size() == 1);  // what was typed after Exit
}

TEST_CASE("recipe: a state machine tells wrong starts, steps and stops apart", "[generator]") {
    virtual_loop v;
    const auto body = [](lines& log) -> coro<> {
        machine m(log);
        const bool too_early = co_await throws<step_error>(m.step(action::start));
        const bool not_started = co_await throws<stop_error>(m.stop());
        co_await m.start();
        const bool twice = co_await throws<start_error>(m.start());
        const bool more = co_await m.step(action::exit);
        const bool too_late = co_await throws<step_error>(m.step(action::start));
        co_await m.stop();  // it has ended by itself: normal
        CHECK(too_early);
        CHECK(not_started);
        CHECK(twice);
        CHECK_FALSE(more);
        CHECK(too_late);
    };
    lines log;
    v.loop.run_until_complete(v.loop.create_task(body(log)));
    CHECK(log == lines{"Transitioning from IDLE to IDLE"});
}

// --- An interactor: something to talk to a generator with

namespace {

/// Primes a generator, sends to it, and closes it at the end.
template <class Sent>
class interactor {
public:
    interactor(async_generator<int, Sent> with, lines& log)
        : generator_(std::move(with)),
          log_(log) {}
    coro<interactor&> enter() {
        co_await generator_.next();
        co_return *this;
    }
    coro<> exit(std::exception_ptr) { co_await generator_.aclose(); }

    coro<> interact(Sent what) {
        const auto answer = co_await generator_.asend(std::move(what));
        if (!answer) { log_.emplace_back("exhausted"); }
    }
    coro<> fail() { co_await generator_.athrow(std::runtime_error("thrown in")); }
    [[nodiscard]] bool finished() const noexcept { return generator_.finished(); }

private:
    async_generator<int, Sent> generator_;
    lines& log_;
};

/// Calls its handler, which is the push, with whatever is sent, so many times.
async_generator<int, std::string> handling(lines& log, int times) {
    struct farewell {
        explicit farewell(lines& l) : log(l) {}
        farewell(const farewell&) = delete;
        farewell& operator=(const farewell&) = delete;
        ~farewell() { log.emplace_back("closed"); }
        lines& log;
    };
    const farewell at_the_end(log);
    for (int i = 0; i < times; ++i) {
        const auto sent = co_yield i;
        co_await coroscope::sleep_for(1s);
        if (sent) { log.push_back("handled " + *sent); }
    }
}

}  // namespace

TEST_CASE("recipe: what is sent to a generator is handled until it is exhausted", "[generator]") {
    virtual_loop v;
    lines log;
    const auto talk = [](interactor<std::string>& to) -> coro<> {
        co_await to.interact("a");
        co_await to.interact("b");
        co_await to.interact("c");
    };
    const auto body = [](lines& l, auto say) -> coro<> {
        interactor<std::string> to(handling(l, 2), l);
        co_await coroscope::with(to, say);
        CHECK(to.finished());
    };
    v.loop.run_until_complete(v.loop.create_task(body(log, talk)));
    CHECK(log == lines{"handled a", "handled b", "closed", "exhausted", "exhausted"});
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("recipe: a generator is closed at the end, or ended by what is thrown in",
          "[generator]") {
    virtual_loop v;
    lines log;
    const auto talk = [](interactor<std::string>& to) -> coro<> {
        co_await to.interact("a");
    };
    const auto upset = [](interactor<std::string>& to) -> coro<> {
        co_await to.fail();
    };
    const auto body = [](lines& l, auto say, auto fail) -> coro<> {
        interactor<std::string> to(handling(l, 10), l);
        co_await coroscope::with(to, say);
        CHECK(to.finished());
        interactor<std::string> other(handling(l, 10), l);
        const bool thrown = co_await throws<std::runtime_error>(coroscope::with(other, fail));
        CHECK(thrown);
        CHECK(other.finished());
    };
    v.loop.run_until_complete(v.loop.create_task(body(log, talk, upset)));
    CHECK(log == lines{"handled a", "closed", "closed"});
}

// --- A web crawler

namespace {

/// A blocking source of values, nothing at its end.
template <class T>
using blocking_source = std::function<std::optional<T>()>;

/// Takes each value in a thread, so that the loop goes on meanwhile.
template <class T>
async_generator<T> wrap_async(blocking_source<T> next, coroscope::thread_pool_executor& in) {
    for (;;) {
        auto reading = coroscope::get_running_loop().run_in_executor(in, next);
        auto value = co_await std::move(reading);
        if (!value) { break; }
        co_yield std::move(*value);
    }
}

using page = std::pair<std::string, std::string>;  ///< the link, the body

blocking_source<page> follow(lines links) {
    auto left = std::make_shared<lines>(std::move(links));
    return [left]() -> std::optional<page> {
        if (left->empty()) { return std::nullopt; }
        const auto link = left->front();
        left->erase(left->begin());
        return page(link, "<a href=\"" + link + "/1\">one</a> <a href='x'>no</a> <a href=\"" + link
                              + "/2\">two</a>");
    };
}

lines get_links(const std::string& body) {
    static const std::regex anchor("<a href=\"([^\"]*)\"");
    lines found;
    for (std::sregex_iterator i(body.begin(), body.end(), anchor), end; i != end; ++i) {
        found.push_back((*i)[1]);
    }
    return found;
}

}  // namespace

TEST_CASE("recipe: a crawler's blocking generator runs in threads and gives each anchor's link",
          "[generator][threads]") {
    virtual_loop v;
    lines found;
    const auto body = [](lines& all) -> coro<> {
        coroscope::thread_pool_executor threads(4);
        const auto visit = [&all](const page& p) {
            for (auto& link : get_links(p.second)) {
                all.push_back(link);
            }
        };
        const lines start = {"a", "b"};
        co_await coroscope::for_each(wrap_async(follow(start), threads), visit);
    };
    v.loop.run_until_complete(v.loop.create_task(body(found)));
    CHECK(found == lines{"a/1", "a/2", "b/1", "b/2"});
}
