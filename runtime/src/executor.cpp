// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/executor.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "job_queue.hpp"
#include "sited.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <unistd.h>

namespace coroscope {
namespace {

[[nodiscard]] std::size_t thread_count(std::size_t asked) {
    constexpr std::size_t most = 32;
    if (asked != 0) { return asked; }
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, most);
}

void name_this_thread(const std::string& name, std::size_t number) {
    constexpr std::size_t most = 15;
    const auto suffix = "-" + std::to_string(number);
    const auto full = name.substr(0, most - std::min(most, suffix.size())) + suffix;
    ::pthread_setname_np(::pthread_self(), full.c_str());
}

/// A task that waits for room. `woken` belongs to the loop's thread alone, the rest to the pool.
struct room_waiter {
    std::uint64_t turn = 0;  ///< who came first has the smaller one, however often it is woken
    std::shared_ptr<detail::inbox> mail;
    future<> woken;
    bool is_woken = false;  ///< and has not run since
};

}  // namespace

std::uint64_t executor::submit_withdrawable(detail::callback job) {
    submit(std::move(job));
    return 0;
}

bool executor::withdraw(std::uint64_t) noexcept {
    return false;
}

// --- The thread pool

struct thread_pool_executor::pool {
    explicit pool(thread_pool_options o)
        : options(std::move(o)),
          count(thread_count(options.threads)),
          owner(::getpid()) {}

    void expect_open_locked() const {
        if (!is_closed) { return; }
        throw invalid_state_error("a job was submitted to the executor '" + options.name
                                  + "', which was shut down");
    }
    [[nodiscard]] bool has_room_locked() const {
        return options.max_queued == 0 || queue.size() < options.max_queued;
    }
    std::uint64_t submit(detail::callback job) {
        if (::getpid() != owner) {
            throw invalid_state_error("the executor '" + options.name
                                      + "' has its threads in the process that this one was forked "
                                        "from; make another");
        }
        const std::scoped_lock lock(mutex);
        expect_open_locked();
        if (!has_room_locked()) {
            throw queue_full("the executor '" + options.name + "' has "
                             + std::to_string(queue.size())
                             + " jobs waiting, as many as it may; await wait_for_room() first");
        }
        const auto number = queue.add(std::move(job));
        if (idle < queue.size() && threads.size() < count) { start_thread_locked(number); }
        changed.notify_one();
        return number;
    }
    /// One thread too few is no error as long as there is one.
    void start_thread_locked(std::uint64_t newest) {
        const detail::own_accesses inside;  // who follows threads is told of their jobs instead
        try {
            threads.emplace_back([this, n = threads.size() + 1] { work(n); });
        } catch (const std::system_error&) {
            if (!threads.empty()) { return; }
            const auto refused = queue.take(newest);
            throw;
        }
    }
    void work(std::size_t number) {
        name_this_thread(options.name, number);
        std::unique_lock lock(mutex);
        for (;;) {
            ++idle;
            changed.wait(lock, [this] { return is_closed || !queue.empty(); });
            --idle;
            if (queue.empty()) { return; }
            auto job = queue.take_first();
            wake_waiter_locked();
            lock.unlock();
            job();
            job.reset();
            lock.lock();
        }
    }
    /// True: there is room, and no task of this loop that came before waits, or was woken and has
    /// not run since. Otherwise it waits from now on. One lock for both, or one that came later
    /// could be woken in between.
    [[nodiscard]] bool enter_or_wait(const std::shared_ptr<room_waiter>& one) {
        const std::scoped_lock lock(mutex);
        expect_open_locked();
        const auto later = std::upper_bound(
            waiters.begin(), waiters.end(), one->turn,
            [](std::uint64_t turn, const auto& other) { return turn < other->turn; });
        const bool is_first = std::none_of(
            waiters.begin(), later, [&](const auto& other) { return other->mail == one->mail; });
        if (is_first && has_room_locked()) { return true; }
        waiters.insert(later, one);
        wake_waiter_locked();
        return false;
    }
    void leave(const std::shared_ptr<room_waiter>& one) {
        const std::scoped_lock lock(mutex);
        std::erase(waiters, one);
        // One that was woken lets the next one look as well, after what it submits now.
        if (one->is_woken) { wake_waiter_locked(); }
    }
    /// False if there is nobody to wake, or nothing to wake it for.
    bool wake_waiter_locked() {
        const auto next = std::find_if(waiters.begin(), waiters.end(),
                                       [](const auto& each) { return !each->is_woken; });
        if (next == waiters.end() || (!has_room_locked() && !is_closed)) { return false; }
        (*next)->is_woken = true;
        auto wake = [woken = *next] {
            if (woken->woken.valid() && !woken->woken.done()) { woken->woken.set_result(); }
        };
        detail::post_mail(*(*next)->mail, std::move(wake));
        return true;
    }

    const thread_pool_options options;
    const std::size_t count;
    const pid_t owner;  ///< after a fork this is another process, which has no threads
    std::mutex mutex;   // a job is refused or run, even if shutdown comes meanwhile
    std::condition_variable changed;
    detail::job_queue queue;
    std::vector<std::thread> threads;
    std::deque<std::shared_ptr<room_waiter>> waiters;  ///< by their turns
    std::uint64_t next_turn = 1;
    std::size_t idle = 0;
    bool is_closed = false;
};

thread_pool_executor::thread_pool_executor(std::size_t threads)
    : thread_pool_executor([threads] {
          thread_pool_options options;
          options.threads = threads;
          return options;
      }()) {}

thread_pool_executor::thread_pool_executor(thread_pool_options options)
    : pool_(std::make_shared<pool>(std::move(options))) {}

thread_pool_executor::~thread_pool_executor() {
    shutdown();
}

void thread_pool_executor::submit(detail::callback job) {
    static_cast<void>(pool_->submit(std::move(job)));
}

std::uint64_t thread_pool_executor::submit_withdrawable(detail::callback job) {
    return pool_->submit(std::move(job));
}

bool thread_pool_executor::withdraw(std::uint64_t job) noexcept {
    detail::callback taken;  // destroyed without the lock
    const std::scoped_lock lock(pool_->mutex);
    taken = pool_->queue.take(job);
    if (!taken) { return false; }
    pool_->wake_waiter_locked();
    return true;
}

coro<> thread_pool_executor::wait_for_room(await_site where) {
    const auto p = pool_;
    auto& loop = get_running_loop();
    struct place {
        pool& in;
        std::shared_ptr<room_waiter> waiter = std::make_shared<room_waiter>();
        explicit place(pool& of) : in(of) {}
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() {
            waiter->woken = {};
            if (::getpid() != in.owner) { return; }  // nobody there may have the lock
            in.leave(waiter);
        }
    };
    std::uint64_t turn = 0;
    {
        const std::scoped_lock lock(p->mutex);
        p->expect_open_locked();
        if (p->has_room_locked() && p->waiters.empty()) { co_return; }
        turn = p->next_turn++;
    }
    for (;;) {  // woken, it may still find that somebody was quicker
        const place mine(*p);
        mine.waiter->turn = turn;
        mine.waiter->mail = loop.core().mail;
        mine.waiter->woken = loop.create_future<>(where);
        auto woken = mine.waiter->woken;
        const bool has_room = p->enter_or_wait(mine.waiter);
        if (has_room) { co_return; }
        co_await detail::at(where, std::move(woken));
    }
}

void thread_pool_executor::shutdown(pending_jobs what) {
    if (::getpid() != pool_->owner) {
        // A copy: its threads are not here, and its lock may be held for ever.
        static_cast<void>(new std::shared_ptr<pool>(pool_));
        return;
    }
    detail::job_queue dropped;
    {
        const std::scoped_lock lock(pool_->mutex);
        if (std::exchange(pool_->is_closed, true)) { return; }
        if (what == pending_jobs::cancel) { std::swap(dropped, pool_->queue); }
        while (pool_->wake_waiter_locked()) {}
    }
    pool_->changed.notify_all();
    for (auto& thread : pool_->threads) {
        thread.join();
    }
}

std::size_t thread_pool_executor::threads() const noexcept {
    return pool_->count;
}

std::size_t thread_pool_executor::queued() const {
    const std::scoped_lock lock(pool_->mutex);
    return pool_->queue.size();
}

// --- The serial executor

struct serial_executor::line {
    std::mutex mutex;
    detail::job_queue queue;
    bool is_running = false;
};

/// A job of the other executor, which runs those of the line until none is left. If it is dropped
/// instead of run, so are they.
class serial_executor::turn {
public:
    explicit turn(std::shared_ptr<line> of) noexcept : line_(std::move(of)) {}
    turn(turn&&) noexcept = default;
    turn& operator=(turn&&) = delete;
    ~turn() {
        if (!line_) { return; }
        detail::job_queue dropped;  // destroyed without the lock
        const std::scoped_lock lock(line_->mutex);
        std::swap(dropped, line_->queue);
        line_->is_running = false;
    }
    void operator()() {
        const auto mine = std::move(line_);
        std::unique_lock lock(mine->mutex);
        while (!mine->queue.empty()) {
            auto job = mine->queue.take_first();
            lock.unlock();
            job();
            job.reset();
            lock.lock();
        }
        mine->is_running = false;
    }

private:
    std::shared_ptr<line> line_;
};

serial_executor::serial_executor() : in_(nullptr), line_(std::make_shared<line>()) {}
serial_executor::serial_executor(executor& in) : in_(&in), line_(std::make_shared<line>()) {}
serial_executor::~serial_executor() = default;

void serial_executor::submit(detail::callback job) {
    static_cast<void>(submit_withdrawable(std::move(job)));
}

std::uint64_t serial_executor::submit_withdrawable(detail::callback job) {
    std::uint64_t number = 0;
    {
        const std::scoped_lock lock(line_->mutex);
        number = line_->queue.add(std::move(job));
        if (std::exchange(line_->is_running, true)) { return number; }
    }
    turn first(line_);  // empties the line if there is no executor for it
    (in_ != nullptr ? *in_ : get_running_loop().default_executor()).submit(std::move(first));
    return number;
}

bool serial_executor::withdraw(std::uint64_t job) noexcept {
    detail::callback taken;  // destroyed without the lock
    const std::scoped_lock lock(line_->mutex);
    taken = line_->queue.take(job);
    return static_cast<bool>(taken);
}

}  // namespace coroscope
