// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "benign_scopes.hpp"
#include "left_behind.hpp"
#include "race_log.hpp"
#include "race_recorder.hpp"
#include "thread_clocks.hpp"
#include "thread_findings.hpp"
#include "thread_memory.hpp"
#include "thread_records.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace coroscope::instrumentation::detail {

/// What a loop's thread and the jobs that it gave to executors do to the same variables, in the
/// order of the C++ memory model: a job begins after it was given away and ends before its result
/// comes back; mutexes, atomic variables and callbacks that are posted order as well.
///
/// Whatever was done while no job was out comes before or after all that jobs do, and is not
/// remembered. See `thread_job` for what runs in a job's thread.
/// **Thread safety**: all members, from any thread; `..._on_loop` on the loop's.
class thread_races {
public:
    static constexpr std::uint64_t loop_unit = 1;

    /// On the loop's thread.
    explicit thread_races(std::shared_ptr<race_log> log,
                          std::size_t most_pages = thread_memory::usual_pages);
    thread_races(const thread_races&) = delete;
    thread_races& operator=(const thread_races&) = delete;

    [[nodiscard]] bool is_loop_thread() const noexcept {
        return std::this_thread::get_id() == loop_thread_;
    }
    /// Whether this is a copy, in a process that was forked: nothing may be called but this.
    [[nodiscard]] bool is_left_behind() const noexcept { return process_ != process_number(); }
    /// Whether there are jobs whose result has not come back.
    [[nodiscard]] bool has_jobs() const noexcept {
        return jobs_.load(std::memory_order_relaxed) != 0;
    }
    [[nodiscard]] race_log& log() noexcept { return *log_; }

    // --- Jobs

    /// The loop gives a job away now, or starts a thread, for that task. Returns its unit. `kind`:
    /// a literal.
    [[nodiscard]] std::uint64_t begin_job(std::string_view kind,
                                          const std::shared_ptr<const unit_facts>& by,
                                          await_site created_at);
    /// The same for a job that does so, or a thread; 0: it is not known any more.
    [[nodiscard]] std::uint64_t begin_job_of(std::uint64_t creator, std::string_view kind,
                                             await_site created_at);
    /// It begins, or ends, in this thread.
    void enter_thread(std::uint64_t unit);
    void leave_thread(std::uint64_t unit);
    /// The loop has it back; `is_ordered`: and knows so.
    void end_job(std::uint64_t unit, bool is_ordered);
    /// It has ended, and nobody will ever wait for that: a thread that was detached. What it did
    /// stays in no order with what follows.
    void leave_job(std::uint64_t unit);

    // --- Of a unit, on its thread

    void note(std::uint64_t unit, const coroscope::detail::access& made);
    std::uint64_t note(std::uint64_t unit, const annotated_access& made);
    void note_on_loop(const coroscope::detail::access& made, race_recorder& now);
    void note_on_loop(const annotated_access& made, race_recorder& now);
    void note_value_used(const provenance& from, value_use how);
    /// Whether what follows is done under other locks than what came before.
    bool note_lock(std::uint64_t unit, const void* mutex, thread_lock how, await_site where);
    bool note_lock_on_loop(const void* mutex, thread_lock how, await_site where);
    void note_order(std::uint64_t unit, const void* object, thread_order how);
    void note_benign(std::uint64_t unit, const char* reason);

    // --- Memory

    /// It is something else from now on.
    void forget(const void* begin, std::size_t bytes);
    /// The same, where the loop's record of accesses has to be told as well.
    void forget_in_thread(const void* begin, std::size_t bytes);
    using range = std::pair<const void*, std::size_t>;
    [[nodiscard]] bool has_forgotten() const noexcept {
        return has_forgotten_.load(std::memory_order_acquire);
    }
    /// What `forget_in_thread` was told of since. A null address: more than was counted.
    [[nodiscard]] std::vector<range> take_forgotten();

    /// Reports what waits for the rest of its units' accesses.
    void settle();
    /// Granules and pages that are remembered, for tests of the bound.
    [[nodiscard]] std::size_t remembered();

private:
    /// Holds the lock, and reports what was found when it has given it back.
    class entry {
    public:
        explicit entry(thread_races& in) : in_(in), lock_(in.mutex_) {}
        ~entry();
        entry(const entry&) = delete;
        entry& operator=(const entry&) = delete;

    private:
        thread_races& in_;
        std::unique_lock<std::mutex> lock_;
    };
    struct taken_lock {
        const void* mutex = nullptr;
        await_site at{};
        thread_lock how{};
    };
    struct unit_state {
        std::shared_ptr<unit_facts> who;
        std::shared_ptr<const lock_set> locks;
        benign_scopes benign;  ///< of a job; the loop's tasks have their own
        std::uint32_t part = thread_memory::no_part;
        std::uint64_t segment = 0;  ///< of the loop: the one that its part is of
    };
    struct variable {
        variable_label label;
        std::vector<thread_pointer> records;
    };
    struct met {
        std::uintptr_t where = 0;
        thread_pointer earlier;
        thread_pointer later;
        bool has_happened = false;
    };

    [[nodiscard]] unit_state* find_unit(std::uint64_t unit);
    [[nodiscard]] std::uint64_t add_job(std::string_view kind, std::uint64_t creator,
                                        const unit_facts* by, await_site created_at);
    void end_job_locked(std::uint64_t unit, bool is_ordered);
    static void take_lock(unit_state& by, const taken_lock& taken);
    /// What was given back; nothing: it was not known.
    [[nodiscard]] static std::optional<held_lock> give_back_lock(unit_state& by, const void* mutex);
    void end_part(unit_state& of) noexcept;
    [[nodiscard]] bool begin_part(std::uint64_t unit, unit_state& of, const access_record& common);
    [[nodiscard]] bool has_part(std::uint64_t unit, unit_state& of);
    [[nodiscard]] bool has_loop_part(race_recorder& now);
    void note_bytes(std::uint32_t part, const coroscope::detail::access& made);
    void note_granule(std::uintptr_t where, std::uint32_t part, const thread_memory::seen& made);
    std::uint64_t note_annotated(std::uint32_t part, const annotated_access& made);
    void note_value_used_locked(const provenance& from, value_use how);
    static void link(const variable& in, thread_record& made);
    static void add(variable& in, const thread_pointer& made);
    [[nodiscard]] static bool is_over(const variable& in, const thread_record& latest);
    void judge(std::uintptr_t where, const variable& in, const thread_pointer& latest);
    void judge_pair(std::uintptr_t where, const thread_pointer& earlier,
                    const thread_pointer& later);
    void judge_triple(const variable& in, const access_triple& of);
    void report(const met& what);
    void report_if(const std::function<bool(const met&)>& which);
    void forget_locked(const void* begin, std::size_t bytes);
    void forget_accesses();

    std::shared_ptr<race_log> log_;
    const std::thread::id loop_thread_ = std::this_thread::get_id();
    const std::uint32_t process_ = process_number();
    std::atomic<std::size_t> jobs_{0};
    std::atomic<bool> has_forgotten_{false};
    std::vector<taken_lock> loop_locks_;  ///< of the loop's thread alone
    std::mutex mutex_;                    // of all that follows
    thread_clocks must_;
    thread_clocks by_job_;
    thread_clocks by_thread_;
    std::array<thread_clocks*, 3> clocks_{&must_, &by_job_, &by_thread_};
    std::unordered_map<std::uint64_t, unit_state> units_;
    thread_memory memory_;
    std::map<std::uintptr_t, variable> variables_;
    std::vector<met> met_;
    std::vector<range> forgotten_;
    std::vector<std::function<void(race_log&)>> found_;  ///< without what needs the lock
    std::deque<std::uint64_t> left_;                     ///< see `leave_job`
    std::uint64_t last_job_ = 0;
    std::uint64_t next_order_ = 1;
};

}  // namespace coroscope::instrumentation::detail
