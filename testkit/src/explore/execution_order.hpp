// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "search_strategy.hpp"
#include "used_things.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

namespace coroscope::testkit::detail {

/// What a step does to a thing.
enum class use_mode : std::uint8_t {
    look,
    change,
    arrive,  ///< it is one of several whom somebody waits for
    pass,    ///< its wait has ended
};

struct thing_use {
    std::uintptr_t begin = 0;
    std::size_t bytes = 0;  ///< 0: a synchronisation object
    use_mode mode = use_mode::look;
    bool is_first = false;  ///< nothing else was used before in this step
    std::uint32_t at = 0;   ///< uses are counted, and ends of life
    std::uint32_t end = std::numeric_limits<std::uint32_t>::max();  ///< of the thing's life
    thing_name name;
    await_site where{};  ///< see `access`
    const void* code = nullptr;
    std::uint64_t mutex = 0;  ///< its id, as listings show it; 0: it is none
};

/// Whether two uses of one thing depend on each other: in another order they have other results.
[[nodiscard]] bool do_conflict(use_mode a, use_mode b) noexcept;
/// `earlier` came first.
[[nodiscard]] bool are_of_one_thing(const thing_use& earlier, const thing_use& later) noexcept;

/// One step of an execution.
struct ordered_step {
    agent_index agent = agent_tree::outside;
    await_site at{};
    std::uint32_t number = 0;  ///< of its agent
    // Steps that made this one possible; `none`: the beginning did.
    std::uint32_t own = 0;         ///< its agent's last
    std::uint32_t made_by = 0;     ///< in which its agent was made
    std::uint32_t enabled_by = 0;  ///< after which it could run
    std::uint32_t behind = 0;      ///< the last with which it keeps its order
    std::uint32_t moved = 0;       ///< all steps before this one belong to earlier instants
    std::uint32_t made = 0;        ///< agents, in this step
    std::uint64_t faults = 1;      ///< what its fault points did, a bit each, below a 1
    bool is_global = false;        ///< in another order with any other step, it is another one
    std::uint64_t looked = 0;      ///< a filter of what it uses
    std::uint64_t changed = 0;
    std::vector<thing_use> uses;

    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
};

/// The partial order of one execution's steps. Two steps are ordered if one makes the other
/// possible, or if they depend on each other: they use the same thing, and not both only look.
/// Executions with the same partial order are of one *class*: they differ in nothing but the order
/// of steps that have nothing to do with each other, and end alike.
///
/// **Thread safety**: one thread.
class execution_order {
public:
    static constexpr std::uint32_t none = ordered_step::none;

    /// In `later`, something depends on `earlier`, and neither has anything between them that
    /// would force this order.
    struct race {
        std::uint32_t earlier;
        std::uint32_t later;
    };
    /// This agent could have run in `step`, and cannot any more after it.
    struct vanished {
        std::uint32_t step;
        agent_index agent;
    };

    void begin(const agent_tree& agents);
    // --- While it runs
    void on_ready(std::span<const candidate> ready);
    void on_step(const candidate& runs);
    void on_created(agent_index made, agent_index by);
    void on_fault(bool fails);
    void on_time_moved() noexcept { moved_ = count_; }
    void on_access(const coroscope::detail::access& made);
    void on_begin_of_life(const void* begin, std::size_t bytes);
    void on_end_of_life(const void* begin, std::size_t bytes);
    /// The last step is the one in which the body ended.
    void on_body_ended() noexcept;

    // --- When it has ended
    /// Orders the first `count` steps.
    void settle(std::size_t count);
    /// The same, without what only depends on each other: two steps are ordered if no schedule can
    /// change that. Then there are no races, events and classes.
    void settle_by_necessity(std::size_t count);
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] const ordered_step& step(std::size_t index) const { return steps_[index]; }
    [[nodiscard]] const std::vector<race>& races() const noexcept { return races_; }
    [[nodiscard]] const std::vector<vanished>& all_vanished() const noexcept { return vanished_; }
    /// `later` comes after `earlier` in every execution of the class; also if they are the same.
    [[nodiscard]] bool is_after(std::size_t later, std::size_t earlier) const noexcept {
        return (past_of(later)[earlier / 64] >> (earlier % 64) & 1U) != 0;
    }
    /// What came before a step, that step, and what it did: the same in each execution with the
    /// same past, whatever else there is.
    [[nodiscard]] std::uint64_t event(std::size_t step) const { return events_[step]; }
    /// The same for all executions of one class, in each process.
    [[nodiscard]] std::uint64_t class_hash() const noexcept { return class_; }

private:
    struct agent_state {
        std::uint64_t execution = 0;
        std::uint32_t last = none;
        std::uint32_t made_by = none;
        std::uint32_t enabled_by = none;
        std::uint32_t steps = 0;
        std::uint64_t seen = 0;  ///< the number of the last offer it was in
        bool is_ready = false;
    };
    struct arrivals {
        std::vector<std::uint32_t> steps;
        std::vector<std::uint32_t> complete;
        std::uint32_t completed_by = none;
        std::uint32_t end = 0;  ///< of the life of what they came for
    };
    struct last_change {
        std::uint32_t step = none;
        std::uint32_t end = 0;  ///< of the life of what was changed
        bool is_only = false;
    };
    struct place {
        std::uintptr_t begin;
        std::size_t bytes;
        friend bool operator==(const place&, const place&) = default;
    };
    struct hash_of_place {
        std::size_t operator()(const place& p) const noexcept { return p.begin ^ (p.bytes << 48U); }
    };
    struct seen_use {
        std::uint32_t step;
        std::uint32_t index;
    };

    [[nodiscard]] agent_state& state(agent_index of);
    void use(const coroscope::detail::access& made, use_mode mode);
    /// The first of those that may lie in there.
    [[nodiscard]] std::multimap<std::uintptr_t, seen_use>::iterator first_live(
        std::uintptr_t begin);
    void forget(std::uintptr_t begin, std::size_t bytes);
    [[nodiscard]] std::uint64_t* past_of(std::size_t step) noexcept {
        return pasts_.data() + step * words_;
    }
    [[nodiscard]] const std::uint64_t* past_of(std::size_t step) const noexcept {
        return pasts_.data() + step * words_;
    }
    void begin_to_settle(std::size_t count);
    void add_past(std::size_t to, std::uint32_t from) noexcept;
    [[nodiscard]] bool depend(std::size_t earlier, std::size_t later) const noexcept;
    void order_by_necessity(std::size_t step);
    void order_by_passage(std::size_t step);
    void order_by_use(std::size_t step);
    void note_arrivals(std::size_t step);
    void hash_event(std::size_t step);

    const agent_tree* agents_ = nullptr;
    std::uint64_t execution_ = 0;
    std::vector<agent_state> states_;
    std::vector<agent_index> ready_;
    std::unordered_map<std::uint64_t, std::uint32_t> last_in_order_;
    std::uint64_t offers_ = 0;
    std::vector<ordered_step> steps_;  ///< the first `count_` are this execution's
    std::uint32_t count_ = 0;
    std::uint32_t moved_ = 0;
    used_things things_;
    std::unordered_map<place, seen_use, hash_of_place> last_uses_;
    std::multimap<std::uintptr_t, seen_use> live_;  ///< uses of what has not ended, by address
    std::size_t longest_ = 1;                       ///< in bytes, of these
    std::uint32_t time_ = 0;

    std::size_t words_ = 0;
    std::vector<std::uint64_t> pasts_;  ///< a set of steps for each
    std::unordered_map<std::uintptr_t, arrivals> arrivals_;
    std::unordered_map<std::uintptr_t, last_change> changes_;
    std::vector<race> races_;
    std::vector<vanished> vanished_;
    std::vector<std::uint64_t> events_;
    std::uint64_t class_ = 0;
};

}  // namespace coroscope::testkit::detail
