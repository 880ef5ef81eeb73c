// SPDX-License-Identifier: Apache-2.0
#include "lock_order.hpp"

#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t longest_circle = 6;
constexpr std::size_t requests_a_lock = 32;

[[nodiscard]] bool is_alike(const lock_request& a, const lock_request& b) noexcept {
    return a.wanted.mutex == b.wanted.mutex && a.by->who->agent == b.by->who->agent
           && is_one_site(a.by->where, b.by->where) && is_one_site(a.held.at, b.held.at);
}

/// Whether both may stand at their requests at the same time.
[[nodiscard]] bool may_meet(const lock_request& a, const lock_request& b) noexcept {
    return a.by->who->agent != b.by->who->agent && !exclude_each_other(*a.by->locks, *b.by->locks)
           && !comes_before(*a.by, *b.by) && !comes_before(*b.by, *a.by);
}

[[nodiscard]] std::string request_text(const lock_request& request) {
    return unit_text(*request.by->who) + " locks " + lock_text(request.wanted) + " at "
           + site_text(request.by->where) + " while it holds " + lock_text(request.held)
           + ", locked at " + site_text(request.held.at);
}

void add_request(report::finding& to, const lock_request& request, const char* which) {
    add_unit(to, (std::string(which) + " task").c_str(), *request.by->who);
    to.evidence.push_back({std::string(which) + " lock",
                           lock_text(request.held) + " at " + site_text(request.held.at),
                           position_of(request.held.at),
                           {}});
    add_stack(to, std::string(which) + " request",
              lock_text(request.wanted) + " at " + site_text(request.by->where), *request.by);
}

/// Each takes its first lock before the one before it asks for that.
[[nodiscard]] std::vector<race_hold> holds_of(const std::vector<const lock_request*>& circle) {
    std::vector<race_hold> holds;
    for (std::size_t i = 0; i < circle.size(); ++i) {
        const auto& held = *circle[i];
        const auto& until = *circle[(i + 1) % circle.size()];
        holds.push_back(
            {held.by->who->agent, held.by->step, until.by->who->agent, until.held.step});
    }
    return holds;
}

[[nodiscard]] report::finding describe_circle(const std::vector<const lock_request*>& circle) {
    report::finding made;
    made.rule = "lock-order";
    made.severity = report::severity::error;
    made.verdict = report::verdict::predicted;
    made.where = position_of(circle.front()->by->where);
    std::vector<report::source_position> places;
    std::string separator;
    for (const auto* request : circle) {
        places.push_back(position_of(request->by->where));
        made.message += std::exchange(separator, "; ") + request_text(*request);
    }
    made.message +=
        ". If each has its first lock before another asks for it, all of them wait for ever. Take "
        "the locks in one order everywhere, or hold one more lock around both.";
    std::ranges::sort(places, {}, [](const auto& p) { return p.function + to_string(p); });
    made.fingerprint = make_fingerprint(made.rule, places);
    std::vector<std::shared_ptr<const unit_facts>> units;
    for (std::size_t i = 0; i < circle.size(); ++i) {
        constexpr std::array<const char*, longest_circle> names{"first",  "second", "third",
                                                                "fourth", "fifth",  "sixth"};
        add_request(made, *circle[i], names[i]);
        units.push_back(circle[i]->by->who);
    }
    made.evidence.push_back({"missing order",
                             "nothing orders the requests, and no lock is held by all of them",
                             {},
                             {}});
    add_holds(made, holds_of(circle), units);
    return made;
}

}  // namespace

void lock_order::note_request(const record_pointer& by, const held_lock& wanted) {
    if (by->locks == nullptr) { return; }
    for (const auto& held : *by->locks) {
        if (held.mutex == wanted.mutex) { continue; }
        auto& requests = by_held_[held.mutex];
        lock_request made{held, wanted, by};
        const auto same = std::ranges::find_if(
            requests, [&](const lock_request& each) { return is_alike(each, made); });
        if (same != requests.end()) {
            *same = std::move(made);
            continue;
        }
        if (requests.size() == requests_a_lock) { requests.erase(requests.begin()); }
        requests.push_back(made);
        path so_far{&made};
        look_for_circle(so_far);
    }
}

void lock_order::look_for_circle(path& so_far) {
    const auto* end = so_far.front()->held.mutex;
    const auto next = by_held_.find(so_far.back()->wanted.mutex);
    if (next == by_held_.end() || so_far.size() == longest_circle) { return; }
    for (const auto& request : next->second) {
        const bool fits = std::ranges::all_of(
            so_far, [&](const auto* earlier) { return may_meet(*earlier, request); });
        if (!fits) { continue; }
        so_far.push_back(&request);
        if (request.wanted.mutex == end) {
            report(so_far);
        } else {
            look_for_circle(so_far);
        }
        so_far.pop_back();
    }
}

// Where all of them take both locks in one step, nobody comes between.
void lock_order::report(const path& circle) {
    const bool is_atomic = std::ranges::all_of(
        circle, [](const auto* request) { return request->held.step == request->by->step; });
    if (is_atomic) { return; }
    if (std::ranges::any_of(circle, [](const auto* r) { return r->by->benign != nullptr; })) {
        log_.count_benign();
        return;
    }
    std::uint64_t key = 0;
    for (const auto* request : circle) {
        key += race_key("lock-order", request->held.at, request->by->where);
    }
    log_.add(key, [&] { return race_candidate{describe_circle(circle), holds_of(circle)}; });
}

void lock_order::forget(const void* lock) {
    by_held_.erase(lock);
    for (auto& [held, requests] : by_held_) {
        std::erase_if(requests, [&](const lock_request& r) { return r.wanted.mutex == lock; });
    }
}

}  // namespace coroscope::instrumentation::detail
