// SPDX-License-Identifier: Apache-2.0
#include "table_inspector.hpp"

#include "detail_reader.hpp"
#include "record_reader.hpp"
#include "site_reader.hpp"
#include "table_layout.hpp"

#include <coroscope/runtime/task_table.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

namespace coroscope::profiler_server {
namespace {

using std::chrono::nanoseconds;

report::task_state state_of(std::string_view name) {
    using enum report::task_state;
    for (const auto state : {ready, running, waiting, done}) {
        if (report::to_string(state) == name) { return state; }
    }
    return unknown;
}

/// One table's tasks on their way to a report.
class table_inspector {
public:
    table_inspector(const address_space& space, const task_table_header& header,
                    const std::string& where)
        : layout_(header, where),
          records_(space, layout_, where),
          details_(space, layout_, records_),
          sites_(space, layout_) {
        all_ = records_.read_all();
        now_ = space.now(header.ticks_are_tsc != 0);
        if (now_ == 0) { now_ = newest_stamp(); }
        std::sort(all_.begin(), all_.end(), [](const raw_record& a, const raw_record& b) {
            return std::tie(a.loop_id, a.id) < std::tie(b.loop_id, b.id);
        });
    }

    void tell(const inspection_options& options, inspection& to) {
        const auto count = std::min(all_.size(), options.limit - to.list.tasks.size());
        to.list.omitted += all_.size() - count;
        std::vector<raw_record> told(all_.begin(),
                                     all_.begin() + static_cast<std::ptrdiff_t>(count));
        const auto details = details_.read(told, options.stacks);
        for (std::size_t i = 0; i < told.size(); ++i) {
            to.list.tasks.push_back(snapshot_of(told[i], details[i]));
        }
        if (const auto records = records_.unreadable(); records > 0) {
            to.notes.push_back(std::to_string(records)
                               + " records of the task table are not there; tasks may be missing");
        }
        if (sites_.unreadable() > 0) {
            to.notes.emplace_back(
                "some source lines are not there; where a core file leaves them "
                "out, they come from the program's own file: name it with --exe");
        }
    }

private:
    [[nodiscard]] std::uint64_t newest_stamp() const {
        std::uint64_t newest = 0;
        for (const auto& record : all_) {
            newest = std::max({newest, record.changed_at, record.woken_at});
        }
        return newest;
    }

    [[nodiscard]] nanoseconds duration_of(std::uint64_t ticks) const {
        constexpr double longest = 9.2e18;
        const auto d = static_cast<double>(ticks) * layout_.header.nanoseconds_per_tick;
        return nanoseconds(static_cast<std::int64_t>(std::min(d, longest)));
    }

    [[nodiscard]] static std::uint64_t between(std::uint64_t from, std::uint64_t to) {
        return to > from ? to - from : 0;
    }

    void tell_times(const raw_record& record, report::task_snapshot& task) const {
        task.busy = duration_of(record.busy_ticks);
        auto scheduled = record.scheduled_ticks;
        auto waiting = record.waiting_ticks;
        if (record.changed_at != 0 && task.state == report::task_state::waiting) {
            waiting += between(record.changed_at, now_);
            task.waiting_for = duration_of(between(record.changed_at, now_));
        } else if (record.changed_at != 0 && task.state == report::task_state::ready) {
            const auto ready = std::max(record.changed_at, record.woken_at);
            waiting += between(record.changed_at, ready);
            scheduled += between(ready, now_);
        }
        task.scheduled = duration_of(scheduled);
        task.waiting = duration_of(waiting);
    }

    void tell_memory(const raw_record& record, report::task_snapshot& task) const {
        if (!layout_.memory.is_known()) { return; }  // an older table
        task.allocations = task_record::memory_word::allocations(record.memory);
        task.frame_bytes = task_record::memory_word::frame_bytes(record.memory);
    }

    /// A task of the same loop, for people.
    [[nodiscard]] std::string name_of(const raw_record& from, std::uint64_t id) const {
        const std::pair key(from.loop_id, id);
        const auto found = std::lower_bound(
            all_.begin(), all_.end(), key,
            [](const raw_record& r, const auto& k) { return std::pair(r.loop_id, r.id) < k; });
        auto text = "task " + std::to_string(id);
        if (found != all_.end() && std::pair(found->loop_id, found->id) == key) {
            text += " '" + display_name(id, found->short_name()) + "'";
        }
        return text;
    }

    void tell_wait(const raw_record& record, const task_details& details,
                   report::task_snapshot& task) const {
        if (task.state != report::task_state::waiting) { return; }
        const auto kind = layout_.wait_kind_name(record.waits_for);
        task.wait_kind = kind.empty() ? "unknown" : kind;
        task.wait_object = kind == "task" ? name_of(record, record.wait_object)
                                          : report::wait_object_text(kind, record.wait_object);
        if (details.owner != 0) { task.wait_owner = name_of(record, details.owner); }
        const auto deadline = static_cast<std::int64_t>(record.wait_detail);
        if (kind == "sleep" && deadline >= 0) { task.wait_deadline = nanoseconds(deadline); }
    }

    void tell_stack(const task_details& details, report::task_snapshot& task) {
        if (!details.is_walked) { return; }
        report::stack stack;
        for (const auto address : details.sites) {
            const auto& site = sites_.site(address);
            report::stack_frame frame;
            frame.function = site.empty() ? "?" : site.function;
            frame.file = site.file;
            frame.line = site.line;
            stack.frames.push_back(std::move(frame));
        }
        stack.truncated = details.is_truncated;
        task.async_stack = std::move(stack);
    }

    [[nodiscard]] report::task_snapshot snapshot_of(const raw_record& record,
                                                    const task_details& details) {
        report::task_snapshot task;
        task.id = record.id;
        task.loop_id = record.loop_id;
        task.parent_id = record.parent_id;
        task.name = display_name(record.id, details.long_name.empty()
                                                ? record.short_name()
                                                : std::string_view(details.long_name));
        task.state =
            record.runs ? report::task_state::running : state_of(layout_.state_name(record.state));
        task.steps = (record.sequence & layout_.header.sequence_steps_mask) / 2;
        task.await_site = sites_.site(record.site);
        auto origin = sites_.origin(record.origin);
        if (!origin.empty()) { task.created_at = origin.front(); }
        if (origin.size() > 1) { task.origin = std::move(origin); }
        tell_times(record, task);
        tell_memory(record, task);
        tell_wait(record, details, task);
        tell_stack(details, task);
        return task;
    }

    table_layout layout_;
    record_reader records_;
    detail_reader details_;
    site_reader sites_;
    std::vector<raw_record> all_;
    std::uint64_t now_ = 0;
};

}  // namespace

inspection inspect_tables(const address_space& space, const std::string& where,
                          const inspection_options& options) {
    inspection found;
    for (const auto& header : find_tables(space, where)) {
        table_inspector(space, header, where).tell(options, found);
    }
    return found;
}

}  // namespace coroscope::profiler_server
