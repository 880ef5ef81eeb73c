// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace coroscope::detail {

/// One job of an executor on its way, for somebody who wants to know what happens in its thread.
class followed_job {
public:
    virtual ~followed_job() = default;
    followed_job(const followed_job&) = delete;
    followed_job& operator=(const followed_job&) = delete;

    virtual void begin() noexcept = 0;    ///< in the executor's thread, before the job's function
    virtual void end() noexcept = 0;      ///< there, after it
    virtual void deliver() noexcept = 0;  ///< on the loop's thread, before the result is

protected:
    followed_job() = default;
};

/// Is told of each job that this thread gives to an executor through its loop.
class job_follower {
public:
    /// A job is given away now. Null: not followed.
    [[nodiscard]] virtual std::shared_ptr<followed_job> follow() noexcept = 0;

protected:
    job_follower() = default;
    job_follower(const job_follower&) = default;
    job_follower& operator=(const job_follower&) = default;
    ~job_follower() = default;
};

/// Of this thread; null: nobody wants to know.
inline constinit thread_local job_follower* job_listener = nullptr;

}  // namespace coroscope::detail
