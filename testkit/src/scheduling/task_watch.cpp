// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/task_watch.hpp>

#include "task_report.hpp"
#include "test_environment.hpp"

namespace coroscope::testkit {

task_watch::task_watch() : newest_(this_test().loop().core().next_task_id - 1) {}

coro<std::vector<std::string>> task_watch::left() const {
    co_await settle();
    const auto& test = *detail::test_environment::current();
    const auto self = current_task().id();
    std::vector<std::string> found;
    for (const auto& task : detail::blocked_tasks(this_test().loop())) {
        const auto id = task.view.id;
        if (id <= newest_ || id == self || test.is_background(id)) { continue; }
        found.push_back(detail::to_text(task));
    }
    co_return found;
}

}  // namespace coroscope::testkit
