// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/stream.hpp>

#include <boost/asio/ip/tcp.hpp>

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

/// A connection. Shared by its `stream`, the coroutines that read, and the operation that sends.
class stream_state : public std::enable_shared_from_this<stream_state> {
public:
    using tcp = boost::asio::ip::tcp;

    stream_state(loop_core& core, tcp::socket socket, const stream_options& options);

    /// Waits for more input; false at the end of the stream.
    [[nodiscard]] coro<bool> fill(await_site where);

    void write(std::string_view bytes);
    void write_eof();
    void close() noexcept;
    void abort() noexcept;
    [[nodiscard]] std::size_t unsent() const noexcept {
        return sending_.size() - sent_ + queued_.size();
    }
    void throw_if_failed() const;

    enum class phase : std::uint8_t { open, closing, closed };

    core_reference core;
    tcp::socket socket;
    const stream_options options;
    input_buffer input;
    std::string remote;
    std::string local;
    phase where_in_life = phase::open;
    bool has_reader = false;
    waiting_tasks drained;
    waiting_tasks closed;

private:
    void send();
    void on_sent(const boost::system::error_code& error, std::size_t n);
    void on_all_sent() noexcept;
    void fail(const boost::system::error_code& error) noexcept;
    void close_socket() noexcept;

    // `sending_` is what Asio reads from; `queued_` grows meanwhile.
    std::string sending_;
    std::size_t sent_ = 0;
    std::string queued_;
    bool is_sending_ = false;
    bool at_end_ = false;  ///< nothing more arrives
    bool eof_written_ = false;
    boost::system::error_code error_;
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

/// `127.0.0.1:80`, `[::1]:80`.
[[nodiscard]] std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint);

/// The addresses of a host: at once for numeric ones and `localhost`, else looked up in the loop's
/// default executor. Throws `boost::system::system_error` naming the host.
[[nodiscard]] coro<std::vector<boost::asio::ip::tcp::endpoint>> resolve(std::string host,
                                                                        std::uint16_t port,
                                                                        await_site where);

}  // namespace coroscope::detail
