// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/loop.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>

#include <map>
#include <memory>

namespace coroscope::detail {

class descriptor_watch;
class signal_watch;

/// A descriptor that is somebody else's, registered with Asio while anybody here uses it: a reader,
/// a writer, tasks that wait for it. Asio takes each descriptor once only.
struct shared_descriptor {
    explicit shared_descriptor(boost::asio::io_context& io) : registration(io) {}
    shared_descriptor(const shared_descriptor&) = delete;
    shared_descriptor& operator=(const shared_descriptor&) = delete;
    ~shared_descriptor() {
        if (registration.is_open()) { registration.release(); }
    }
    boost::asio::posix::stream_descriptor registration;
    std::shared_ptr<descriptor_watch> reader;
    std::shared_ptr<descriptor_watch> writer;
};

/// What one loop watches besides its own I/O; goes with the loop's Asio context, and is emptied
/// when the loop closes.
class watches : public boost::asio::execution_context::service {
public:
    static inline boost::asio::execution_context::id id;  // NOLINT: Asio wants it so
    explicit watches(boost::asio::io_context& io) : service(io), io_(io) {}

    [[nodiscard]] static watches& of(loop& l) {
        return boost::asio::use_service<watches>(l.io_context());
    }
    /// Throws `boost::system::system_error` where it cannot be watched.
    [[nodiscard]] std::shared_ptr<shared_descriptor> use(int descriptor);
    /// Null if nobody uses it.
    [[nodiscard]] std::shared_ptr<shared_descriptor> find(int descriptor) noexcept;
    void clear() noexcept;

    std::map<int, std::shared_ptr<signal_watch>> signals;

private:
    void shutdown() noexcept override { clear(); }

    boost::asio::io_context& io_;
    std::map<int, std::weak_ptr<shared_descriptor>> descriptors_;
};

/// Empties what the context watches, if anything.
void remove_watches(boost::asio::io_context& io) noexcept;

/// Throws `invalid_state_error` for a closed loop, and in debug mode on the wrong thread.
void expect_watchable(const loop& in, const char* what);

}  // namespace coroscope::detail
