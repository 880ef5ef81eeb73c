// SPDX-License-Identifier: Apache-2.0
#include "registrar.hpp"

#include <coroscope/report/duration_text.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>

namespace mqtt_rpc {

using coroscope::coro;

namespace {

/// Counts itself.
class counted {
public:
    explicit counted(std::size_t& in) : in_(in) { ++in_; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --in_; }

private:
    std::size_t& in_;
};

}  // namespace

registrar::registrar(bus& through, std::ostream& log, coroscope::duration patience)
    : bus_(through),
      log_(log),
      patience_(patience),
      requests_(through) {}

coro<> registrar::listen() {
    co_await requests_.subscribe(register_request.topic);
    co_await requests_.subscribe(get_request.topic);
}

coro<> registrar::serve() {
    coroscope::task_group answers;
    co_await answers.run(take_requests(answers));
}

coro<> registrar::take_requests(coroscope::task_group& group) {
    for (;;) {
        const message request = co_await requests_.next();
        try {
            take(request, group);
        } catch (const bad_payload& why) { log_bad_payload(log_, request.topic, why); }
    }
}

void registrar::take(const message& request, coroscope::task_group& group) {
    if (request.topic == get_request.topic) {
        group.create_task(answer(read_question(request.payload)), "answer a question");
        return;
    }
    auto made = read_registration(request.payload);
    reply done;
    done.id = made.id;
    done.result = true;
    signatures_[method_name(made.id.service, made.id.function)] = std::move(made.signature);
    registered_.set();
    registered_.clear();
    bus_.publish(register_request.response(), to_text(done));
}

coro<> registrar::answer(question asked) {
    const counted one(waiting_);
    reply told;
    told.id = asked.id;
    try {
        method_name wanted(asked.id.service, asked.id.function);
        told.result = co_await coroscope::wait_for(signature_of(std::move(wanted)), patience_);
    } catch (const coroscope::timeout_error&) {
        told.error = asked.id.method() + " was not registered within "
                     + coroscope::report::format_duration(patience_);
    }
    bus_.publish(get_request.response(), to_text(told));
}

coro<std::string> registrar::signature_of(method_name which) {
    for (;;) {
        const auto found = signatures_.find(which);
        if (found != signatures_.end()) { co_return found->second; }
        co_await registered_.wait();
    }
}

}  // namespace mqtt_rpc
