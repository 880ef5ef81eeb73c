// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/wait_profiler.hpp>

#include <coroscope/instrumentation/snapshots.hpp>

#include "pause.hpp"
#include "wait_table.hpp"

#include <coroscope/runtime/detail/pause_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <string>

namespace coroscope::instrumentation {

namespace {

constexpr std::size_t most_sites = 64;

// Mixes one site's address into a key; the multiplier is odd and has no pattern.
[[nodiscard]] std::uint64_t mixed(std::uint64_t key, std::uint64_t with) noexcept {
    key = (key ^ with) * 0x9e3779b97f4a7c15U;
    return key ^ key >> 29U;
}

report::stack_frame wait_frame(wait_kind kind, bool has_begun) {
    report::stack_frame frame;
    frame.function = kind != wait_kind::nothing ? '[' + std::string(to_string(kind)) + ']'
                     : has_begun                ? "[yield]"
                                                : "[first step]";
    return frame;
}

report::stack stack_of(std::span<const await_site> sites, wait_kind kind, bool has_begun) {
    report::stack stack;
    stack.frames.push_back(wait_frame(kind, has_begun));
    for (const auto& site : sites) {
        stack.frames.push_back(to_frame(site));
    }
    return stack;
}

std::int64_t nanoseconds_in(std::uint64_t ticks) {
    return step_clock::between(0, ticks).count();
}

}  // namespace

class wait_profiler::recorder : coroscope::detail::pause_sink {
public:
    recorder(loop& watched, std::size_t capacity)
        : pause_sink{.note = &recorder::note_pause},
          core_(watched.core()),
          loop_id_(watched.id()),
          table_(capacity) {
        core_.add_reference();
        watched.add_pause_sink(*this);
    }
    ~recorder() = default;
    recorder(const recorder&) = delete;
    recorder& operator=(const recorder&) = delete;

    /// On the loop's thread, like the constructor; later there is only what was seen so far.
    void detach() {
        if (core_.self != nullptr) { core_.self->remove_pause_sink(*this); }
        core_.release();
        detached_at_ = step_clock::now();
    }

    [[nodiscard]] report::profile read() const {
        const auto detached_at = detached_at_.load();
        report::profile_builder builder(
            "wait", {{"waits", "count"}, {"scheduled", "nanoseconds"}, {"waiting", "nanoseconds"}});
        add_ended(builder);
        if (detached_at == 0) { add_unended(builder); }
        auto profile = builder.take();
        profile.duration =
            step_clock::between(attached_at_, detached_at == 0 ? step_clock::now() : detached_at);
        profile.dropped = table_.dropped();
        return profile;
    }

private:
    static void note_pause(pause_sink& self, const coroscope::detail::task_core& task,
                           std::uint64_t now) noexcept {
        static_cast<recorder&>(self).note(task, now);
    }

    void note(const coroscope::detail::task_core& task, std::uint64_t now) noexcept {
        const bool has_begun = has_site(*task.top);
        const auto ended = pause_of(task.record(), has_begun, attached_at_, now);
        auto key = mixed(0, static_cast<std::uint64_t>(ended.kind) + 1);
        if (!has_begun) {
            key = mixed(key, std::bit_cast<std::uint64_t>(
                                 task.record().origin.load(std::memory_order_relaxed).call()));
        } else {
            for (const auto* frame = task.top; frame != nullptr; frame = frame->parent) {
                key = mixed(key, std::bit_cast<std::uint64_t>(frame->site));
            }
        }
        if (key == 0) { key = 1; }
        auto* entry = table_.find(key);
        if (entry == nullptr
            || (entry->key.load(std::memory_order_relaxed) == 0
                && !open(*entry, key, task, ended.kind))) [[unlikely]] {
            table_.drop();
            return;
        }
        wait_table::add(*entry, ended.waiting, ended.scheduled);
    }

    [[gnu::cold, gnu::noinline]] bool open(wait_sums& entry, std::uint64_t key,
                                           const coroscope::detail::task_core& task,
                                           wait_kind kind) noexcept {
        std::array<await_site, most_sites> sites;
        std::size_t count = 0;
        const bool has_begun = has_site(*task.top);
        const auto* frame = task.top;
        for (; has_begun && frame != nullptr && count < most_sites; frame = frame->parent) {
            sites[count++] = frame->site;
        }
        if (!has_begun) { sites[count++] = task.record().origin.load().call(); }
        return table_.open(entry, key, {sites.data(), count}, kind, has_begun,
                           has_begun && frame != nullptr);
    }

    void add_ended(report::profile_builder& to) const {
        for (const auto& entry : table_.entries()) {
            if (entry.key.load(std::memory_order_acquire) == 0) { continue; }
            auto stack =
                stack_of({entry.sites.get(), entry.site_count}, entry.kind, entry.has_begun);
            stack.truncated = entry.truncated;
            to.add(stack, "",
                   {static_cast<std::int64_t>(entry.waits.load()),
                    nanoseconds_in(entry.scheduled_ticks.load()),
                    nanoseconds_in(entry.waiting_ticks.load())});
        }
    }

    void add_unended(report::profile_builder& to) const {
        for (const auto& task : read_tasks(loop_id_)) {
            if (task.state != task_state::waiting && task.state != task_state::ready) { continue; }
            const auto now = step_clock::now();
            const auto all = std::min(task.since_change, step_clock::between(attached_at_, now));
            auto scheduled = duration(0);
            auto kind = task.waits_for;
            const bool has_begun = task.steps > 0;
            if (task.state == task_state::ready) {
                const auto woken = has_begun ? task.record->woken_at.load() : 0;
                scheduled = std::min(all, step_clock::between(woken, now));
                if (scheduled == all) { kind = wait_kind::nothing; }
            }
            auto sites = read_task_stack(task);
            if (!has_begun) { sites.assign(1, task.created_at); }
            auto stack = stack_of(std::span(sites).first(std::min(sites.size(), most_sites)), kind,
                                  has_begun);
            stack.truncated = sites.size() > most_sites;
            to.add(stack, "", {1, scheduled.count(), (all - scheduled).count()});
        }
    }

    coroscope::detail::loop_core& core_;
    const std::uint32_t loop_id_;
    const std::uint64_t attached_at_ = step_clock::now();
    std::atomic<std::uint64_t> detached_at_{0};  // 0: it is not
    wait_table table_;
};

wait_profiler::wait_profiler(loop& watched, const wait_profiler_options& options)
    : recorder_(std::make_shared<recorder>(watched, options.capacity)) {}

wait_profiler::~wait_profiler() {
    recorder_->detach();
}

report::profile wait_profiler::read() const {
    return recorder_->read();
}

std::function<report::profile()> wait_profiler::reader() const {
    return [seen = std::shared_ptr<const recorder>(recorder_)] {
        return seen->read();
    };
}

}  // namespace coroscope::instrumentation
