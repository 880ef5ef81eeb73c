// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/callback.hpp>

#include <cstddef>
#include <memory>

namespace coroscope {

/// Runs jobs somewhere else than on the loop. **Thread safety**: `submit` may be called from any
/// thread.
class executor {
public:
    virtual ~executor() = default;
    /// Runs `job()` once, in some other thread; `job` throws nothing. Throws `invalid_state_error`
    /// if the executor was shut down.
    virtual void submit(detail::callback job) = 0;

protected:
    executor() = default;
    executor(const executor&) = default;
    executor& operator=(const executor&) = default;
};

/// A fixed number of threads and a queue (a `boost::asio::thread_pool`). Destroying it waits for
/// the jobs that were submitted.
class thread_pool_executor final : public executor {
public:
    /// 0 threads: as many as the machine has, at most 32.
    explicit thread_pool_executor(std::size_t threads = 0);
    ~thread_pool_executor() override;

    void submit(detail::callback job) override;
    /// Takes no more jobs and waits for those it has. Idempotent.
    void shutdown();
    [[nodiscard]] std::size_t threads() const noexcept;

private:
    struct pool;
    std::unique_ptr<pool> pool_;
};

}  // namespace coroscope
