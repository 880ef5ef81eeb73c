// SPDX-License-Identifier: Apache-2.0
#include "chat.hpp"

#include <algorithm>
#include <vector>

namespace chat_server {
namespace {

constexpr std::size_t longest_name = 20;

[[nodiscard]] bool is_name(std::string_view text) {
    const auto is_fine = [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
               || c == '-' || c == '_';
    };
    return !text.empty() && text.size() <= longest_name
           && std::all_of(text.begin(), text.end(), is_fine);
}

/// What a terminal would obey is not passed on to others.
[[nodiscard]] std::string harmless(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c == '\t') { c = ' '; }
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') { c = '?'; }
    }
    return result;
}

/// Splits at the first space: `/nick anna` is `/nick` and `anna`.
[[nodiscard]] std::pair<std::string_view, std::string_view> split(std::string_view line) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos) { return {line, {}}; }
    return {line.substr(0, space), line.substr(space + 1)};
}

}  // namespace

std::shared_ptr<member> chat::enter() {
    if (!last_words_.empty() || members_.size() >= limits_.members) { return nullptr; }
    auto name = "guest" + std::to_string(++guests_);
    while (members_.contains(name)) {
        name = "guest" + std::to_string(++guests_);
    }
    auto entered = std::make_shared<member>(name, limits_.waiting_lines);
    members_.emplace(name, entered);
    tell(*entered, "* you are " + name + " in " + entered->room + "; /help lists the commands");
    tell_room(entered->room, "* " + name + " has come", entered.get());
    return entered;
}

void chat::take_line(member& from, std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
        line.remove_suffix(1);
    }
    if (line.empty() || from.ended.is_set()) { return; }
    if (line.front() == '/') {
        const auto [name, argument] = split(line);
        command(from, name, argument);
    } else {
        tell_room(from.room, from.name + ": " + harmless(line), &from);
    }
}

void chat::command(member& from, std::string_view name, std::string_view argument) {
    if (name == "/nick") {
        rename(from, argument);
    } else if (name == "/join") {
        move(from, argument);
    } else if (name == "/who") {
        list(from);
    } else if (name == "/quit") {
        end(from, "has gone", "* goodbye");
    } else if (name == "/help") {
        tell(from, "* /nick NAME, /join ROOM, /who, /quit; anything else is said in your room");
    } else {
        tell(from, "* there is no command " + harmless(name) + "; /help lists them");
    }
}

void chat::rename(member& whom, std::string_view to) {
    if (!is_name(to)) {
        tell(whom, "* a name has 1 to 20 letters, digits, - and _");
        return;
    }
    if (members_.contains(to)) {
        tell(whom, "* there is a " + std::string(to) + " already");
        return;
    }
    auto entry = members_.extract(whom.name);
    const auto old = std::exchange(whom.name, std::string(to));
    entry.key() = whom.name;
    members_.insert(std::move(entry));
    tell_room(whom.room, "* " + old + " is now " + whom.name, nullptr);
}

void chat::move(member& whom, std::string_view to) {
    if (!is_name(to)) {
        tell(whom, "* a room's name has 1 to 20 letters, digits, - and _");
        return;
    }
    const auto old = std::exchange(whom.room, std::string(to));
    tell_room(old, "* " + whom.name + " has gone to " + whom.room, &whom);
    tell(whom, "* you are in " + whom.room);
    tell_room(whom.room, "* " + whom.name + " has come", &whom);
}

void chat::list(member& to_whom) {
    std::string names;
    for (const auto& [name, each] : members_) {
        if (each->room == to_whom.room) { names += ' ' + name; }
    }
    tell(to_whom, "* in " + to_whom.room + ':' + names);
}

void chat::end(member& whom, std::string_view reason, std::string farewell) {
    if (whom.ended.is_set()) { return; }
    whom.farewell = std::move(farewell);
    whom.ended.set();
    const auto keeps = members_.extract(whom.name);
    tell_room(whom.room, "* " + whom.name + ' ' + std::string(reason), nullptr);
}

std::string chat::refusal() const {
    return last_words_.empty() ? "* the chat is full; try later" : last_words_;
}

void chat::end_all(const std::string& farewell) {
    last_words_ = farewell;
    for (const auto& [name, each] : std::exchange(members_, {})) {
        each->farewell = farewell;
        each->ended.set();
    }
}

void chat::tell(member& whom, const std::string& text) {
    if (whom.ended.is_set()) { return; }
    if (whom.outgoing.full()) {
        end(whom, "reads too slowly and was dropped", "* you read too slowly; goodbye");
        return;
    }
    whom.outgoing.put_nowait(text + '\n');
}

void chat::tell_room(const std::string& room, const std::string& text, const member* except) {
    std::vector<std::shared_ptr<member>> present;  // telling one may end another
    for (const auto& [name, each] : members_) {
        if (each->room == room && each.get() != except) { present.push_back(each); }
    }
    for (const auto& each : present) {
        tell(*each, text);
    }
}

}  // namespace chat_server
