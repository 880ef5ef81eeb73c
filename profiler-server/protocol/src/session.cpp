// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/session.hpp>

#include <coroscope/report/duration_text.hpp>

#include <utility>

namespace coroscope::profiler_server::protocol {

session::session(const command_table& commands, const session_options& options, time_point now)
    : commands_(&commands),
      options_(options),
      framer_(options.limits),
      idle_since_(now) {}

session_output session::on_bytes(std::string_view bytes, time_point now) {
    pending_.append(bytes);
    return next(now);
}

session_output session::on_written(time_point now) {
    idle_since_ = now;
    return next(now);
}

session_output session::on_end_of_input() {
    if (closed_ || !framer_.inside()) {
        closed_ = true;
        return {{}, true};
    }
    return finish(error_code::malformed,
                  "the request ended before its last brace; send the whole object");
}

session_output session::on_timeout(time_point now) {
    if (closed_ || now < deadline()) { return {{}, closed_}; }
    if (request_since_) {
        return finish(error_code::timeout, "the request was not complete after "
                                               + report::format_duration(options_.request_timeout)
                                               + "; send the whole object at once");
    }
    return finish(error_code::timeout, "no request came; connect again when there is one");
}

session::time_point session::deadline() const {
    if (request_since_) { return *request_since_ + options_.request_timeout; }
    return idle_since_
           + (persistent_ ? options_.next_request_timeout : options_.first_request_timeout);
}

session_output session::next(time_point now) {
    if (closed_) { return {{}, true}; }
    const auto step = framer_.feed(std::string_view(pending_).substr(pending_from_));
    pending_from_ += step.consumed;
    if (step.status == frame_status::incomplete) {
        pending_.clear();
        pending_from_ = 0;
        if (framer_.inside() && !request_since_) { request_since_ = now; }
        return {};
    }
    request_since_.reset();
    return answer(step);
}

session_output session::answer(const frame_step& step) {
    if (step.status == frame_status::too_large) {
        return finish(error_code::frame_too_large, "the request is longer than "
                                                       + std::to_string(options_.limits.max_bytes)
                                                       + " bytes; send a shorter one");
    }
    if (step.status == frame_status::malformed) {
        return refuse({{},
                       {error_code::malformed,
                        step.problem
                            + "; send one JSON object a line, like "
                              "{\"command\":\"time_stats\"}",
                        {}}});
    }
    auto decoded = decode_request(step.frame);
    if (auto* refused = std::get_if<refused_request>(&decoded)) {
        if (refused->error.code == error_code::malformed) { framer_.skip_line(); }
        return refuse(std::move(*refused));
    }
    auto& request = std::get<protocol::request>(decoded);
    persistent_ = persistent_ || request.id.has_value();
    closed_ = !request.id.has_value();
    if (commands_->is_long(request.command)) { return {{}, closed_, std::move(request)}; }
    return {encode_reply(commands_->execute(request)), closed_};
}

session_output session::refuse(refused_request refused) {
    const auto code = refused.error.code;
    if (code != error_code::malformed) { refused.error.known = commands_->names(); }
    persistent_ = persistent_ || refused.id.has_value();
    // Who sent no id closes after the reply; from garbage alone nobody can tell.
    closed_ = !refused.id.has_value() && !(persistent_ && code == error_code::malformed);
    reply reply;
    reply.id = std::move(refused.id);
    reply.error = std::move(refused.error);
    return {encode_reply(reply), closed_};
}

session_output session::finish(error_code code, std::string message) {
    closed_ = true;
    reply reply;
    reply.error = {code, std::move(message), {}};
    return {encode_reply(reply), true};
}

}  // namespace coroscope::profiler_server::protocol
