// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/wait_profiler.hpp>

#include <coroscope/instrumentation/detail/allocation_feed.hpp>
#include <coroscope/instrumentation/snapshots.hpp>

#include "pause.hpp"
#include "wait_names.hpp"
#include "wait_table.hpp"

#include <coroscope/runtime/detail/pause_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <set>
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

report::stack stack_of(std::span<const await_site> sites, const wait_place& place) {
    report::stack stack;
    stack.frames.push_back(wait_frame(place.kind, place.has_begun));
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
    recorder(loop& watched, const wait_profiler_options& options)
        : pause_sink{.note = &recorder::note_pause, .labels_tasks = true},
          core_(watched.core()),
          loop_id_(watched.id()),
          table_(options.capacity),
          names_(options.names) {
        for (const auto* sink = core_.pauses; sink != nullptr; sink = sink->next) {
            if (!sink->labels_tasks) { continue; }
            throw invalid_state_error("loop " + std::to_string(loop_id_)
                                      + " has a wait profiler already; read that one, or destroy "
                                        "it first");
        }
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
    using task_core = coroscope::detail::task_core;

    static void note_pause(pause_sink& self, task_core& task, std::uint64_t now) noexcept {
        static_cast<recorder&>(self).note(task, now);
    }

    void note(task_core& task, std::uint64_t now) noexcept {
        const bool has_begun = has_site(*task.top);
        const auto ended = pause_of(task.record(), has_begun, attached_at_, now);
        if (task.pause_label == 0) [[unlikely]] {
            task.pause_label = names_.label_of(task.given_name());
        }
        const wait_place place{task.pause_label, ended.kind, has_begun};
        const auto key = key_of(task, place);
        auto* entry = table_.find(key);
        if (entry == nullptr || entry->key.load(std::memory_order_relaxed) == 0) [[unlikely]] {
            entry = opened(entry, key, task, place);
            if (entry == nullptr) {
                table_.drop();
                return;
            }
        }
        wait_table::add(*entry, ended.waiting, ended.scheduled);
    }

    [[gnu::always_inline]] static std::uint64_t key_of(const task_core& task,
                                                       const wait_place& place) noexcept {
        auto key =
            mixed(0, std::uint64_t{place.label} << 8U | static_cast<std::uint8_t>(place.kind));
        if (!place.has_begun) {
            key = mixed(key, std::bit_cast<std::uint64_t>(
                                 task.record().origin.load(std::memory_order_relaxed).call()));
        } else {
            for (const auto* frame = task.top; frame != nullptr; frame = frame->parent) {
                key = mixed(key, std::bit_cast<std::uint64_t>(frame->site));
            }
        }
        return key != 0 ? key : 1;
    }

    /// The entry of a wait that was not there at `free`. If there are so many that names have to be
    /// given up, the task is nobody from now on.
    [[gnu::cold, gnu::noinline]] wait_sums* opened(wait_sums* free, std::uint64_t key,
                                                   task_core& task, wait_place place) noexcept {
        const detail::unwatched_memory mine;
        if (place.label != wait_names::nobody && !table_.has_room_for_names()) {
            task.pause_label = place.label = wait_names::nobody;
            key = key_of(task, place);
            free = table_.find(key);
            if (free != nullptr && free->key.load(std::memory_order_relaxed) != 0) { return free; }
        }
        return free != nullptr && open(*free, key, task, place) ? free : nullptr;
    }

    bool open(wait_sums& entry, std::uint64_t key, const task_core& task,
              const wait_place& place) noexcept {
        std::array<await_site, most_sites> sites;
        std::size_t count = 0;
        const auto* frame = place.has_begun ? task.top : nullptr;
        for (; frame != nullptr && count < most_sites; frame = frame->parent) {
            sites[count++] = frame->site;
        }
        if (!place.has_begun) { sites[count++] = task.record().origin.load().call(); }
        return table_.open(entry, key, {sites.data(), count}, place, frame != nullptr);
    }

    void add_ended(report::profile_builder& to) const {
        for (const auto& entry : table_.entries()) {
            if (entry.key.load(std::memory_order_acquire) == 0) { continue; }
            auto stack = stack_of({entry.sites.get(), entry.site_count}, entry.place);
            stack.truncated = entry.truncated;
            to.add(stack, names_.name_of(entry.place.label),
                   {static_cast<std::int64_t>(entry.waits.load()),
                    nanoseconds_in(entry.scheduled_ticks.load()),
                    nanoseconds_in(entry.waiting_ticks.load())});
        }
    }

    void add_unended(report::profile_builder& to) const {
        auto names = names_.all();
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
            auto stack = stack_of(std::span(sites).first(std::min(sites.size(), most_sites)),
                                  {0, kind, has_begun});
            stack.truncated = sites.size() > most_sites;
            to.add(stack, kept_name(task, names),
                   {1, scheduled.count(), (all - scheduled).count()});
        }
    }

    /// Its name, if that is one of those told apart, or still may become one.
    [[nodiscard]] std::string kept_name(const task_view& task, std::set<std::string>& names) const {
        if (task.name == display_name(task.id, {})) { return {}; }
        if (names.size() < names_.most()) { names.insert(task.name); }
        return names.contains(task.name) ? task.name : std::string();
    }

    coroscope::detail::loop_core& core_;
    const std::uint32_t loop_id_;
    const std::uint64_t attached_at_ = step_clock::now();
    std::atomic<std::uint64_t> detached_at_{0};  // 0: it is not
    wait_table table_;
    wait_names names_;
};

wait_profiler::wait_profiler(loop& watched, const wait_profiler_options& options)
    : recorder_(std::make_shared<recorder>(watched, options)) {}

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
