// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/flight_recorder.hpp>

#include "crash_dumps.hpp"
#include "flight_ring.hpp"
#include "flight_trace.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/step_batch.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace coroscope::instrumentation {

using coroscope::detail::tick_clock;

namespace {

constexpr std::size_t letters_in_event = 24;
constexpr std::size_t most_name_events = 4;
constexpr std::uint64_t ticks_before_end = 8;  // more than a nanosecond, as traces are written

[[nodiscard]] std::uint8_t name_events(std::string_view name) noexcept {
    const auto needed = (name.size() + letters_in_event - 1) / letters_in_event;
    return static_cast<std::uint8_t>(std::min(needed, most_name_events));
}

/// The first of what is left of a name, as words.
[[nodiscard]] flight_event name_event(std::string_view rest) noexcept {
    std::array<std::uint64_t, 3> words{};
    std::memcpy(words.data(), rest.data(), std::min(rest.size(), letters_in_event));
    return {words[0], flight_event::header_of(flight_kind::name, 0, 0), words[1], words[2]};
}

void record_with_name(flight_ring& ring, const flight_event& e, std::string_view name) noexcept {
    const auto parts = e.detail();
    ring.reserve(parts + 1U);
    ring.put(e);
    for (std::size_t i = 0; i < parts; ++i) {
        ring.put(name_event(name.substr(i * letters_in_event)));
    }
    ring.publish();
}

/// The id of the task that runs now; 0: none does.
[[nodiscard]] std::uint64_t running_task() noexcept {
    const auto* loop = coroscope::detail::running_loop;
    const auto* task = loop != nullptr ? loop->current.get() : nullptr;
    return task != nullptr ? task->id() : 0;
}

/// What came, and 1 more; 0 for what had come before it was waited for: only a turn was left then.
[[nodiscard]] std::uint64_t wake_word(const task_info& task, std::uint64_t by) noexcept {
    return by == task.id ? 0 : std::uint64_t{1} + static_cast<std::uint64_t>(task.waits_for);
}

}  // namespace

flight_recorder::flight_recorder(flight_recorder_options options)
    : ring_(std::make_unique<flight_ring>(options.capacity)),
      space_(std::make_unique<unsent_steps::space>()),
      signal_space_(space_.get()) {}

flight_recorder::~flight_recorder() {
    forget_crash_dumps(*this);
}

void flight_recorder::on_steps(std::span<const step_record> steps) noexcept {
    ring_->reserve(steps.size());
    for (const auto& step : steps) {
        ring_->put(pack(step));
    }
    ring_->publish();
    last_id_ = steps.back().id;
    // Still inside of the step, so that an arrow from there begins in its slice.
    last_ended_ = std::max(steps.back().begin, steps.back().end - ticks_before_end);
}

/// What a task does by ending comes after its last step, and is shown at the end of it.
std::uint64_t flight_recorder::stamp_of_end(std::uint64_t id) const noexcept {
    return id == last_id_ ? last_ended_ : tick_clock::now();
}

void flight_recorder::on_task_created(const task_info& task) noexcept {
    const auto header =
        flight_event::header_of(flight_kind::spawn, name_events(task.name), task.id);
    record_with_name(*ring_, {tick_clock::now(), header, bits_of(task.created_at), task.parent_id},
                     task.name);
}

void flight_recorder::on_task_finished(const task_info& task, task_outcome outcome) noexcept {
    const auto header = flight_event::header_of(flight_kind::end, name_events(task.name), task.id);
    const flight_event e{stamp_of_end(task.id), header, static_cast<std::uint64_t>(outcome), 0};
    record_with_name(*ring_, e, task.name);
}

void flight_recorder::on_task_woken(const task_info& task) noexcept {
    const auto by = running_task();
    const auto what = wake_word(task, by);
    if (std::exchange(woken_by_edge_, 0) == task.id && ring_->end() == edge_ends_at_) {
        ring_->amend_last(what);
        return;
    }
    const auto header = flight_event::header_of(flight_kind::woken, 0, task.id);
    record_with_name(*ring_, {tick_clock::now(), header, by, what}, {});
}

void flight_recorder::on_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept {
    if (kind == edge_kind::spawn) { return; }  // `on_task_created` tells more
    woken_by_edge_ = kind == edge_kind::post ? 0 : to;
    const auto header =
        flight_event::header_of(flight_kind::edge, static_cast<std::uint8_t>(kind), to);
    ring_->reserve(1);
    const auto stamp = kind == edge_kind::join ? stamp_of_end(from) : tick_clock::now();
    ring_->put({stamp, header, from, 0});
    ring_->publish();
    edge_ends_at_ = ring_->end();
}

void flight_recorder::on_slow_threshold(duration /*threshold*/) noexcept {
    const auto* running = coroscope::detail::running_loop;
    if (running == nullptr || loop_id_.load(std::memory_order_relaxed) == running->id) { return; }
    try {
        batches_.push_back(running->unsent_steps);
        unsent_.store(batches_.back().get(), std::memory_order_release);
    } catch (...) { unsent_.store(nullptr, std::memory_order_release); }  // no memory
    loop_id_.store(running->id, std::memory_order_release);
}

std::size_t flight_recorder::capacity() const noexcept {
    return ring_->capacity();
}

std::uint64_t flight_recorder::recorded() const noexcept {
    return ring_->end();
}

std::uint64_t flight_recorder::overwritten() const noexcept {
    return ring_->begin();
}

void flight_recorder::write(trace_sink& to) const {
    const auto space = std::make_unique<unsent_steps::space>();
    const unsent_steps unsent(unsent_.load(std::memory_order_acquire), space.get());
    // The loop would overwrite the ring many times while the text is being made.
    const flight_ring copy(flight_ring::copy_tag{}, *ring_);
    flight_trace(copy, unsent, loop_id_.load(std::memory_order_acquire), to).write();
}

std::string flight_recorder::dump() const {
    string_sink text;
    write(text);
    return std::move(text.text_);
}

void flight_recorder::dump(const std::filesystem::path& file) const {
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot create the trace " + file.string());
    }
    descriptor_sink sink(descriptor);
    write(sink);
    ::close(descriptor);
    if (sink.error() != 0) {
        throw std::system_error(sink.error(), std::generic_category(),
                                "cannot write the trace " + file.string());
    }
}

bool flight_recorder::dump_from_signal(int descriptor) const noexcept {
    auto* space = signal_space_.exchange(nullptr);  // one at a time has it
    const unsent_steps unsent(unsent_.load(std::memory_order_acquire), space);
    descriptor_sink sink(descriptor);
    flight_trace(*ring_, unsent, loop_id_.load(std::memory_order_acquire), sink).write();
    if (space != nullptr) { signal_space_.store(space); }
    errno = sink.error() != 0 ? sink.error() : errno;
    return sink.error() == 0;
}

void flight_recorder::dump_on_crash(const std::filesystem::path& file) {
    add_crash_dump(*this, file);
}

}  // namespace coroscope::instrumentation
