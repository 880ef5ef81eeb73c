// SPDX-License-Identifier: Apache-2.0
#include "life_watch.hpp"

#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t moments_kept = 32;

[[nodiscard]] const char* past_of(life_event what) noexcept {
    switch (what) {
    case life_event::opened: return "opened";
    case life_event::used: return "used";
    case life_event::closed: return "closed";
    case life_event::moved: return "moved from";
    case life_event::destroyed: return "destroyed";
    }
    return "?";
}

[[nodiscard]] const char* rule_after(life_event end) noexcept {
    switch (end) {
    case life_event::moved: return "use-after-move";
    case life_event::destroyed: return "use-after-free";
    case life_event::opened:
    case life_event::used:
    case life_event::closed: break;
    }
    return "use-after-close";
}

[[nodiscard]] bool is_end(life_event what) noexcept {
    return what == life_event::closed || what == life_event::moved || what == life_event::destroyed;
}

[[nodiscard]] bool share_a_mutex(const access_record& a, const access_record& b) {
    if (a.locks == nullptr || b.locks == nullptr) { return false; }
    return std::ranges::any_of(*a.locks, [&](const held_lock& one) {
        return std::ranges::any_of(*b.locks, [&](const auto& o) { return o.mutex == one.mutex; });
    });
}

/// A lock that both take is no order, but who takes it may look first: nothing to predict.
[[nodiscard]] bool may_swap(const access_record& earlier, const access_record& later) {
    return earlier.who->agent != later.who->agent && !comes_before(earlier, later)
           && !share_a_mutex(earlier, later);
}

void add_access(report::finding& to, const std::string& which, const access_record& made,
                const char* did) {
    add_unit(to, (which + " task").c_str(), *made.who);
    add_stack(to, which + " access", std::string(did) + " at " + site_text(made.where), made);
    add_resumption(to, "await of the " + which + " task", made);
}

}  // namespace

record_pointer life_watch::record_now(await_site where) {
    const auto at = recorder_.now();
    if (at.key == 0) { return nullptr; }
    auto record = std::make_shared<access_record>();
    if (!recorder_.identify(at, *record, where)) { return nullptr; }
    return record;
}

void life_watch::note(const void* object, const variable_label& label, life_event what,
                      await_site where) {
    const moment latest{what, record_now(where)};
    if (latest.by == nullptr) { return; }
    auto& moments = lives_[object];
    if (what == life_event::used) { judge_use(moments, latest, label); }
    judge_order(moments, latest, label);
    if (what == life_event::opened) {
        std::erase_if(moments, [](const moment& m) { return is_end(m.what); });
    }
    std::erase_if(moments, [&](const moment& m) {
        return m.what == what && m.by->who->agent == latest.by->who->agent
               && is_one_site(m.by->where, latest.by->where);
    });
    if (moments.size() == moments_kept) { moments.erase(moments.begin()); }
    moments.push_back(latest);
}

void life_watch::judge_use(const life& of, const moment& use, const variable_label& label) {
    const auto end =
        std::find_if(of.rbegin(), of.rend(), [](const moment& m) { return is_end(m.what); });
    if (end == of.rend()) { return; }
    report(rule_after(end->what), report::verdict::confirmed, *end, use, label,
           "it had been " + std::string(past_of(end->what)) + " by then");
}

// The other order would be a use outside of the life.
void life_watch::judge_order(const life& of, const moment& latest, const variable_label& label) {
    for (const auto& each : of) {
        if (!may_swap(*each.by, *latest.by)) { continue; }
        if (each.what == life_event::used && is_end(latest.what)) {
            report(rule_after(latest.what), report::verdict::predicted, each, latest, label,
                   "nothing orders the use before that");
        } else if (each.what == life_event::opened && latest.what == life_event::used) {
            report("order-violation", report::verdict::predicted, each, latest, label,
                   "nothing orders the opening before the use");
        }
    }
}

void life_watch::report(const char* rule, report::verdict sure, const moment& earlier,
                        const moment& later, const variable_label& label,
                        const std::string& sentence) {
    if (earlier.by->benign != nullptr || later.by->benign != nullptr) {
        log_.count_benign();
        return;
    }
    const auto& first = *earlier.by;
    const auto& second = *later.by;
    std::vector<race_hold> holds;
    if (sure == report::verdict::predicted) {
        holds.push_back({first.who->agent, first.step, second.who->agent, second.step});
    }
    const auto make = [&] {
        report::finding made;
        made.rule = rule;
        made.severity = report::severity::error;
        made.verdict = sure;
        made.where = position_of(second.where);
        made.fingerprint = make_fingerprint(rule, std::array{position_of(first.where), made.where},
                                            label.name != nullptr ? label.name : "");
        made.message = unit_text(*first.who) + " " + past_of(earlier.what) + " "
                       + label_text(label) + " at " + site_text(first.where) + ", and "
                       + unit_text(*second.who) + " " + past_of(later.what) + " it at "
                       + site_text(second.where) + "; " + sentence
                       + ". Await the one before the other, or look whether it is open in the step "
                         "that uses it.";
        add_variable(made, label);
        add_access(made, "first", first, past_of(earlier.what));
        add_access(made, "other", second, past_of(later.what));
        made.evidence.push_back(
            {"missing order",
             "nothing orders what " + unit_text(*first.who) + " did at " + site_text(first.where)
                 + " and what " + unit_text(*second.who) + " did at " + site_text(second.where),
             {},
             {}});
        add_holds(made, holds, {first.who, second.who});
        if (holds.empty()) { add_default_order(made); }
        return made;
    };
    log_.add(race_key(past_of(later.what), first.where, second.where), [&] {
        return race_candidate{make(), holds};
    });
}

void life_watch::claim(const void* object, await_site where) {
    if (auto made = record_now(where); made != nullptr) { claims_[object] = std::move(made); }
}

void life_watch::note_breach(const breach& made) {
    const auto by = record_now(made.where);
    if (by == nullptr) { return; }
    if (by->benign != nullptr) {
        log_.count_benign();
        return;
    }
    const auto claim = claims_.find(made.object);
    const auto earlier = claim != claims_.end() ? claim->second : record_pointer();
    const auto describe = [&] {
        report::finding found;
        found.rule = made.rule;
        found.severity = report::severity::error;
        found.verdict = report::verdict::confirmed;
        found.where = position_of(made.where);
        found.fingerprint = make_fingerprint(made.rule, std::array{found.where},
                                             made.label.name != nullptr ? made.label.name : "");
        found.message = unit_text(*by->who) + " accessed " + label_text(made.label) + " at "
                        + site_text(made.where) + ": " + made.what;
        if (earlier != nullptr) {
            found.message += std::string(", and ") + made.other + " " + unit_text(*earlier->who)
                             + ", at " + site_text(earlier->where);
        }
        found.message += ".";
        add_variable(found, made.label);
        if (earlier != nullptr) { add_access(found, "first", *earlier, made.other); }
        add_access(found, earlier != nullptr ? "other" : "first", *by, "accessed");
        found.evidence.push_back({"missing order", made.what, {}, {}});
        add_default_order(found);
        return found;
    };
    const auto other = earlier != nullptr ? earlier->where : await_site();
    log_.add(race_key(made.rule, made.where, other), [&] {
        return race_candidate{describe(), {}};
    });
}

void life_watch::forget(const void* object) {
    lives_.erase(object);
    claims_.erase(object);
}

}  // namespace coroscope::instrumentation::detail
