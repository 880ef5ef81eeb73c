// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/callback.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace coroscope {

/// Runs jobs somewhere else than on the loop. **Thread safety**: everything may be called from any
/// thread. **Lifetime**: must outlive the futures of its jobs, which take a job back when they are
/// cancelled.
class executor {
public:
    virtual ~executor() = default;
    /// Runs `job()` once, in some other thread; `job` throws nothing. Throws `invalid_state_error`
    /// if the executor was shut down. A job that is destroyed without having run ends its future as
    /// cancelled.
    virtual void submit(detail::callback job) = 0;
    /// The same for a job that may be taken back by the number returned; 0: it may not. Override
    /// both or none.
    virtual std::uint64_t submit_withdrawable(detail::callback job);
    /// Destroys a job that has not begun; false if it has, or is not there.
    virtual bool withdraw(std::uint64_t job) noexcept;

protected:
    executor() = default;
    executor(const executor&) = default;
    executor& operator=(const executor&) = default;
};

struct thread_pool_options {
    /// 0: as many as the machine has, at most 32.
    std::size_t threads = 0;
    /// Jobs that may wait for a thread; 0: any number.
    std::size_t max_queued = 0;
    /// Threads are called NAME-1, NAME-2 and so on, as far as the kernel's 15 characters go.
    std::string name = "coroscope";
};

/// A number of threads, each started when it is first needed, and a queue. Destroying it waits for
/// the jobs that were submitted. After a `fork` the copy in the new process has no threads and
/// takes no jobs, and destroying it does nothing.
class thread_pool_executor final : public executor {
public:
    explicit thread_pool_executor(std::size_t threads = 0);
    explicit thread_pool_executor(thread_pool_options options);
    thread_pool_executor(const thread_pool_executor&) = delete;
    thread_pool_executor& operator=(const thread_pool_executor&) = delete;
    ~thread_pool_executor() override;

    /// Throws `queue_full` if `max_queued` jobs wait already.
    void submit(detail::callback job) override;
    std::uint64_t submit_withdrawable(detail::callback job) override;
    bool withdraw(std::uint64_t job) noexcept override;
    /// Waits until a job may be submitted; first come, first served. What is submitted in the same
    /// step fits, unless other threads submit as well. Throws `invalid_state_error` once it was
    /// shut down.
    [[nodiscard]] coro<> wait_for_room(await_site where = await_site::current());

    enum class pending_jobs { run, cancel };
    /// Takes no more jobs and waits for those it has; `cancel`: only for those that have begun, and
    /// the futures of the others end as cancelled. Idempotent.
    void shutdown(pending_jobs what = pending_jobs::run);
    [[nodiscard]] std::size_t threads() const noexcept;
    /// Jobs that wait for a thread.
    [[nodiscard]] std::size_t queued() const;

private:
    struct pool;
    std::shared_ptr<pool> pool_;
};

/// Runs jobs one after another, in the order in which they were submitted, in the threads of
/// another executor: for what must not overlap, such as the writes to a file. Jobs that it has when
/// it is destroyed still run.
class serial_executor final : public executor {
public:
    /// In the default executor of the loop that submits.
    serial_executor();
    /// `in` must outlive the jobs.
    explicit serial_executor(executor& in);
    serial_executor(const serial_executor&) = delete;
    serial_executor& operator=(const serial_executor&) = delete;
    ~serial_executor() override;

    void submit(detail::callback job) override;
    std::uint64_t submit_withdrawable(detail::callback job) override;
    bool withdraw(std::uint64_t job) noexcept override;

private:
    struct line;
    class turn;
    executor* in_;
    std::shared_ptr<line> line_;
};

}  // namespace coroscope
