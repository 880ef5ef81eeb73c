// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/stream.hpp>

#include "byte_channel.hpp"
#include "socket_address.hpp"
#include "stream_filter.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <string>
#include <vector>

namespace coroscope::detail {

/// Keeps the loop's core alive, which a stream's background work counts itself in.
class core_reference {
public:
    explicit core_reference(loop_core& core) noexcept : core_(&core) { core_->add_reference(); }
    core_reference(const core_reference&) = delete;
    core_reference& operator=(const core_reference&) = delete;
    ~core_reference() { core_->release(); }
    loop_core* operator->() const noexcept { return core_; }
    [[nodiscard]] loop_core& get() const noexcept { return *core_; }

private:
    loop_core* core_;
};

/// Tasks that wait for one thing; each has a future of its own, since cancelling a task cancels
/// the future that it awaits.
class waiting_tasks {
public:
    [[nodiscard]] future<> add(loop_core& core, wait_kind kind, await_site where);
    void release() noexcept;

private:
    std::vector<future<>> futures_;
};

/// Bytes that have arrived and were not read yet.
class input_buffer {
public:
    [[nodiscard]] std::string_view bytes() const noexcept {
        return {storage_.data() + begin_, end_ - begin_};
    }
    [[nodiscard]] std::string take(std::size_t n);
    void drop(std::size_t n) noexcept;
    /// Room for what comes next: a few KiB at first, more where it gets filled.
    [[nodiscard]] boost::asio::mutable_buffer prepare();
    void commit(std::size_t n) noexcept { end_ += n; }

private:
    std::vector<char> storage_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// What a transport is told of its connection, in the middle of the stream's calls and of Asio's
/// handlers: it may schedule, and call nobody.
class stream_listener {
public:
    /// No more than the low-water mark is unsent.
    virtual void on_drained() noexcept = 0;
    virtual void on_failed(const boost::system::error_code& error) noexcept = 0;
    virtual void on_closed() noexcept = 0;

protected:
    ~stream_listener() = default;
};

/// A connection over whatever kind of socket, or one end of a pipe. Shared by its `stream`, the
/// coroutines that read, and the operations in the background.
///
/// All that is sent goes through `put`. With a filter, what is written is encoded first, and what
/// arrives is decoded; closing then means to announce the end and to wait for the other side's.
class stream_state : public std::enable_shared_from_this<stream_state> {
public:
    using socket_type = byte_channel::socket_type;

    stream_state(loop_core& core, socket_type socket, const stream_options& options);
    stream_state(loop_core& core, byte_channel::pipe_type end, byte_channel::direction goes,
                 const stream_options& options);
    stream_state(std::shared_ptr<simulated_channel> simulated, const stream_options& options,
                 std::string remote_name, std::string local_name);
    /// Throws `std::invalid_argument` for limits that make no sense.
    static void check(const stream_options& options);

    /// Waits for more input; false at the end of the stream.
    [[nodiscard]] coro<bool> fill(await_site where);

    void write(std::string_view bytes);
    void write_eof();
    /// A read gave nothing, because the stream has ended.
    void note_end_read(await_site where) noexcept;
    void close() noexcept;
    void abort() noexcept;
    [[nodiscard]] std::size_t unsent() const noexcept {
        return sending_.size() - sent_ + queued_.size();
    }
    /// The high-water mark was passed, the low one not reached since.
    [[nodiscard]] bool is_paused() const noexcept { return is_paused_; }
    void throw_if_failed() const;
    /// What sending failed with; `operation_aborted` after an `abort` that dropped something.
    [[nodiscard]] const boost::system::error_code& error() const noexcept { return error_; }
    void set_water_marks(std::size_t high, std::size_t low) noexcept;
    [[nodiscard]] std::size_t high_water() const noexcept { return high_water_; }
    [[nodiscard]] std::size_t low_water() const noexcept { return low_water_; }

    /// From here on bytes go through the filter, those that have arrived and were not read as well.
    void set_filter(std::unique_ptr<stream_filter> filter);
    [[nodiscard]] stream_filter* filter() const noexcept { return filter_.get(); }
    /// Waits for something from the socket and gives it to the filter.
    [[nodiscard]] coro<boost::system::error_code> receive(await_site where);
    /// Puts into `input` what can be decoded at once, reading from the socket at most once; with
    /// `nothing`, `would_block` or no error means that more must arrive first.
    [[nodiscard]] stream_filter::decoded decode_now(boost::system::error_code& error);
    /// Sends what the filter has put out.
    void send_output();

    enum class phase : std::uint8_t { open, closing, closed };

    core_reference core;
    byte_channel channel;
    const stream_options options;
    input_buffer input;
    std::string remote;
    std::string local;
    phase where_in_life = phase::open;
    bool has_reader = false;
    waiting_tasks drained;
    waiting_tasks closed;
    stream_listener* listener = nullptr;

private:
    class receiving_turn;

    void put(std::string_view wire);
    void send();
    void on_sent(const boost::system::error_code& error, std::size_t n);
    void on_all_sent() noexcept;
    void fail(const boost::system::error_code& error) noexcept;
    void close_socket() noexcept;
    void release_drained() noexcept;

    [[nodiscard]] coro<bool> fill_plain(await_site where);
    [[nodiscard]] coro<bool> fill_decoded(await_site where);
    void announce_end();
    void begin_exchange_of_ends();
    void receive_rest();
    void on_rest(const boost::system::error_code& error, std::size_t n);
    void end_if_exchanged() noexcept;

    // `sending_` is what Asio reads from; `queued_` grows meanwhile.
    std::string sending_;
    std::size_t sent_ = 0;
    std::string queued_;
    std::size_t high_water_;
    std::size_t low_water_;
    bool is_sending_ = false;
    bool is_paused_ = false;
    bool at_end_ = false;  ///< nothing more arrives
    std::size_t ends_read_ = 0;
    bool eof_written_ = false;
    boost::system::error_code error_;

    // With a filter only.
    std::unique_ptr<stream_filter> filter_;
    std::vector<char> wire_;     ///< where what arrives is put
    timer_handle end_timer_;     ///< gives up the exchange of ends
    bool is_receiving_ = false;  ///< a task waits in `receive`
    bool end_announced_ = false;
};

/// One reader at a time: throws `invalid_state_error` for the second.
class reading_turn {
public:
    explicit reading_turn(stream_state& state);
    reading_turn(const reading_turn&) = delete;
    reading_turn& operator=(const reading_turn&) = delete;
    ~reading_turn() { state_.has_reader = false; }

private:
    stream_state& state_;
};

/// Waits for the end of the stream; all that came is in `input` then, also if the wait is
/// cancelled.
[[nodiscard]] coro<> read_to_end(std::shared_ptr<stream_state> s, await_site where);

/// See `open_read_pipe` and `open_write_pipe`.
[[nodiscard]] std::shared_ptr<stream_state> adopt_pipe(loop& in, file_descriptor end,
                                                       byte_channel::direction goes,
                                                       const stream_options& options);

/// The addresses of a host: at once for numeric ones and `localhost`, else looked up in the loop's
/// default executor. Throws `boost::system::system_error` naming the host.
[[nodiscard]] coro<std::vector<boost::asio::ip::tcp::endpoint>> resolve(std::string host,
                                                                        std::uint16_t port,
                                                                        await_site where);

/// Lets the library into a stream.
struct stream_access {
    [[nodiscard]] static const std::shared_ptr<stream_state>& state(const stream& s) {
        return s.state();
    }
    /// Leaves it empty, and its connection open.
    [[nodiscard]] static std::shared_ptr<stream_state> take(stream& s) noexcept {
        return std::move(s.state_);
    }
};

}  // namespace coroscope::detail
