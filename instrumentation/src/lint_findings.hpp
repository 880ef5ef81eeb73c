// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spin_watch.hpp"

#include <coroscope/instrumentation/lints.hpp>

#include <coroscope/report/finding.hpp>

#include <string>

namespace coroscope::instrumentation::detail {

// What `lints` has to say, in words: one function for each rule.

[[nodiscard]] report::finding never_awaited(const remark& made, report::source_position function);
[[nodiscard]] report::finding destroyed_pending(const remark& made);
[[nodiscard]] report::finding lost_exception(const remark& made);
[[nodiscard]] report::finding wrong_thread(const remark& made);
[[nodiscard]] report::finding failed_attempts(const remark& made, std::uint32_t times);
[[nodiscard]] report::finding reads_on(const remark& made);
[[nodiscard]] report::finding never_yields(const remark& made, std::uint32_t times);
[[nodiscard]] report::finding mutex_across_suspension(const remark& made,
                                                      report::source_position locker);
[[nodiscard]] report::finding huge_frame(const remark& made);
/// `name` is the task's; empty for a callback.
[[nodiscard]] report::finding spinning(const spinner& who, const std::string& name,
                                       await_site created_at);
[[nodiscard]] report::finding task_growth(await_site created_at, std::size_t at_site,
                                          std::size_t in_all, await_site waits_at);
[[nodiscard]] report::finding timer_flood(await_site armed_at, std::size_t at_site,
                                          std::size_t in_all);
/// `why`: `future 7, to which nobody else has a handle`.
[[nodiscard]] report::finding never_resumable(const task_info& task, await_site waits_at,
                                              const std::string& why);
/// Whether the step waited in a call that no loop's thread should wait in.
[[nodiscard]] bool blocks(const report::slow_step& step, std::string_view system_call);
[[nodiscard]] report::finding blocking_call(const report::slow_step& step,
                                            std::string_view system_call);

/// `task 3 (name)`, the name only where one was given.
[[nodiscard]] std::string task_text(std::uint64_t id, std::string_view name);

}  // namespace coroscope::instrumentation::detail
