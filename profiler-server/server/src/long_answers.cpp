// SPDX-License-Identifier: Apache-2.0
#include "long_answers.hpp"

#include <coroscope/profiler_server/protocol/reply.hpp>

#include <boost/asio/post.hpp>

#include <pthread.h>

#include <system_error>
#include <utility>

namespace coroscope::profiler_server {

namespace {

constexpr std::size_t most_at_once = 8;

std::string refused(protocol::request question, std::string message) {
    protocol::reply reply;
    reply.id = std::move(question.id);
    reply.command = std::move(question.command);
    reply.error = {protocol::error_code::busy, std::move(message), {}};
    return encode_reply(reply);
}

}  // namespace

std::stop_source long_answers::begin(protocol::request question,
                                     std::function<void(std::string)> then) {
    const auto refuse = [&](std::string message) {
        boost::asio::post(context_,
                          [then, bytes = refused(question, std::move(message))] { then(bytes); });
        return std::stop_source(std::nostopstate);
    };
    if (threads_.size() >= most_at_once) {
        return refuse("the program is answering " + std::to_string(most_at_once)
                      + " questions that take long; ask again later");
    }
    const auto at = threads_.emplace(threads_.end());
    try {
        *at = std::jthread([this, at, question, then](const std::stop_token& stop) {
            (void)pthread_setname_np(pthread_self(), "coroscope-long");
            auto bytes = answer(question, stop);
            boost::asio::post(context_, [this, at, then, bytes = std::move(bytes)]() mutable {
                finish(at, then, std::move(bytes));
            });
        });
    } catch (const std::system_error& error) {
        threads_.erase(at);
        return refuse(std::string("the program has no thread to spare: ") + error.what()
                      + "; ask again later");
    }
    return at->get_stop_source();
}

std::string long_answers::answer(const protocol::request& question,
                                 const std::stop_token& stop) const noexcept {
    try {
        return encode_reply(commands_.execute(question, stop));
    } catch (...) {  // no memory for it
        return {};
    }
}

void long_answers::finish(place thread, const std::function<void(std::string)>& then,
                          std::string bytes) {
    threads_.erase(thread);  // it has nothing left to do: this does not wait
    then(std::move(bytes));
}

}  // namespace coroscope::profiler_server
