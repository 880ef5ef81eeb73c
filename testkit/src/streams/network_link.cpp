// SPDX-License-Identifier: Apache-2.0
#include "network_link.hpp"

#include <coroscope/testkit/detail/mock_core.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace coroscope::testkit::detail {

network_link::network_link(coroscope::detail::loop_core& core,
                           std::shared_ptr<std::mt19937_64> random, const link_options& options)
    : core_(core),
      random_(std::move(random)),
      options_(options) {
    core_.add_reference();
}

network_link::~network_link() {
    core_.release();
}

loop* network_link::open_loop() const noexcept {
    return core_.self != nullptr && !core_.self->is_closed() ? core_.self : nullptr;
}

time_point network_link::arrival_of(std::size_t bytes) {
    busy_until_ = std::max(busy_until_, core_.time->now());
    if (options_.bandwidth > 0) {
        const auto seconds = static_cast<double>(bytes) / static_cast<double>(options_.bandwidth);
        busy_until_ += duration(std::llround(seconds * 1e9));
    }
    auto arrives = busy_until_ + options_.latency;
    if (options_.jitter > duration::zero()) {
        arrives += duration(
            std::uniform_int_distribution<duration::rep>(0, options_.jitter.count())(*random_));
    }
    return arrives;
}

bool network_link::loses() noexcept {
    return options_.loss > 0 && std::bernoulli_distribution(options_.loss)(*random_);
}

void network_link::add(const std::weak_ptr<network_lane>& lane) {
    std::erase_if(lanes_, [](const auto& each) { return each.expired(); });
    lanes_.push_back(lane);
}

std::vector<std::shared_ptr<network_lane>> network_link::lanes() const {
    std::vector<std::shared_ptr<network_lane>> alive;
    for (const auto& each : lanes_) {
        if (auto lane = each.lock()) { alive.push_back(std::move(lane)); }
    }
    return alive;
}

void network_link::heal() {
    if (!std::exchange(is_cut_, false)) { return; }
    for (const auto& lane : lanes()) {
        lane->send_again();
    }
    for (auto& each : std::exchange(healed_, {})) {
        if (!each.done()) { each.set_result(); }
    }
}

void network_link::reset_streams() noexcept {
    for (const auto& lane : lanes()) {
        lane->fail(boost::asio::error::connection_reset);
    }
}

coro<> network_link::pass(std::shared_ptr<network_link> by, std::size_t bytes) {
    auto& loop = *by->core_.self;
    while (true) {
        if (by->is_cut_) {
            by->healed_.push_back(loop.create_future<>());
            auto healed = by->healed_.back();
            co_await healed;
        }
        auto arrives = by->arrival_of(bytes);
        while (by->loses()) {
            arrives += by->options_.retransmission;
        }
        co_await reach(arrives);
        if (!by->is_cut_) { co_return; }
    }
}

// --- Lanes

void network_lane::carry(std::string_view bytes) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(segment_size_, bytes.size()))) {
        send({{}, std::string(bytes.substr(0, segment_size_))});
    }
}

void network_lane::send(segment s) {
    if (link_->open_loop() == nullptr) { return; }
    s.arrives = link_->arrival_of(s.bytes.size());
    while (link_->loses()) {
        s.arrives += link_->options().retransmission;
    }
    on_the_way_.push_back(std::move(s));
    if (on_the_way_.size() == 1) { await_first(); }
}

void network_lane::await_first() {
    timer_.cancel();
    auto* const loop = link_->open_loop();
    if (loop == nullptr || on_the_way_.empty() || link_->is_cut()) { return; }
    timer_ = loop->call_at(on_the_way_.front().arrives, [lane = weak_from_this()] {
        if (const auto self = lane.lock()) { static_cast<network_lane&>(*self).deliver(); }
    });
}

void network_lane::deliver() {
    const auto now = link_->open_loop()->time();
    // In order: what has overtaken the first waits for it.
    while (!on_the_way_.empty() && !link_->is_cut() && on_the_way_.front().arrives <= now) {
        const auto first = std::move(on_the_way_.front());
        on_the_way_.pop_front();
        if (first.is_end) {
            arrive_end();
        } else {
            arrive(first.bytes);
        }
    }
    await_first();
}

void network_lane::send_again() {
    const auto* const loop = link_->open_loop();
    if (loop == nullptr) { return; }
    const auto again = loop->time() + link_->options().retransmission + link_->options().latency;
    for (auto& each : on_the_way_) {
        each.arrives = std::max(each.arrives, again);
    }
    await_first();
}

void network_lane::drop_carried() noexcept {
    on_the_way_.clear();
    timer_.cancel();
}

}  // namespace coroscope::testkit::detail
