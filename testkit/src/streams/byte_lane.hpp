// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/simulated_channel.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace coroscope::testkit::detail {

class memory_end;

/// One direction of a connection in memory: bytes that are there to be read. A lane with a network
/// in between overrides how bytes get there.
class byte_lane : public std::enable_shared_from_this<byte_lane> {
public:
    using error_code = boost::system::error_code;

    explicit byte_lane(std::size_t capacity);
    byte_lane(const byte_lane&) = delete;
    byte_lane& operator=(const byte_lane&) = delete;
    virtual ~byte_lane() = default;

    // --- The writer

    std::size_t write(std::string_view bytes, error_code& error);
    [[nodiscard]] bool has_room() const noexcept;
    /// Nothing more is written: the reader is told behind the last byte.
    void end() noexcept;

    // --- The reader

    std::size_t read(boost::asio::mutable_buffer to, error_code& error);
    [[nodiscard]] bool has_something() const noexcept;
    /// Nothing more is read: writing fails.
    void stop_reading() noexcept;

    /// Reading and writing fail from now on, and what is on the way is lost.
    void fail(error_code error) noexcept;

    memory_end* writer = nullptr;  ///< null: gone
    memory_end* reader = nullptr;

protected:
    /// Sends off; calls `arrive` and `arrive_end` sooner or later, in order.
    virtual void carry(std::string_view bytes) { arrive(bytes); }
    virtual void carry_end() { arrive_end(); }
    virtual void drop_carried() noexcept {}
    void arrive(std::string_view bytes);
    void arrive_end() noexcept;

private:
    std::size_t capacity_;
    std::size_t occupied_ = 0;  ///< written and not read
    std::string arrived_;
    bool is_ended_ = false;  ///< by the writer
    bool has_end_ = false;   ///< the reader may know
    bool is_reader_gone_ = false;
    error_code failure_;
};

/// One end of a connection of two lanes.
class memory_end final : public coroscope::detail::simulated_channel {
public:
    memory_end(loop& in, std::shared_ptr<byte_lane> incoming, std::shared_ptr<byte_lane> outgoing);
    ~memory_end() override;

    std::size_t read_some(boost::asio::mutable_buffer to, error_code& error) override;
    std::size_t write_some(boost::asio::const_buffer from, error_code& error) override;
    [[nodiscard]] bool is_ready(way w) const noexcept override;
    void end_writing() noexcept override;
    void end_reading() noexcept override;
    void close() noexcept override;
    /// For the lanes.
    void changed(way w) noexcept { notify(w); }

private:
    std::shared_ptr<byte_lane> incoming_;
    std::shared_ptr<byte_lane> outgoing_;
    bool is_reading_ended_ = false;
};

}  // namespace coroscope::testkit::detail
