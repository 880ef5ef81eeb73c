// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/observer.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace coroscope::instrumentation {

/// Tells sites apart by their address, which is what a site is.
[[nodiscard]] inline std::uint64_t identity_of(const await_site& site) noexcept {
    static_assert(sizeof(await_site) == sizeof(std::uint64_t));
    return std::bit_cast<std::uint64_t>(site);
}

/// Somebody who spins, as `spin_watch` says it.
struct spinner {
    std::uint64_t task = 0;  ///< 0: a callback
    await_site site{};       ///< of the co_await, or of the call that set the callback
    std::uint32_t times = 0;
    bool at_several_sites = false;
};

/// Finds tasks that make themselves ready again and again (they yield, or sleep for no time), and
/// callbacks that set themselves again in each pass of the loop.
///
/// A task's steps come in batches, its wake-ups at once: where it was woken by anybody else since
/// the last batch, none of its steps in this one counts. What is known of a task lies in a table
/// of fixed size, at a place given by its id; where two tasks share one, the one that spins keeps
/// it.
class spin_watch {
public:
    spin_watch(std::uint32_t turns, std::uint32_t attempts, duration work);

    /// The task was made ready by somebody else.
    void woken(std::uint64_t task) noexcept;
    /// A callback was set by a callback whose own site is `by`.
    void reposted(std::uint64_t handle, await_site by) noexcept;
    /// The task tried what could not be done, in the step that began at `stamp`. True if it has
    /// done so in so many steps now.
    [[nodiscard]] bool tried(std::uint64_t task, std::uint64_t stamp) noexcept;
    /// Calls `f(spinner)` for each one that has now spun long enough; once until it stops.
    template <class F>
    void look_at(std::span<const step_record> steps, const F& f) {
        ++window_;
        for (const auto& step : steps) {
            const bool spins = step.kind == step_kind::task       ? spins_task(step)
                               : step.kind == step_kind::callback ? spins_callback(step)
                                                                  : false;
            if (spins) { f(found_); }
        }
    }

private:
    static constexpr std::size_t places = 1024;
    static constexpr std::size_t sites = 64;
    static constexpr std::size_t posts = 512;

    struct task_state {
        std::uint64_t id = 0;
        std::uint64_t window = 0;  ///< the last batch that it had a step in
        std::uint64_t tried_at = 0;
        await_site site{};
        std::uint32_t turns = 0;
        std::uint32_t attempts = 0;
        bool woken = false;    ///< since that batch
        bool ignored = false;  ///< in that batch
        bool moved = false;    ///< between sites
        bool told = false;

        void start_anew() noexcept {
            turns = 0;
            attempts = 0;
            moved = false;
            told = false;
        }
    };
    struct callback_state {
        std::uint64_t site = 0;
        std::uint32_t turns = 0;
    };
    struct post {
        std::uint64_t handle = 0;
        std::uint64_t by = 0;
    };

    [[nodiscard]] task_state& place_of(std::uint64_t task) noexcept {
        return tasks_[task % places];
    }
    /// Null: somebody else has the place.
    [[nodiscard]] task_state* claim(std::uint64_t task) noexcept;
    [[nodiscard]] bool spins_task(const step_record& step) noexcept;
    [[nodiscard]] bool spins_callback(const step_record& step) noexcept;
    [[nodiscard]] bool is_work(const step_record& step) const noexcept;

    std::uint32_t turns_;
    std::uint32_t attempts_;
    std::uint64_t work_ticks_;
    std::uint64_t window_ = 0;
    std::vector<task_state> tasks_{places};
    std::array<callback_state, sites> callbacks_{};
    std::array<post, posts> posts_{};
    spinner found_;
};

}  // namespace coroscope::instrumentation
