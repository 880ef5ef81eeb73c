// SPDX-License-Identifier: Apache-2.0
#include "execution_order.hpp"

#include "random_source.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

using coroscope::detail::access;
using coroscope::detail::access_kind;

[[nodiscard]] std::uintptr_t address_of(const void* object) noexcept {
    return reinterpret_cast<std::uintptr_t>(object);
}

[[nodiscard]] use_mode mode_of(const access& made) noexcept {
    switch (made.kind) {
    case access_kind::read: return use_mode::look;
    case access_kind::write: return use_mode::change;
    case access_kind::acquire: return made.changes ? use_mode::change : use_mode::pass;
    case access_kind::release: return made.changes ? use_mode::change : use_mode::arrive;
    case access_kind::test: break;
    }
    return made.changes ? use_mode::change : use_mode::look;
}

[[nodiscard]] std::uint64_t mutex_of(const access& made) noexcept {
    using coroscope::detail::lock_use;
    return made.lock == lock_use::lock || made.lock == lock_use::try_lock ? made.id : 0;
}

/// A bit for each piece of memory of so many bytes.
constexpr unsigned filtered_bytes = 6;

[[nodiscard]] std::uint64_t filter_of(std::uintptr_t begin, std::size_t bytes) noexcept {
    const auto first = begin >> filtered_bytes;
    const auto last = (begin + (bytes == 0 ? 0 : bytes - 1)) >> filtered_bytes;
    if (last - first >= 8) { return ~std::uint64_t{0}; }
    std::uint64_t bits = 0;
    for (auto piece = first; piece <= last; ++piece) {
        bits |= std::uint64_t{1} << ((piece * 0x9e3779b97f4a7c15U) >> 58U);
    }
    return bits;
}

[[nodiscard]] bool lies_in(const thing_use& u, std::uintptr_t begin, std::size_t bytes) noexcept {
    return u.begin < begin + bytes && begin < u.begin + std::max<std::size_t>(u.bytes, 1);
}

}  // namespace

bool are_of_one_thing(const thing_use& earlier, const thing_use& later) noexcept {
    if (earlier.end < later.at) { return false; }
    if (earlier.bytes == 0 || later.bytes == 0) {
        return earlier.begin == later.begin && earlier.bytes == later.bytes;
    }
    return lies_in(earlier, later.begin, later.bytes);
}

bool do_conflict(use_mode a, use_mode b) noexcept {
    if (a == use_mode::pass || b == use_mode::pass) { return false; }
    if (a == use_mode::arrive || b == use_mode::arrive) {
        return a == use_mode::look || b == use_mode::look;
    }
    return a == use_mode::change || b == use_mode::change;
}

void execution_order::begin(const agent_tree& agents) {
    agents_ = &agents;
    ++execution_;
    ready_.clear();
    last_in_order_.clear();
    count_ = 0;
    moved_ = 0;
    things_.begin();
    last_uses_.clear();
    live_.clear();
    longest_ = 1;
    time_ = 0;
    races_.clear();
    vanished_.clear();
    class_ = 0;
}

execution_order::agent_state& execution_order::state(agent_index of) {
    if (of >= states_.size()) { states_.resize(of + 1); }
    auto& known = states_[of];
    if (known.execution != execution_) {
        known = {};
        known.execution = execution_;
    }
    return known;
}

// --- While it runs

void execution_order::on_ready(std::span<const candidate> ready) {
    ++offers_;
    for (const auto& each : ready) {
        auto& agent = state(each.agent);
        agent.seen = offers_;
        if (agent.is_ready) { continue; }
        agent.is_ready = true;
        agent.enabled_by = count_ > 0 ? count_ - 1 : none;
    }
    for (const auto before : ready_) {
        auto& agent = state(before);
        if (agent.seen == offers_ || !agent.is_ready) { continue; }
        agent.is_ready = false;
        vanished_.push_back({count_ - 1, before});
    }
    ready_.clear();
    for (const auto& each : ready) {
        ready_.push_back(each.agent);
    }
}

void execution_order::on_step(const candidate& runs) {
    if (count_ == steps_.size()) { steps_.emplace_back(); }
    auto& agent = state(runs.agent);
    auto& step = steps_[count_];
    auto room = std::move(step.uses);
    room.clear();
    step = {};
    step.uses = std::move(room);
    step.agent = runs.agent;
    step.at = runs.at;
    step.number = agent.steps++;
    step.own = agent.last;
    step.made_by = agent.made_by;
    step.enabled_by = agent.enabled_by;
    step.behind = none;
    if (runs.order != 0) {
        const auto [last, is_first] = last_in_order_.try_emplace(runs.order, count_);
        if (!is_first) { step.behind = std::exchange(last->second, count_); }
    }
    step.moved = moved_;
    agent.last = count_;
    agent.is_ready = false;
    ++count_;
}

void execution_order::on_created(agent_index made, agent_index) {
    auto& agent = state(made);
    if (count_ == 0) { return; }
    agent.made_by = count_ - 1;
    ++steps_[count_ - 1].made;
}

void execution_order::on_fault(bool fails) {
    if (count_ == 0) { return; }
    auto& faults = steps_[count_ - 1].faults;
    faults = faults << 1U | (fails ? 1U : 0U);
}

void execution_order::on_body_ended() noexcept {
    if (count_ > 0) { steps_[count_ - 1].is_global = true; }
}

void execution_order::on_access(const access& made) {
    use(made, mode_of(made));
}

void execution_order::use(const access& noted, use_mode mode) {
    const auto begin = address_of(noted.object);
    const auto bytes = noted.bytes;
    if (things_.is_passing(begin)) { return; }
    const auto name = things_.name(begin, bytes, count_);
    if (count_ == 0) { return; }  // before all steps; what it is called is known from then on
    auto& step = steps_[count_ - 1];
    const auto known = last_uses_.find({begin, bytes});
    const bool is_known = known != last_uses_.end() && known->second.step == count_ - 1
                          && step.uses[known->second.index].end > time_;
    if (is_known) {
        auto& before = step.uses[known->second.index];
        if (before.mode == mode || (before.mode == use_mode::change && mode == use_mode::look)) {
            return;
        }
        if (before.mode == use_mode::look && mode == use_mode::change) {
            before.mode = mode;
            before.where = noted.where;
            before.code = noted.code;
            step.changed |= filter_of(begin, bytes);
            return;
        }
    }
    const bool is_first =
        step.uses.size() <= 1
        || std::all_of(step.uses.begin() + 1, step.uses.end(),
                       [&](const thing_use& u) { return u.begin == begin && u.bytes == bytes; });
    thing_use made;
    made.begin = begin;
    made.bytes = bytes;
    made.mode = mode;
    made.is_first = is_first;
    made.at = ++time_;
    made.name = name;
    made.where = noted.where;
    made.code = noted.code;
    made.mutex = mutex_of(noted);
    step.uses.push_back(made);
    const seen_use here{count_ - 1, static_cast<std::uint32_t>(step.uses.size() - 1)};
    last_uses_.insert_or_assign({begin, bytes}, here);
    live_.emplace(begin, here);
    longest_ = std::max(longest_, bytes);
    const auto filter = filter_of(begin, bytes);
    step.looked |= filter;
    if (mode != use_mode::look) { step.changed |= filter; }
}

void execution_order::on_begin_of_life(const void* begin, std::size_t bytes) {
    forget(address_of(begin), bytes);
    things_.begin_of_life(address_of(begin), bytes, count_);
}

/// The end of data is a change of it. Objects that synchronise say so themselves, if they have only
/// one owner.
void execution_order::on_end_of_life(const void* begin, std::size_t bytes) {
    const auto first = address_of(begin);
    bool has_data = false;
    for (auto at = first_live(first); !has_data && at != live_.end() && at->first < first + bytes;
         ++at) {
        const auto& u = steps_[at->second.step].uses[at->second.index];
        has_data = u.bytes != 0 && lies_in(u, first, bytes);
    }
    const auto longest = longest_;
    if (has_data) { use({begin, bytes, access_kind::write}, use_mode::change); }
    forget(first, bytes);
    longest_ = longest;  // that use is over
}

std::multimap<std::uintptr_t, execution_order::seen_use>::iterator execution_order::first_live(
    std::uintptr_t begin) {
    return live_.lower_bound(begin - std::min<std::uintptr_t>(begin, longest_ - 1));
}

void execution_order::forget(std::uintptr_t begin, std::size_t bytes) {
    things_.end_of_life(begin, bytes);
    ++time_;
    for (auto at = first_live(begin); at != live_.end() && at->first < begin + bytes;) {
        auto& u = steps_[at->second.step].uses[at->second.index];
        const bool is_over = lies_in(u, begin, bytes);
        if (is_over) { u.end = time_; }
        at = is_over ? live_.erase(at) : std::next(at);
    }
}

// --- When it has ended

void execution_order::begin_to_settle(std::size_t count) {
    count_ = static_cast<std::uint32_t>(count);
    words_ = (count + 63) / 64;
    pasts_.assign(count * words_, 0);
    events_.assign(count, 0);
    arrivals_.clear();
    races_.clear();
    class_ = 0;
}

void execution_order::settle_by_necessity(std::size_t count) {
    begin_to_settle(count);
    changes_.clear();
    for (std::size_t i = 0; i < count; ++i) {
        order_by_necessity(i);
        order_by_passage(i);
        note_arrivals(i);
    }
}

/// A wait that has ended comes after the one step that could end it, also where nobody had to wait.
void execution_order::order_by_passage(std::size_t index) {
    for (const auto& u : steps_[index].uses) {
        if (u.mode != use_mode::pass) { continue; }
        const auto known = changes_.find(u.begin);
        if (known == changes_.end() || known->second.end < u.at) { continue; }
        if (known->second.is_only) { add_past(index, known->second.step); }
    }
    const auto self = static_cast<std::uint32_t>(index);
    for (const auto& u : steps_[index].uses) {
        if (u.mode != use_mode::change || u.bytes != 0) { continue; }
        auto& known = changes_[u.begin];
        const bool is_new = known.step == none || known.end < u.at;
        known = {self, u.end, is_new || (known.is_only && known.step == self)};
    }
}

void execution_order::settle(std::size_t count) {
    begin_to_settle(count);
    for (std::size_t i = 0; i < count; ++i) {
        order_by_necessity(i);
        order_by_use(i);
        note_arrivals(i);
        hash_event(i);
    }
}

void execution_order::add_past(std::size_t to, std::uint32_t from) noexcept {
    if (from == none) { return; }
    auto* const past = past_of(to);
    const auto* const added = past_of(from);
    for (std::size_t i = 0; i < words_; ++i) {
        past[i] |= added[i];
    }
}

/// Of a past that is full: no execution has the step without it.
void execution_order::order_by_necessity(std::size_t index) {
    const auto& step = steps_[index];
    auto* const past = past_of(index);
    past[index / 64] |= std::uint64_t{1} << (index % 64);
    add_past(index, step.own);
    add_past(index, step.made_by);
    add_past(index, step.enabled_by);
    add_past(index, step.behind);
    for (std::size_t i = 0; i < step.moved; ++i) {
        past[i / 64] |= std::uint64_t{1} << (i % 64);
    }
    for (const auto& u : step.uses) {
        if (u.mode != use_mode::pass || !u.is_first) { continue; }
        const auto known = arrivals_.find(u.begin);
        if (known == arrivals_.end() || known->second.completed_by != step.enabled_by) { continue; }
        for (const auto arrived : known->second.complete) {
            add_past(index, arrived);
        }
    }
}

/// What the step depends on and must not come after without being another step: races, unless
/// something in between has that order anyway.
void execution_order::order_by_use(std::size_t index) {
    for (auto i = static_cast<std::uint32_t>(index); i-- > 0;) {
        if (is_after(index, i) || !depend(i, index)) { continue; }
        races_.push_back({i, static_cast<std::uint32_t>(index)});
        add_past(index, i);
    }
}

bool execution_order::depend(std::size_t earlier, std::size_t later) const noexcept {
    const auto& a = steps_[earlier];
    const auto& b = steps_[later];
    if (a.is_global || b.is_global) { return true; }
    if (((a.changed & b.looked) | (a.looked & b.changed)) == 0) { return false; }
    return std::ranges::any_of(a.uses, [&](const thing_use& first) {
        return std::ranges::any_of(b.uses, [&](const thing_use& second) {
            return do_conflict(first.mode, second.mode) && are_of_one_thing(first, second);
        });
    });
}

/// Those whom a wait is for have come when one of them changes what is waited for; a change by
/// anybody else ends the wait before that.
void execution_order::note_arrivals(std::size_t index) {
    const auto& step = steps_[index];
    const auto self = static_cast<std::uint32_t>(index);
    for (const auto& u : step.uses) {
        if (u.mode != use_mode::arrive) { continue; }
        auto& those = arrivals_[u.begin];
        if (those.end < u.at) { those = {}; }
        those.end = u.end;
        those.steps.push_back(self);
    }
    if (arrivals_.empty()) { return; }
    for (const auto& u : step.uses) {
        const auto known = arrivals_.find(u.begin);
        if (u.mode != use_mode::change || known == arrivals_.end()) { continue; }
        auto& those = known->second;
        const bool has_arrived = !those.steps.empty() && those.steps.back() == self;
        those.complete = has_arrived ? std::move(those.steps) : std::vector<std::uint32_t>();
        those.completed_by = has_arrived ? self : none;
        those.steps.clear();
    }
}

void execution_order::hash_event(std::size_t index) {
    const auto& step = steps_[index];
    std::uint64_t before = 0;
    const auto* const past = past_of(index);
    for (std::size_t word = 0; word < words_; ++word) {
        for (auto bits = past[word]; bits != 0; bits &= bits - 1) {
            const auto i = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
            if (i != index) { before += derived_seed(events_[i], 1); }
        }
    }
    const auto own = derived_seed(agents_->hash(step.agent), step.number);
    events_[index] = derived_seed(own ^ before, step.faults);
    class_ += derived_seed(events_[index], 2);
}

}  // namespace coroscope::testkit::detail
