// SPDX-License-Identifier: Apache-2.0
#include "races/prediction.hpp"

#include "races/search.hpp"

#include <coroscope/instrumentation/races/race_detector.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/testkit/explore.hpp>
#include <coroscope/testkit/test_run.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace race_corpus {
namespace {

using coroscope::instrumentation::race_candidate;
using coroscope::instrumentation::race_detector;
using coroscope::testkit::strategy;

/// Who made whom: the names that schedules have for the tasks of a run.
class spawn_paths final : public coroscope::observer {
public:
    void on_task_created(const coroscope::task_info& task) noexcept override {
        const auto parent = paths_.find(task.parent_id);
        paths_[task.id] = parent == paths_.end()
                              ? "0"
                              : parent->second + "." + std::to_string(made_by_[task.parent_id]++);
    }
    /// Empty for a callback.
    [[nodiscard]] std::string of(const coroscope::schedule_policy::agent& which) const {
        const auto found = paths_.find(which.id);
        return which.is_task && found != paths_.end() ? found->second : "";
    }

private:
    std::map<std::uint64_t, std::string> paths_;
    std::map<std::uint64_t, std::uint64_t> made_by_;
};

/// Empty if it holds callbacks.
[[nodiscard]] std::string schedule_of(const race_candidate& candidate, const spawn_paths& paths) {
    std::string text = "co1:1:";
    for (const auto& each : candidate.holds) {
        const auto held = paths.of(each.held);
        const auto until = paths.of(each.until);
        if (held.empty() || until.empty()) { return {}; }
        text += (text.back() == ':' ? "" : ",") + held + "@" + std::to_string(each.await) + "-"
                + until + "@" + std::to_string(each.passed);
    }
    return text;
}

}  // namespace

prediction predict(const program& p) {
    prediction result;
    const auto options = search_options(strategy::default_order, 1, 1);
    const auto fails = [&](const std::string& schedule) {
        return !coroscope::testkit::replay(p.run, schedule, options).ok();
    };
    result.failed_by_itself = fails("co1:1:");

    race_detector detector;
    spawn_paths paths;
    coroscope::testkit::test_options recorded;
    recorded.make_loop = [&](const coroscope::loop_options& settings) {
        auto made = std::make_unique<coroscope::loop>(settings);
        made->add_observer(paths);
        detector.attach_to(*made);
        return made;
    };
    static_cast<void>(coroscope::testkit::run_test(p.run, recorded));
    for (const auto& each : detector.findings()) {
        result.rules.insert(each.rule);
    }
    const auto candidates = detector.candidates();
    result.candidates = candidates.size();
    std::uint64_t tried = 0;
    for (const auto& each : candidates) {
        const auto schedule = schedule_of(each, paths);
        if (schedule.empty()) { continue; }
        ++tried;
        if (fails(schedule)) {
            result.directed = tried;
            break;
        }
    }
    return result;
}

}  // namespace race_corpus
