// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/descriptors.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>

#include "stream_state.hpp"
#include "watches.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace coroscope {
namespace detail {

using boost::system::error_code;
using wait_type = boost::asio::posix::descriptor_base::wait_type;

/// One callback of one descriptor. Waits in Asio, is called by the loop, and waits again: the
/// callback gets a step of its own, and a chance to read before the next look.
class descriptor_watch : public std::enable_shared_from_this<descriptor_watch> {
public:
    descriptor_watch(loop& in, std::shared_ptr<shared_descriptor> d, wait_type wanted, callback f,
                     await_site where)
        : core_(in.core()),
          descriptor_(std::move(d)),
          wanted_(wanted),
          function_(std::move(f)),
          created_at_(where) {}

    void arm() {
        ++core_->io_operations;
        auto ready = [self = shared_from_this()](const error_code& error) {
            --self->core_->io_operations;
            if (!self->is_removed_) { self->on_ready(error); }
        };
        descriptor_->registration.async_wait(
            wanted_, boost::asio::bind_cancellation_slot(stop_.slot(), std::move(ready)));
    }
    void remove() noexcept {
        is_removed_ = true;
        pending_.cancel();
        stop_.emit(boost::asio::cancellation_type::terminal);
        descriptor_.reset();
    }

private:
    void on_ready(const error_code& error) {
        auto& in = *core_->self;
        if (!error) {
            auto call = [self = shared_from_this()] {
                self->run();
            };
            pending_ = in.call_soon(std::move(call), created_at_);
            return;
        }
        exception_context problem;
        problem.message = "a descriptor is watched no longer, since waiting for it failed";
        problem.exception = std::make_exception_ptr(boost::system::system_error(error));
        problem.socket = descriptor_->registration.native_handle();
        problem.created_at = created_at_;
        in.call_exception_handler(problem);
    }
    void run() {
        struct arming {
            descriptor_watch& watch;
            explicit arming(descriptor_watch& w) : watch(w) {}
            arming(const arming&) = delete;
            arming& operator=(const arming&) = delete;
            ~arming() {
                if (!watch.is_removed_) { watch.arm(); }
            }
        };
        if (is_removed_) { return; }
        const arming again(*this);
        function_();
    }

    core_reference core_;
    std::shared_ptr<shared_descriptor> descriptor_;
    wait_type wanted_;
    callback function_;
    await_site created_at_;
    handle pending_;
    boost::asio::cancellation_signal stop_;
    bool is_removed_ = false;
};

std::shared_ptr<shared_descriptor> watches::find(int descriptor) noexcept {
    const auto found = descriptors_.find(descriptor);
    return found != descriptors_.end() ? found->second.lock() : nullptr;
}

std::shared_ptr<shared_descriptor> watches::use(int descriptor) {
    auto found = find(descriptor);
    if (found) { return found; }
    error_code error;
    struct stat facts = {};
    if (::fstat(descriptor, &facts) != 0) {
        error = error_code(errno, boost::system::system_category());
    } else if (S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode)) {
        error = boost::asio::error::operation_not_supported;  // always ready, says poll
    } else {
        found = std::make_shared<shared_descriptor>(io_);
        found->registration.assign(descriptor, error);
    }
    if (error) {
        throw boost::system::system_error(
            error, "descriptor " + std::to_string(descriptor) + " cannot be watched");
    }
    std::erase_if(descriptors_, [](const auto& entry) { return entry.second.expired(); });
    descriptors_[descriptor] = found;
    return found;
}

namespace {

using slot_of = std::shared_ptr<descriptor_watch> shared_descriptor::*;

void add(loop& in, int descriptor, slot_of slot, wait_type wanted, callback f, await_site where) {
    auto shared = watches::of(in).use(descriptor);
    auto watch = std::make_shared<descriptor_watch>(in, shared, wanted, std::move(f), where);
    watch->arm();
    const auto before = std::exchange((*shared).*slot, std::move(watch));
    if (before) { before->remove(); }
}

bool remove(loop& in, int descriptor, slot_of slot) noexcept {
    if (in.is_closed()) { return false; }
    const auto shared = watches::of(in).find(descriptor);
    if (!shared) { return false; }
    const auto before = std::exchange((*shared).*slot, nullptr);
    if (before) { before->remove(); }
    return before != nullptr;
}

}  // namespace

void watches::clear() noexcept {
    for (auto& [number, weak] : std::exchange(descriptors_, {})) {
        const auto shared = weak.lock();
        if (!shared) { continue; }
        if (shared->reader) { std::exchange(shared->reader, nullptr)->remove(); }
        if (shared->writer) { std::exchange(shared->writer, nullptr)->remove(); }
    }
    signals.clear();
}

void remove_watches(boost::asio::io_context& io) noexcept {
    if (boost::asio::has_service<watches>(io)) { boost::asio::use_service<watches>(io).clear(); }
}

void expect_watchable(const loop& in, const char* what) {
    if (in.is_closed()) {
        throw invalid_state_error(std::string(what) + " was called on a closed loop");
    }
    if (in.core().debug) { check_thread(in.core(), what); }
}

}  // namespace detail

void add_reader(loop& in, int descriptor, detail::callback f, await_site where) {
    detail::expect_watchable(in, "add_reader");
    detail::add(in, descriptor, &detail::shared_descriptor::reader,
                boost::asio::posix::descriptor_base::wait_read, std::move(f), where);
}

void add_writer(loop& in, int descriptor, detail::callback f, await_site where) {
    detail::expect_watchable(in, "add_writer");
    detail::add(in, descriptor, &detail::shared_descriptor::writer,
                boost::asio::posix::descriptor_base::wait_write, std::move(f), where);
}

bool remove_reader(loop& in, int descriptor) noexcept {
    return detail::remove(in, descriptor, &detail::shared_descriptor::reader);
}

bool remove_writer(loop& in, int descriptor) noexcept {
    return detail::remove(in, descriptor, &detail::shared_descriptor::writer);
}

void file_descriptor::close() noexcept {
    if (descriptor_ >= 0) { ::close(release()); }
}

}  // namespace coroscope
