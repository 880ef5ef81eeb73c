// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <memory>

namespace coroscope::detail {

/// Something that one thread gives to another one's loop, for somebody who wants to know.
class followed_post {
public:
    virtual ~followed_post() = default;
    followed_post(const followed_post&) = delete;
    followed_post& operator=(const followed_post&) = delete;

    virtual void deliver() noexcept = 0;  ///< on the loop's thread, before it is used

protected:
    followed_post() = default;
};

/// One job of an executor on its way, for somebody who wants to know what happens in its thread.
class followed_job : public followed_post {
public:
    virtual void begin() noexcept = 0;  ///< in the executor's thread, before the job's function
    virtual void end() noexcept = 0;    ///< there, after it
};

/// Is told of what this thread gives to others, and gets from them.
class job_follower {
public:
    /// A job is given to an executor now, by the call of that line. Null: not followed.
    [[nodiscard]] virtual std::shared_ptr<followed_job> follow(await_site created_at) noexcept = 0;
    /// The same for a thread that is started here: joining it delivers it.
    [[nodiscard]] virtual std::shared_ptr<followed_job> follow_thread() noexcept = 0;
    /// A callback is given to a loop of another thread now. Null: not followed.
    [[nodiscard]] virtual std::shared_ptr<followed_post> post() noexcept = 0;
    /// What this thread did comes before what follows `note_taken` of that object.
    virtual void note_given(const void* object) noexcept = 0;
    virtual void note_taken(const void* object) noexcept = 0;

protected:
    job_follower() = default;
    job_follower(const job_follower&) = default;
    job_follower& operator=(const job_follower&) = default;
    ~job_follower() = default;
};

/// Of this thread; null: nobody wants to know.
inline constinit thread_local job_follower* job_listener = nullptr;

}  // namespace coroscope::detail
