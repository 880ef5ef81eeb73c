// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/network.hpp>

#include "byte_lane.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace coroscope::testkit::detail {

class network_lane;

/// One way between two hosts.
class network_link {
public:
    network_link(coroscope::detail::loop_core& core, std::shared_ptr<std::mt19937_64> random,
                 const link_options& options);
    network_link(const network_link&) = delete;
    network_link& operator=(const network_link&) = delete;
    ~network_link();

    void set(const link_options& options) noexcept { options_ = options; }
    [[nodiscard]] bool is_cut() const noexcept { return is_cut_; }
    void cut() noexcept { is_cut_ = true; }
    void heal();
    void reset_streams() noexcept;
    /// Completes when something of this size has arrived, which is sent again until it has.
    [[nodiscard]] static coro<> pass(std::shared_ptr<network_link> by, std::size_t bytes);

    /// When something of this size would arrive that is sent now; it takes its share of the
    /// bandwidth.
    [[nodiscard]] time_point arrival_of(std::size_t bytes);
    [[nodiscard]] bool loses() noexcept;
    [[nodiscard]] const link_options& options() const noexcept { return options_; }
    /// Null once it is closed.
    [[nodiscard]] loop* open_loop() const noexcept;

    void add(const std::weak_ptr<network_lane>& lane);

private:
    [[nodiscard]] std::vector<std::shared_ptr<network_lane>> lanes() const;

    coroscope::detail::loop_core& core_;
    std::shared_ptr<std::mt19937_64> random_;
    link_options options_;
    time_point busy_until_{};
    bool is_cut_ = false;
    std::vector<std::weak_ptr<network_lane>> lanes_;
    std::vector<future<>> healed_;  ///< of those who wait for a way
};

/// A direction of a stream between two hosts.
class network_lane final : public byte_lane {
public:
    network_lane(std::shared_ptr<network_link> link, std::size_t window, std::size_t segment_size)
        : byte_lane(window),
          link_(std::move(link)),
          segment_size_(segment_size) {}
    ~network_lane() override { timer_.cancel(); }

    /// The link is whole again.
    void send_again();

private:
    struct segment {
        time_point arrives;
        std::string bytes;
        bool is_end = false;
    };
    void carry(std::string_view bytes) override;
    void carry_end() override { send({{}, {}, true}); }
    void drop_carried() noexcept override;
    void send(segment s);
    void await_first();
    void deliver();

    std::shared_ptr<network_link> link_;
    std::size_t segment_size_;
    std::deque<segment> on_the_way_;
    timer_handle timer_;
};

}  // namespace coroscope::testkit::detail
