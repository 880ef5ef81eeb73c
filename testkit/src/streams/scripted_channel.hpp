// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stuck_witness.hpp"

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/simulated_channel.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::testkit::detail {

/// What the other side of a mock stream does next.
struct script_step {
    enum class kind : std::uint8_t {
        expects_write,
        expects_eof,
        expects_close,
        gives,
        waits,
        is_silent,
        fails,
        ends,
    };

    kind what{};
    await_site where{};
    std::string bytes{};
    std::vector<std::size_t> sizes{};  ///< of the pieces; none: in one
    duration length{};
    boost::system::error_code error{};
};

/// Plays a script.
class scripted_channel final : public coroscope::detail::simulated_channel, private stuck_witness {
public:
    scripted_channel(loop& in, std::string name, std::uint64_t seed);
    ~scripted_channel() override;

    void add(script_step step);
    void fail_in_operation(std::size_t n, error_code error) { planned_failures_[n] = error; }
    void open();
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& written() const noexcept { return written_; }
    [[nodiscard]] std::size_t random_size(std::size_t most);
    /// What the script still waits for; empty: nothing.
    [[nodiscard]] std::string unfinished() const;
    /// The line of that step.
    [[nodiscard]] await_site left_at() const noexcept;
    /// It has failed the test already.
    [[nodiscard]] bool is_broken() const noexcept { return is_broken_; }

    std::size_t read_some(boost::asio::mutable_buffer to, error_code& error) override;
    std::size_t write_some(boost::asio::const_buffer from, error_code& error) override;
    [[nodiscard]] bool is_ready(way w) const noexcept override;
    void end_writing() noexcept override;
    void end_reading() noexcept override;
    void close() noexcept override;

private:
    enum class pause : std::uint8_t { none, now, over };
    struct piece {
        std::string bytes;
        std::size_t step;  ///< that gave it
    };

    [[nodiscard]] bool is_over() const noexcept { return next_ == steps_.size(); }
    void go_on();
    /// False if the step has to wait.
    [[nodiscard]] bool perform(const script_step& step);
    void begin_pause(duration length);
    void give(const script_step& step);
    void take_written(const script_step& step);
    [[nodiscard]] bool expects_more_writing() const noexcept;
    [[nodiscard]] std::string text_of(std::size_t step) const;
    [[nodiscard]] std::string where_it_stands() const;
    void break_test(const std::string& what) noexcept;
    /// Counts an operation; the error if it is planned to fail.
    [[nodiscard]] error_code count_operation();
    void disconnect(error_code error) noexcept;
    [[nodiscard]] std::string stuck_note() const override;

    loop& loop_;
    std::string name_;
    std::mt19937_64 random_;
    std::vector<script_step> steps_;
    std::size_t next_ = 0;
    bool is_open_ = false;
    bool is_advancing_ = false;
    timer_handle timer_;
    pause pause_ = pause::none;

    std::deque<piece> sent_;   ///< for the reader
    std::string written_;      ///< by the code under test, all of it
    std::size_t taken_ = 0;    ///< by the script, of that
    std::size_t matched_ = 0;  ///< of the step that expects a write
    std::map<std::size_t, error_code> planned_failures_;
    std::size_t operations_ = 0;
    error_code failure_;  ///< the connection is broken
    bool is_broken_ = false;
    bool has_ended_ = false;      ///< nothing more is sent
    bool is_read_ended_ = false;  ///< nothing more is read
    bool is_write_ended_ = false;
    bool is_closed_ = false;
};

}  // namespace coroscope::testkit::detail
