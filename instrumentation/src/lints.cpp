// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/lints.hpp>

#include "lint_findings.hpp"
#include "passage_watch.hpp"
#include "population_watch.hpp"
#include "spin_watch.hpp"
#include "stuck_tasks.hpp"

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <cxxabi.h>
#include <dlfcn.h>

namespace coroscope::instrumentation {
namespace {

constexpr std::array<std::string_view, 13> rule_names{
    "never-awaited", "destroyed-pending", "lost-exception",  "busy-loop",
    "self-waking",   "never-yields",      "huge-frame",      "blocking-call",
    "timer-flood",   "task-growth",       "never-resumable", "mutex-across-suspension",
    "wrong-thread"};

/// Looks at a population before its growth counts as more than a burst.
constexpr std::size_t growth_looks = 8;

[[nodiscard]] std::uint32_t bit(lint_rule rule) noexcept {
    return std::uint32_t{1} << static_cast<unsigned>(rule);
}

/// What a finding is about, within this process: the rule and a site or another address.
[[nodiscard]] std::uint64_t key_of(lint_rule rule, std::uint64_t place) noexcept {
    return place * rule_names.size() + static_cast<std::uint64_t>(rule);
}

[[nodiscard]] std::uint64_t key_of(lint_rule rule, const await_site& site) noexcept {
    return key_of(rule, identity_of(site));
}

[[nodiscard]] report::source_position function_in_symbols(const void* code) {
    Dl_info info{};
    if (code == nullptr || dladdr(code, &info) == 0 || info.dli_sname == nullptr) { return {}; }
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> demangled(
        abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), std::free);
    return {"", 0, plain_function_name(status == 0 ? demangled.get() : info.dli_sname)};
}

/// The task that runs now, if it is the one with this id.
[[nodiscard]] const coroscope::detail::task_core* running_task(std::uint64_t id) noexcept {
    const auto* core = coroscope::detail::running_loop;
    const auto* task = core != nullptr ? core->current.get() : nullptr;
    return task != nullptr && task->id() == id ? task : nullptr;
}

[[nodiscard]] const coroscope::detail::task_core* find_task(
    const coroscope::detail::loop_core& core, std::uint64_t id) noexcept {
    const auto* task = core.first_task;
    while (task != nullptr && task->id() != id) {
        task = task->next;
    }
    return task;
}

[[nodiscard]] std::uint64_t stamp_of_step() noexcept {
    const auto* core = coroscope::detail::running_loop;
    return core != nullptr && core->step_began != nullptr ? core->step_began->get() : 0;
}

}  // namespace

std::string_view to_string(lint_rule rule) {
    return rule_names.at(static_cast<std::size_t>(rule));
}

struct lints::watches {
    explicit watches(const lint_options& options)
        : spins(options.turns, options.attempts, options.work),
          passages(options.passages),
          tasks(options.tasks, growth_looks),
          timers(options.timers, 1) {}

    spin_watch spins;
    passage_watch passages;
    growth_watch tasks;
    growth_watch timers;
    stuck_tasks stuck;
};

lints::lints(lint_options options)
    : options_(std::move(options)),
      rules_((std::uint32_t{1} << rule_names.size()) - 1),
      log_(std::make_shared<finding_log>(options_.capacity)),
      watches_(std::make_unique<watches>(options_)) {
    for (const auto rule : options_.without) {
        rules_ &= ~bit(rule);
    }
}

lints::~lints() = default;

void lints::attach_to(loop& l) {
    if (loop_id_ != 0) {
        throw std::logic_error("these lints were attached to loop " + std::to_string(loop_id_)
                               + " already; make other ones for another loop");
    }
    loop_id_ = l.id();
    l.add_observer(static_cast<observer&>(*this));
}

bool lints::wants(lint_rule rule) const noexcept {
    return (rules_ & bit(rule)) != 0;
}

hook_set lints::hooks() const noexcept {
    hook_set set = static_cast<hook_set>(hook::remark);
    const bool spins = wants(lint_rule::busy_loop) || wants(lint_rule::self_waking);
    const bool populations = wants(lint_rule::task_growth) || wants(lint_rule::timer_flood)
                             || wants(lint_rule::never_resumable);
    if (spins || populations) { set = set | hook::steps; }
    if (spins) { set = set | hook::task_woken; }
    if (wants(lint_rule::busy_loop)) { set = set | hook::edge; }
    return set;
}

template <class Make>
void lints::tell(lint_rule rule, std::uint64_t key, const Make& make) noexcept {
    if (!wants(rule)) { return; }
    try {
        const auto times = log_->count_again(key);
        const bool is_worth_a_call = !times || (*times & (*times - 1)) == 0;
        if (times && (!is_worth_a_call || !options_.handler)) { return; }
        auto made = make();
        if (options_.handler) { hand_over(made); }
        if (!times) { log_->add(key, std::move(made)); }
    } catch (...) {
        log_->count_dropped();  // no memory
    }
}

void lints::hand_over(const report::finding& found) {
    if (handler_failed_.load(std::memory_order_relaxed)) { return; }
    try {
        options_.handler(found);
    } catch (...) {
        exception_context context;
        context.message = "the handler of lints threw; it is not called again";
        context.exception = std::current_exception();
        handler_failed_.store(true, std::memory_order_relaxed);
        const auto* core = coroscope::detail::running_loop;
        core != nullptr ? core->self->call_exception_handler(context) : report_orphan(context);
    }
}

report::source_position lints::position_of_code(const void* code) const {
    return options_.symbolise ? options_.symbolise(code) : function_in_symbols(code);
}

void lints::on_steps(std::span<const step_record> steps) noexcept {
    const auto* core = coroscope::detail::running_loop;
    if (core == nullptr) { return; }
    watches_->spins.look_at(steps, [&](const spinner& who) {
        const auto rule = who.at_several_sites ? lint_rule::self_waking : lint_rule::busy_loop;
        tell(rule, key_of(rule, who.site), [&] {
            const auto* task = find_task(*core, who.task);
            const auto info = task != nullptr ? task->info() : task_info();
            return detail::spinning(who, detail::task_text(who.task, info.name), info.created_at);
        });
    });
    try {
        look_at_population(*core);
        look_for_stuck_tasks(*core, steps.size());
    } catch (...) {
        log_->count_dropped();  // no memory
    }
}

void lints::look_for_stuck_tasks(const coroscope::detail::loop_core& core, std::size_t steps) {
    if (!wants(lint_rule::never_resumable)) { return; }
    watches_->stuck.look(core, steps, [&](const stuck_task& found) {
        const auto& site = found.waits_at;
        tell(lint_rule::never_resumable, key_of(lint_rule::never_resumable, site),
             [&] { return detail::never_resumable(found.task, site, found.why); });
    });
}

void lints::look_at_population(const coroscope::detail::loop_core& core) {
    const auto tasks = core.task_count.load(std::memory_order_relaxed);
    if (wants(lint_rule::task_growth) && watches_->tasks.is_due(tasks)) {
        const auto found = largest_crowd_of_tasks(core);
        if (watches_->tasks.looked(tasks, found.size)) {
            tell(lint_rule::task_growth, key_of(lint_rule::task_growth, found.site), [&] {
                return detail::task_growth(found.site, found.size, tasks, found.waits_at);
            });
        }
    }
    const auto timers = core.timers.size();
    if (wants(lint_rule::timer_flood) && watches_->timers.is_due(timers)) {
        const auto found = largest_crowd_of_timers(core);
        if (watches_->timers.looked(timers, found.size)) {
            tell(lint_rule::timer_flood, key_of(lint_rule::timer_flood, found.site),
                 [&] { return detail::timer_flood(found.site, found.size, timers); });
        }
    }
}

void lints::on_task_woken(const task_info& task) noexcept {
    if (running_task(task.id) == nullptr) { watches_->spins.woken(task.id); }
}

void lints::on_edge(edge_kind kind, std::uint64_t, std::uint64_t to) noexcept {
    const auto* core = coroscope::detail::running_loop;
    if (kind != edge_kind::post || core == nullptr || core->current != nullptr) { return; }
    if (const auto* by = core->callback.get(); by != nullptr) {
        watches_->spins.reposted(to, by->created_at);
    }
}

void lints::on_remark(const remark& made) noexcept {
    using enum lint_rule;
    const auto code = reinterpret_cast<std::uintptr_t>(made.code);
    switch (made.kind) {
    case remark_kind::never_awaited:
        tell(never_awaited, key_of(never_awaited, code ^ (identity_of(made.site) << 1U)),
             [&] { return detail::never_awaited(made, position_of_code(made.code)); });
        break;
    case remark_kind::destroyed_pending:
        tell(destroyed_pending, key_of(destroyed_pending, made.created_at),
             [&] { return detail::destroyed_pending(made); });
        break;
    case remark_kind::lost_exception:
        tell(lost_exception, key_of(lost_exception, made.created_at),
             [&] { return detail::lost_exception(made); });
        break;
    case remark_kind::wrong_thread:
        tell(wrong_thread, key_of(wrong_thread, reinterpret_cast<std::uintptr_t>(made.what)),
             [&] { return detail::wrong_thread(made); });
        break;
    case remark_kind::nothing_there:
        if (made.task_id != 0 && watches_->spins.tried(made.task_id, stamp_of_step())) {
            tell(busy_loop, key_of(busy_loop, made.site),
                 [&] { return detail::failed_attempts(made, options_.attempts); });
        }
        break;
    case remark_kind::end_again:
        if (made.amount == options_.attempts) {
            tell(busy_loop, key_of(busy_loop, made.site), [&] { return detail::reads_on(made); });
        }
        break;
    case remark_kind::passed_through:
        if (std::string_view(made.what) == "stream::drain") {
            watches_->spins.woken(made.task_id);
            break;
        }
        if (const auto step = stamp_of_step();
            step != 0 && watches_->passages.passed(made.site, step)) {
            tell(never_yields, key_of(never_yields, made.site),
                 [&] { return detail::never_yields(made, options_.passages); });
        }
        break;
    case remark_kind::lock_held:
        tell(mutex_across_suspension, key_of(mutex_across_suspension, made.site),
             [&] { return detail::mutex_across_suspension(made, position_of_code(made.code)); });
        break;
    case remark_kind::large_block:
        if (made.amount >= options_.frame_bytes) {
            tell(huge_frame, key_of(huge_frame, made.site),
                 [&] { return detail::huge_frame(made); });
        }
        break;
    }
}

void lints::note_slow_step(const report::slow_step& step) {
    if (!step.cause || step.cause->verdict != report::step_verdict::blocked) { return; }
    const auto& system_call = step.cause->system_call;
    if (!detail::blocks(step, system_call)) { return; }
    const auto made = detail::blocking_call(step, system_call);
    const auto key = std::hash<std::string>()(made.fingerprint);
    tell(lint_rule::blocking_call, key_of(lint_rule::blocking_call, key), [&] { return made; });
}

}  // namespace coroscope::instrumentation
