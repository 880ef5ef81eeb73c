// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/executor.hpp>

#include <coroscope/runtime/error.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace coroscope {
namespace {

[[nodiscard]] std::size_t thread_count(std::size_t asked) {
    constexpr std::size_t most = 32;
    if (asked != 0) { return asked; }
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, most);
}

}  // namespace

struct thread_pool_executor::pool {
    explicit pool(std::size_t n) : count(n), threads(n) {}
    std::size_t count;
    std::mutex mutex;  // a job is refused or run, even if shutdown comes meanwhile
    bool closed = false;
    boost::asio::thread_pool threads;
};

thread_pool_executor::thread_pool_executor(std::size_t threads)
    : pool_(std::make_unique<pool>(thread_count(threads))) {}

thread_pool_executor::~thread_pool_executor() {
    shutdown();
}

void thread_pool_executor::submit(detail::callback job) {
    const std::scoped_lock lock(pool_->mutex);
    if (pool_->closed) {
        throw invalid_state_error("a job was submitted to an executor that was shut down");
    }
    boost::asio::post(pool_->threads, std::move(job));
}

void thread_pool_executor::shutdown() {
    {
        const std::scoped_lock lock(pool_->mutex);
        if (std::exchange(pool_->closed, true)) { return; }
    }
    pool_->threads.join();
}

std::size_t thread_pool_executor::threads() const noexcept {
    return pool_->count;
}

}  // namespace coroscope
