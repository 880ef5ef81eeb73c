// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/simulated_channel.hpp>

#include <coroscope/runtime/loop.hpp>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace coroscope::detail {

simulated_channel::operation::operation(loop_core& core) noexcept : core_(&core) {
    --core_->io_operations;  // whoever started it has counted it
}

void simulated_channel::operation::count_again() noexcept {
    if (auto* core = std::exchange(core_, nullptr)) { ++core->io_operations; }
}

/// Ends what waits when the loop's `io_context` goes, as that ends what waits for sockets: an
/// operation may hold the stream that holds its channel.
class simulated_channel::open_channels final : public boost::asio::execution_context::service {
public:
    using key_type = open_channels;
    static boost::asio::execution_context::id id;

    explicit open_channels(boost::asio::execution_context& of) : service(of) {}
    void add(simulated_channel& channel) { channels_.insert(&channel); }
    void remove(simulated_channel& channel) noexcept { channels_.erase(&channel); }

private:
    void shutdown() noexcept override {
        std::vector<std::unique_ptr<operation>> left;
        for (auto* channel : std::exchange(channels_, {})) {
            channel->among_ = nullptr;
            for (auto* waiting : {&channel->reads_, &channel->writes_}) {
                std::ranges::move(waiting->all, std::back_inserter(left));
                waiting->all.clear();
            }
        }
    }

    std::unordered_set<simulated_channel*> channels_;
};
boost::asio::execution_context::id simulated_channel::open_channels::id;

simulated_channel::simulated_channel(loop& in)
    : core_(&in.core()),
      among_(&boost::asio::use_service<open_channels>(in.io_context())) {
    among_->add(*this);
    core_->add_reference();
}

simulated_channel::~simulated_channel() {
    if (among_ != nullptr) { among_->remove(*this); }
    core_->release();
}

void simulated_channel::start(way w, std::unique_ptr<operation> waiting) {
    operations(w).all.push_back(std::move(waiting));
    if (is_ready(w)) { notify(w); }
}

void simulated_channel::notify(way w) noexcept {
    auto& waiting = operations(w);
    if (waiting.all.empty() || waiting.is_scheduled) { return; }
    if (core_->self == nullptr || core_->self->is_closed()) { return; }
    waiting.is_scheduled = true;
    core_->self->call_soon([channel = weak_from_this(), w] {
        if (const auto self = channel.lock()) { self->run(w); }
    });
}

void simulated_channel::run(way w) {
    auto& waiting = operations(w);
    waiting.is_scheduled = false;
    for (auto& each : std::exchange(waiting.all, {})) {
        if (!each->run()) { waiting.all.push_back(std::move(each)); }
    }
}

void simulated_channel::cancel(operation& waiting) noexcept {
    waiting.is_cancelled = true;
    for (const auto w : {way::in, way::out}) {
        const auto& all = operations(w).all;
        const auto is_it = [&](const auto& each) {
            return each.get() == &waiting;
        };
        if (std::ranges::any_of(all, is_it)) { notify(w); }
    }
}

void simulated_channel::cancel_all() noexcept {
    for (const auto w : {way::in, way::out}) {
        for (const auto& each : operations(w).all) {
            each->is_cancelled = true;
        }
        notify(w);
    }
}

}  // namespace coroscope::detail
