// SPDX-License-Identifier: Apache-2.0
#include "remote_calls.hpp"

#include <coroscope/report/duration_text.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

namespace mqtt_rpc {

using coroscope::coro;

/// An entry of the table, while this lives.
class remote_calls::filed {
public:
    filed(remote_calls& in, key under)
        : calls_(in),
          key_(std::move(under)),
          answer_(coroscope::get_running_loop().create_future<outcome>()) {
        calls_.pending_.emplace(key_, answer_);
    }
    filed(const filed&) = delete;
    filed& operator=(const filed&) = delete;
    ~filed() { calls_.pending_.erase(key_); }

    [[nodiscard]] const answer& future() const noexcept { return answer_; }

private:
    remote_calls& calls_;
    key key_;
    answer answer_;
};

remote_calls::remote_calls(bus& through, std::ostream& log) : bus_(through), log_(log) {
    bus_.on_lost([this](const std::exception_ptr& why) { fail_all(why); });
}

coro<> remote_calls::listen(const request_kind& kind) {
    bus::message_handler take = [this](const message& from) {
        take_reply(from);
    };
    co_await bus_.subscribe(kind.response(), std::move(take));
}

coro<json> remote_calls::call(const request_kind& kind, call_id id, std::string payload,
                              coroscope::duration timeout) {
    auto work = publish_and_wait(kind, id, std::move(payload));
    try {
        co_return co_await coroscope::wait_for(std::move(work), timeout);
    } catch (const coroscope::timeout_error&) {
        throw coroscope::timeout_error("no reply on " + kind.response() + " for " + id.method()
                                       + " within " + coroscope::report::format_duration(timeout)
                                       + "; " + kind.if_silent);
    }
}

coro<json> remote_calls::publish_and_wait(const request_kind& kind, call_id id,
                                          std::string payload) {
    const filed entry(*this, key(kind.response(), std::move(id)));
    bus_.publish(kind.topic, payload);
    const outcome& came = co_await entry.future();
    if (came.failure) { std::rethrow_exception(came.failure); }
    if (came.answer.error) { throw remote_error(*came.answer.error); }
    co_return came.answer.result;
}

void remote_calls::take_reply(const message& from) {
    outcome came;
    try {
        came.answer = read_reply(from.payload);
    } catch (const bad_payload& why) {
        log_bad_payload(log_, from.topic, why);
        return;
    }
    const auto found = pending_.find(key(from.topic, came.answer.id));
    if (found != pending_.end()) { finish(found->second, std::move(came)); }
}

void remote_calls::fail_all(const std::exception_ptr& why) {
    for (auto& [id, whose] : pending_) {
        outcome came;
        came.failure = why;
        finish(whose, std::move(came));
    }
}

/// One that is done was cancelled, or answered twice, and leaves the table when its caller runs.
void remote_calls::finish(answer& whose, outcome with) {
    if (!whose.done()) { whose.set_result(std::move(with)); }
}

}  // namespace mqtt_rpc
