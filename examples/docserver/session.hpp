// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "handler.hpp"
#include "log.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/task.hpp>

#include <map>

namespace docserver {

/// The connections that are open: who is idle, and whether the server is stopping. Used on the
/// loop's thread.
class session_list {
public:
    /// One connection's entry, from construction to destruction.
    class entry {
    public:
        explicit entry(session_list& list);
        entry(const entry&) = delete;
        entry& operator=(const entry&) = delete;
        ~entry();
        void set_idle(bool idle) noexcept { idle_ = idle; }

    private:
        friend class session_list;
        session_list& list_;
        coroscope::any_task task_;
        bool idle_ = false;
    };

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] bool stopping() const noexcept { return stopping_; }
    /// Ends the idle connections now, and the others after their request.
    void stop();

private:
    std::map<std::uint64_t, entry*> entries_;  // by the task's id
    bool stopping_ = false;
};

/// What all connections share.
struct service {
    site& content;
    const log& logger;
    session_list sessions;
};

/// Serves one connection: requests one after the other until either side has had enough.
[[nodiscard]] coroscope::coro<> serve_connection(service& s, coroscope::stream connection);

}  // namespace docserver
