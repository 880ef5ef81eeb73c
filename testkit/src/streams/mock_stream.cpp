// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/mock_stream.hpp>

#include "scripted_channel.hpp"
#include "test_environment.hpp"

#include <coroscope/testkit/assertion_error.hpp>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

namespace coroscope::testkit {

using detail::script_step;
using kind = script_step::kind;

namespace {

[[nodiscard]] std::uint64_t seed_of_test() noexcept {
    const auto* current = detail::test_environment::current();
    return current != nullptr ? current->seed() : 0;
}

[[nodiscard]] script_step step_of(kind what, await_site where) {
    script_step step;
    step.what = what;
    step.where = where;
    return step;
}

}  // namespace

mock_stream::mock_stream(std::string name)
    : channel_(std::make_shared<detail::scripted_channel>(get_running_loop(), std::move(name),
                                                          seed_of_test())),
      exceptions_(std::uncaught_exceptions()) {}

mock_stream::~mock_stream() {
    const auto left = channel_->unfinished();
    if (left.empty() || channel_->is_broken() || std::uncaught_exceptions() > exceptions_) {
        return;
    }
    detail::fail_test("mock stream '" + channel_->name() + "': " + left, channel_->left_at());
}

mock_stream& mock_stream::expects_write(std::string bytes, await_site where) {
    auto step = step_of(kind::expects_write, where);
    step.bytes = std::move(bytes);
    channel_->add(std::move(step));
    return *this;
}

mock_stream& mock_stream::expects_eof(await_site where) {
    channel_->add(step_of(kind::expects_eof, where));
    return *this;
}

mock_stream& mock_stream::expects_close(await_site where) {
    channel_->add(step_of(kind::expects_close, where));
    return *this;
}

mock_stream& mock_stream::gives(std::string bytes, await_site where) {
    auto step = step_of(kind::gives, where);
    step.bytes = std::move(bytes);
    channel_->add(std::move(step));
    return *this;
}

mock_stream& mock_stream::gives_in_pieces(std::string bytes, std::vector<std::size_t> sizes,
                                          await_site where) {
    if (sizes.empty() || std::ranges::find(sizes, std::size_t{0}) != sizes.end()) {
        throw std::invalid_argument(
            "mock_stream::gives_in_pieces needs at least one size, and none of 0");
    }
    auto step = step_of(kind::gives, where);
    step.bytes = std::move(bytes);
    step.sizes = std::move(sizes);
    channel_->add(std::move(step));
    return *this;
}

mock_stream& mock_stream::gives_in_pieces(std::string bytes, await_site where) {
    std::vector<std::size_t> sizes;
    for (auto left = bytes.size(); left > 0; left -= sizes.back()) {
        sizes.push_back(channel_->random_size(left));
    }
    if (sizes.empty()) { return gives(std::move(bytes), where); }
    return gives_in_pieces(std::move(bytes), std::move(sizes), where);
}

mock_stream& mock_stream::waits(duration length, await_site where) {
    auto step = step_of(kind::waits, where);
    step.length = length;
    channel_->add(std::move(step));
    return *this;
}

mock_stream& mock_stream::is_silent(await_site where) {
    channel_->add(step_of(kind::is_silent, where));
    return *this;
}

mock_stream& mock_stream::fails(boost::system::error_code error, await_site where) {
    auto step = step_of(kind::fails, where);
    step.error = error;
    channel_->add(std::move(step));
    return *this;
}

mock_stream& mock_stream::ends(await_site where) {
    channel_->add(step_of(kind::ends, where));
    return *this;
}

mock_stream& mock_stream::fails_in_operation(std::size_t n, boost::system::error_code error) {
    channel_->fail_in_operation(n, error);
    return *this;
}

stream mock_stream::open(stream_options options) {
    channel_->open();
    return coroscope::detail::make_simulated_stream(channel_, options, channel_->name(),
                                                    "code under test");
}

void mock_stream::assert_finished(await_site where) const {
    const auto left = channel_->unfinished();
    if (left.empty()) { return; }
    throw assertion_error("mock stream '" + channel_->name() + "': assert_finished failed at "
                          + to_string(where) + "\n    " + left);
}

const std::string& mock_stream::written() const noexcept {
    return channel_->written();
}

}  // namespace coroscope::testkit
