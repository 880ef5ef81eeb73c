// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/protocol/command_table.hpp>

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <list>
#include <stop_token>
#include <string>
#include <thread>

namespace coroscope::profiler_server {

/// Answers the questions that take long, each on a thread of its own, so that the server's thread
/// goes on serving others.
///
/// **Thread safety**: belongs to the server's thread, or to who has joined it. **Lifetime**: the
/// context and the commands must outlive it. Its end asks all answers to stop and waits for them.
class long_answers {
public:
    long_answers(boost::asio::io_context& context, const protocol::command_table& commands)
        : context_(context),
          commands_(commands) {}
    long_answers(const long_answers&) = delete;
    long_answers& operator=(const long_answers&) = delete;
    ~long_answers() {
        for (auto& thread : threads_) {
            thread.request_stop();
        }
    }

    /// Begins, and calls `then` on the server's thread with the reply's bytes, or with none where
    /// there is no memory for it. What is returned ends it early.
    std::stop_source begin(protocol::request question, std::function<void(std::string)> then);

private:
    using place = std::list<std::jthread>::iterator;

    [[nodiscard]] std::string answer(const protocol::request& question,
                                     const std::stop_token& stop) const noexcept;
    void finish(place thread, const std::function<void(std::string)>& then, std::string bytes);

    boost::asio::io_context& context_;
    const protocol::command_table& commands_;
    std::list<std::jthread> threads_;
};

}  // namespace coroscope::profiler_server
