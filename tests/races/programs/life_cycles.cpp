// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/future.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Used after it was closed, freed or moved; used before it was there; ended twice.

namespace race_corpus::life_cycles_file {
namespace {

/// What is closed says so.
class connection {
public:
    void write(const std::string& text) {
        if (!is_open_) { throw std::runtime_error("the connection is closed"); }
        written_ += text;
    }
    void close() {
        if (!is_open_) { throw std::runtime_error("the connection was closed before"); }
        is_open_ = false;
    }
    [[nodiscard]] bool is_open() const { return is_open_; }
    [[nodiscard]] const std::string& written() const { return written_; }

private:
    bool is_open_ = true;
    std::string written_;
};

/// The writer looks whether it is open, flushes, and writes to what was closed meanwhile.
coro<> write_if_open(connection& c) {
    if (!c.is_open()) { co_return; }
    co_await yield_now();
    c.write("hello");
}

coro<> close_later(connection& c, int late) {
    co_await be_late(late);
    c.close();
}

coro<> written_after_close() {
    connection c;
    co_await together(write_if_open(c), close_later(c, 2));
}

/// A session is dropped from the table while a request of it waits.
coro<> answer(std::map<int, std::string>& sessions) {
    if (!sessions.contains(1)) { co_return; }
    co_await yield_now();
    sessions.at(1) += "answered";
}

coro<> drop_session(std::map<int, std::string>& sessions, int late) {
    co_await be_late(late);
    sessions.erase(1);
}

coro<> session_dropped_during_request() {
    std::map<int, std::string> sessions{{1, "ann"}};
    co_await together(answer(sessions), drop_session(sessions, 2));
}

/// A batch is sent, then the list is emptied: what was added while it was sent is never sent.
coro<> flush(std::vector<int>& pending, std::size_t& sent) {
    const auto batch = pending;
    co_await yield_now();  // sends it
    sent += batch.size();
    pending.clear();
}

coro<> log(std::vector<int>& pending, int late) {
    co_await be_late(late);
    pending.push_back(2);
}

coro<> cleared_after_sending() {
    std::vector<int> pending{1};
    std::size_t sent = 0;
    co_await together(flush(pending, sent), log(pending, 2));
    effect("sent-or-pending", sent + pending.size());
    expect(sent + pending.size() == 2, "a line was lost");
}

/// What it holds is moved out to be sent; another task goes on with what is left, which is nothing.
coro<> send_away(std::unique_ptr<std::string>& draft, std::string& sent, int late) {
    co_await be_late(late);
    const auto mine = std::move(draft);
    sent = mine != nullptr ? *mine : "";
}

coro<> edit(std::unique_ptr<std::string>& draft) {
    if (draft == nullptr) { co_return; }
    co_await yield_now();
    if (draft == nullptr) { throw std::runtime_error("the draft was moved away"); }
    *draft += "!";
}

coro<> draft_moved_away() {
    auto draft = std::make_unique<std::string>("hello");
    std::string sent;
    co_await together(edit(draft), send_away(draft, sent, 2));
}

/// A loop over indices awaits in its body, and another task erases.
coro<> greet_all(const std::vector<std::string>& guests, std::string& greeted) {
    const auto count = guests.size();
    for (std::size_t i = 0; i < count; ++i) {
        greeted += guests.at(i);
        co_await yield_now();
    }
}

coro<> leave(std::vector<std::string>& guests, int late) {
    co_await be_late(late);
    guests.pop_back();
}

coro<> guest_left_during_greeting() {
    std::vector<std::string> guests{"a", "b", "c"};
    std::string greeted;
    co_await together(greet_all(guests, greeted), leave(guests, 4));
}

/// The same with another look at the size: nobody is out of range, but somebody is left out.
coro<> visit_all(const std::vector<int>& list, std::vector<int>& visited) {
    for (std::size_t i = 0; i < list.size(); ++i) {
        visited.push_back(list[i]);
        co_await yield_now();
    }
}

coro<> remove_first(std::vector<int>& list, int late) {
    co_await be_late(late);
    list.erase(list.begin());
}

coro<> element_skipped() {
    std::vector<int> list{1, 2, 3};
    std::vector<int> visited;
    co_await together(visit_all(list, visited), remove_first(list, 4));
    effect("visited", visited);
    expect(visited.back() == 3 && visited[visited.size() - 2] == 2, "an element was skipped");
}

/// Two ways lead to the end, and both close.
coro<> shut(connection& c, int late) {
    co_await be_late(late);
    if (!c.is_open()) { co_return; }
    co_await yield_now();  // flushes
    c.close();
}

coro<> closed_twice() {
    connection c;
    co_await together(shut(c, 0), shut(c, 2));
}

/// The handlers of a server are dropped at its stop; one that ends later looks itself up.
coro<> run_handler(std::map<int, int>& handlers, int id) {
    handlers[id] = 1;
    co_await yield_now();
    handlers.at(id) = 2;
    handlers.erase(id);
}

coro<> stop_server(std::map<int, int>& handlers, int late) {
    co_await be_late(late);
    handlers.clear();
}

coro<> handler_outlives_server() {
    std::map<int, int> handlers;
    co_await together(run_handler(handlers, 1), run_handler(handlers, 2), stop_server(handlers, 3));
}

/// An object is in the registry before it is complete.
struct plugin {
    std::string name;
};

coro<> load(std::map<int, plugin>& registry, int late) {
    co_await be_late(late);
    auto& made = registry[1];
    co_await yield_now();  // reads its description
    made.name = "spell";
}

coro<> list_plugins(const std::map<int, plugin>& registry, std::string& names) {
    co_await yield_now();
    for (const auto& [id, each] : registry) {
        names += each.name.empty() ? "?" : each.name;
    }
}

coro<> published_before_complete() {
    std::map<int, plugin> registry;
    std::string names;
    co_await together(list_plugins(registry, names), load(registry, 2));
    effect("names", names);
    expect(names != "?", "a plugin without a name was listed");
}

/// One object goes back to the pool by two ways, and then out to two users.
struct pool {
    std::vector<int> free{1};
    std::vector<int> in_use;
};

coro<> give_back(pool& p, bool& is_ours, int late) {
    co_await be_late(late);
    if (!is_ours) { co_return; }
    co_await yield_now();  // resets it
    is_ours = false;
    p.free.push_back(2);
}

coro<> given_back_twice() {
    pool p;
    bool is_ours = true;
    co_await together(give_back(p, is_ours, 0), give_back(p, is_ours, 2));
    effect("free", p.free.size());
    expect(p.free.size() == 2, "one object is twice in the pool");
}

/// The value is taken out of an optional that somebody else has emptied since it was looked at.
coro<> use_token(std::optional<std::string>& token, std::string& used) {
    const bool has_one = token.has_value();
    co_await yield_now();
    if (has_one) { used = token.value(); }
}

coro<> expire(std::optional<std::string>& token, int late) {
    co_await be_late(late);
    token.reset();
}

coro<> token_expired_meanwhile() {
    std::optional<std::string> token = "secret";
    std::string used;
    co_await together(use_token(token, used), expire(token, 2));
}

constexpr program list[] = {
    bug("written-after-close", "use after close", source::study, written_after_close),
    bug("session-dropped-during-request", "use after free", source::study,
        session_dropped_during_request),
    bug("cleared-after-sending", "lost update", source::study, cleared_after_sending),
    bug("draft-moved-away", "use after move", source::own, draft_moved_away),
    bug("guest-left-during-greeting", "iterator across await", source::own,
        guest_left_during_greeting),
    bug("element-skipped", "iterator across await", source::study, element_skipped),
    bug("closed-twice", "double close", source::study, closed_twice),
    bug("handler-outlives-server", "use after free", source::study, handler_outlives_server),
    bug("published-before-complete", "published too early", source::own, published_before_complete),
    bug("given-back-twice", "double close", source::study, given_back_twice),
    bug("token-expired-meanwhile", "use after free", source::own, token_expired_meanwhile),
};

}  // namespace
}  // namespace race_corpus::life_cycles_file

namespace race_corpus {

std::span<const program> life_cycles() {
    return life_cycles_file::list;
}

}  // namespace race_corpus
