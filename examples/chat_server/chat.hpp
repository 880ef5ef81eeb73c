// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/queue.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace chat_server {

struct chat_limits {
    std::size_t members = 1000;
    /// Lines that may wait for one member; who lets more pile up is dropped.
    std::size_t waiting_lines = 100;
};

/// Somebody who takes part: what is on its way to them, and whether they have to go.
class member {
public:
    member(std::string called, std::size_t waiting_lines)
        : name(std::move(called)),
          outgoing(waiting_lines) {}

    std::string name;
    std::string room = "lobby";
    coroscope::queue<std::string> outgoing;  ///< lines with their `\n`
    coroscope::event ended;                  ///< no longer a member; the connection is to end
    std::string farewell;                    ///< the last line, where there is one
};

/// Members, the rooms they are in, and what is said there. Knows nothing of connections and never
/// waits: a line goes into the queue of everybody who is to get it, and who has no room left in
/// theirs is dropped, so that nobody waits for a slow reader. The loop's thread only.
class chat {
public:
    explicit chat(const chat_limits& limits) : limits_(limits) {}

    /// A new member, with a name of its own, in the lobby; null if the chat is full or over.
    [[nodiscard]] std::shared_ptr<member> enter();
    /// What a member has typed: a command, if it begins with a slash, or something to say.
    void take_line(member& from, std::string_view line);
    /// Ends a membership. The others in the room are told the reason; the member, the farewell.
    /// Does nothing the second time.
    void end(member& whom, std::string_view reason, std::string farewell);
    /// Ends all memberships, and lets nobody in any more.
    void end_all(const std::string& farewell);
    /// What to tell somebody who was not let in.
    [[nodiscard]] std::string refusal() const;

    [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }

private:
    using members = std::map<std::string, std::shared_ptr<member>, std::less<>>;

    void command(member& from, std::string_view name, std::string_view argument);
    void rename(member& whom, std::string_view to);
    void move(member& whom, std::string_view to);
    void list(member& to_whom);
    void tell(member& whom, const std::string& text);
    void tell_room(const std::string& room, const std::string& text, const member* except);

    chat_limits limits_;
    members members_;  // by name
    std::uint64_t guests_ = 0;
    std::string last_words_;  ///< empty: it goes on
};

}  // namespace chat_server
