// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/future.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

// One thing has to come before another, and nothing but habit sees to it; answers that come late,
// or for somebody else.

namespace race_corpus::orders_file {
namespace {

/// The user of a service relies on its start to be quick.
coro<> start_service(std::optional<int>& port) {
    co_await yield_now();
    port = 80;
}

coro<> use_service(std::optional<int>& port, int late) {
    co_await be_late(late);
    effect("port", port.value());
}

coro<> used_before_start() {
    std::optional<int> port;
    co_await together(start_service(port), use_service(port, 3));
}

/// It sleeps for as long as the start takes: a tie that the timers may decide either way.
coro<> start_slowly(std::optional<int>& port) {
    co_await sleep_for(1s);
    port = 80;
}

coro<> sleep_then_use(std::optional<int>& port) {
    co_await sleep_for(1s);
    effect("port", port.value());
}

coro<> slept_long_enough() {
    std::optional<int> port;
    co_await together(start_slowly(port), sleep_then_use(port));
}

/// The event says that it is ready, and what is ready comes a step later.
coro<> announce_then_load(coroscope::event& is_ready, std::vector<int>& table) {
    co_await yield_now();
    is_ready.set();
    co_await yield_now();
    table = {1, 2, 3};
}

coro<> wait_then_read(coroscope::event& is_ready, const std::vector<int>& table, int late) {
    co_await be_late(late);
    co_await is_ready.wait();
    effect("first", table.at(0));
}

coro<> announced_too_early() {
    coroscope::event is_ready;
    std::vector<int> table;
    co_await together(announce_then_load(is_ready, table), wait_then_read(is_ready, table, 5));
}

/// The listener is added after an await; an event that has come by then is heard by nobody, as in
/// Node.js where 'close' comes before the handler of it.
struct emitter {
    std::optional<coroscope::future<>> listener;
    void emit() {
        if (listener.has_value() && !listener->done()) { listener->set_result(); }
    }
};

coro<> listen(emitter& e) {
    co_await yield_now();
    e.listener = coroscope::get_running_loop().create_future<>();
    co_await *e.listener;
}

coro<> emit_once(emitter& e, int late) {
    co_await be_late(late);
    e.emit();
}

coro<> listener_added_too_late() {
    emitter e;
    co_await together(listen(e), emit_once(e, 3));
}

/// An older request ends later, and its answer replaces the newer one: search as you type.
coro<> search(int& newest, std::string& shown, std::string what, int late) {
    co_await be_late(late);
    ++newest;
    const auto number = newest;
    co_await yield_now();  // asks the server
    shown = what + std::to_string(number);
}

coro<> older_answer_shown_last() {
    int newest = 0;
    std::string shown;
    co_await together(search(newest, shown, "request ", 0), search(newest, shown, "request ", 2));
    effect("shown", shown);
    expect(shown == "request 2", "an older answer is shown");
}

/// The answer to a request that was given up comes to the next one on the same connection.
struct wire {
    std::vector<coroscope::future<int>> waiting;
    void arrive(int value) {
        if (waiting.empty()) { return; }
        auto first = waiting.front();
        waiting.erase(waiting.begin());
        if (!first.done()) { first.set_result(value); }
    }
};

coro<> serve(wire& w) {
    co_await sleep_for(2s);
    w.arrive(1);
    co_await sleep_for(1s);
    w.arrive(2);
}

coro<> ask(wire& w, std::vector<int>& answers) {
    auto first = coroscope::get_running_loop().create_future<int>();
    w.waiting.push_back(first);
    co_await sleep_for(2s);
    if (!first.done()) { w.waiting.clear(); }  // too late: gives up
    auto second = coroscope::get_running_loop().create_future<int>();
    w.waiting.push_back(second);
    const int answer = co_await second;
    answers.push_back(answer);
}

coro<> answer_to_an_older_request() {
    wire w;
    std::vector<int> answers;
    co_await together(serve(w), ask(w, answers));
    effect("answers", answers);
    expect(answers == std::vector{2}, "the answer is that to an older request");
}

/// The entry of a request is erased at its timeout; the answer looks it up at the same instant.
coro<> time_out(std::map<int, std::string>& pending) {
    co_await sleep_for(5s);
    pending.erase(1);
}

coro<> complete(std::map<int, std::string>& pending) {
    co_await sleep_for(5s);
    pending.at(1) = "answer";
    pending.erase(1);
}

coro<> timeout_against_answer() {
    std::map<int, std::string> pending{{1, ""}};
    co_await together(complete(pending), time_out(pending));
}

/// Timeout and answer both complete one future.
coro<> finish_with(coroscope::future<int> result, int value) {
    co_await sleep_for(5s);
    result.set_result(value);
}

coro<> finish_unless_done(coroscope::future<int> result) {
    co_await sleep_for(5s);
    if (!result.done()) { result.set_result(-1); }
}

coro<> completed_twice() {
    auto result = coroscope::get_running_loop().create_future<int>();
    co_await together(finish_with(result, 1), finish_unless_done(result));
}

/// A step of a migration relies on the one before, which another task does.
coro<> create_table(std::map<std::string, int>& tables, int late) {
    co_await be_late(late);
    tables["users"] = 0;
}

coro<> insert_row(std::map<std::string, int>& tables, int late) {
    co_await be_late(late);
    ++tables.at("users");
}

coro<> inserted_before_created() {
    std::map<std::string, int> tables;
    co_await together(create_table(tables, 0), insert_row(tables, 2));
}

/// The first of two messages takes a longer way and comes second.
coro<> deliver(std::vector<int>& log, int number, int hops) {
    co_await be_late(hops);
    log.push_back(number);
}

coro<> messages_overtake() {
    std::vector<int> log;
    co_await together(deliver(log, 1, 1), deliver(log, 2, 2));
    expect(log == std::vector{1, 2}, "the second message came first");
}

/// A logger is torn down by its owner while others still use it at their end.
coro<> work_and_log(std::optional<std::string>& logger) {
    co_await yield_now();
    logger.value() += "done;";
}

coro<> tear_down(std::optional<std::string>& logger, int late) {
    co_await be_late(late);
    logger.reset();
}

coro<> logger_gone_at_the_end() {
    std::optional<std::string> logger = "";
    co_await together(work_and_log(logger), work_and_log(logger), tear_down(logger, 4));
}

constexpr auto order = "order violation";
constexpr auto timers = "timer against completion";
constexpr program list[] = {
    bug("used-before-start", order, source::own, used_before_start),
    bug("slept-long-enough", order, source::study, slept_long_enough),
    bug("announced-too-early", "published too early", source::own, announced_too_early),
    bug("listener-added-too-late", "missed notification", source::study, listener_added_too_late),
    bug("older-answer-shown-last", "stale cache", source::study, older_answer_shown_last),
    bug("answer-to-an-older-request", "ABA", source::study, answer_to_an_older_request),
    bug("timeout-against-answer", timers, source::study, timeout_against_answer),
    bug("completed-twice", timers, source::study, completed_twice),
    bug("inserted-before-created", order, source::study, inserted_before_created),
    silent_bug("messages-overtake", order, source::study, messages_overtake),
    bug("logger-gone-at-the-end", "use after free", source::own, logger_gone_at_the_end),
};

}  // namespace
}  // namespace race_corpus::orders_file

namespace race_corpus {

std::span<const program> orders() {
    return orders_file::list;
}

}  // namespace race_corpus
