// SPDX-License-Identifier: Apache-2.0
#include "thread_job.hpp"

#include "thread_state.hpp"

namespace coroscope::instrumentation::detail {
namespace {

using coroscope::detail::access_listener;
using coroscope::detail::job_listener;
using coroscope::detail::this_stretch;

/// A callback that a job posts to its loop. The object by which it is ordered is itself.
class thread_post final : public coroscope::detail::followed_post {
public:
    thread_post(std::shared_ptr<thread_races> in, std::uint64_t from) : in_(std::move(in)) {
        in_->note_order(from, this, thread_order::release);
    }
    ~thread_post() override {
        if (in_->is_left_behind()) { return; }
        const coroscope::detail::own_accesses inside;
        in_->forget(this, 1);
    }
    thread_post(const thread_post&) = delete;
    thread_post& operator=(const thread_post&) = delete;

    void deliver() noexcept override {
        if (in_->is_left_behind()) { return; }
        const coroscope::detail::own_accesses inside;
        try {
            if (in_->is_loop_thread()) {
                in_->note_order(thread_races::loop_unit, this, thread_order::acquire);
            }
        } catch (...) { in_->log().count_dropped(); }
    }

private:
    std::shared_ptr<thread_races> in_;
};

}  // namespace

thread_job::~thread_job() {
    guarded([&] {
        if (is_thread_ && is_apart_ && !is_delivered_) {
            in_->leave_job(unit_);
        } else {
            in_->end_job(unit_, false);
        }
        in_->forget(this, 1);  // by which it is ordered
    });
}

// What lies below on its stack, and, in a thread that has just begun, whatever is its own, lay on
// that of a thread which has ended.
void thread_job::begin_in_new_thread(std::uintptr_t frame) noexcept {
    static thread_local bool is_known = false;
    if (std::exchange(is_known, true) || !coroscope::detail::single_accesses_are_told()) { return; }
    const auto stack = own_stack();
    const auto end = is_thread_ ? stack.high : frame;
    coroscope::detail::block_listener->on_end_of_life(reinterpret_cast<const void*>(stack.low),
                                                      end - stack.low);  // NOLINT
}

// What it is part of may have begun before the job was given away; it gives the result back.
[[gnu::noinline]] void thread_job::begin() noexcept {
    auto* const around = dynamic_cast<thread_job*>(job_listener);
    const bool is_within = around != nullptr && around->in_ == in_;
    is_apart_ = !is_within && !in_->is_loop_thread();
    if (is_within) {
        guarded([&] {
            in_->note_order(unit_, this, thread_order::release);
            in_->note_order(around->unit_, this, thread_order::acquire);
        });
    }
    if (!is_apart_) { return; }
    outer_accesses_ = std::exchange(access_listener, this);
    outer_annotations_ = std::exchange(annotation_listener, this);
    outer_follower_ = std::exchange(job_listener, this);
    outer_segment_ = std::exchange(current_segment, 0);
    outer_stretch_ = this_stretch;
    const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    begin_in_new_thread(frame);
    guarded([&] { in_->enter_thread(unit_); });
    coroscope::detail::begin_stretch();
    // What the caller calls next, as the next job in this thread. Above are the thread's own
    // variables, which others may see.
    constexpr auto end_of_frame = 2 * sizeof(void*);
    if (this_stretch.number != 0) { this_stretch.own_stack = frame + end_of_frame; }
}

void thread_job::end() noexcept {
    if (!is_apart_) { return; }
    this_stretch = outer_stretch_;
    access_listener = outer_accesses_;
    annotation_listener = outer_annotations_;
    job_listener = outer_follower_;
    current_segment = outer_segment_;
    guarded([&] {
        in_->leave_thread(unit_);
        in_->note_order(unit_, this, thread_order::release);
    });
}

// A thread may be joined by another one than the loop's.
void thread_job::deliver() noexcept {
    is_delivered_ = true;
    if (!in_->is_loop_thread() && job_listener != nullptr) { job_listener->note_taken(this); }
    guarded([&] { in_->end_job(unit_, in_->is_loop_thread()); });
}

std::shared_ptr<coroscope::detail::followed_job> thread_job::begin_job(
    std::string_view kind, await_site created_at) noexcept {
    std::shared_ptr<thread_job> begun;
    guarded([&] {
        const auto unit = in_->begin_job_of(unit_, kind, created_at);
        if (unit != 0) { begun = std::make_shared<thread_job>(in_, unit, kind == thread_kind); }
    });
    coroscope::detail::renew_stretch();
    return begun;
}

std::shared_ptr<coroscope::detail::followed_post> thread_job::post() noexcept {
    std::shared_ptr<coroscope::detail::followed_post> made;
    guarded([&] { made = std::make_shared<thread_post>(in_, unit_); });
    coroscope::detail::renew_stretch();
    return made;
}

void thread_job::note_given(const void* object) noexcept {
    on_thread_order(object, thread_order::release);
}

void thread_job::note_taken(const void* object) noexcept {
    on_thread_order(object, thread_order::acquire);
}

void thread_job::on_access(const coroscope::detail::access& made) noexcept {
    if (outer_accesses_ != nullptr) { outer_accesses_->on_access(made); }
    if (made.bytes == 0 || made.code == nullptr) { return; }
    guarded([&] { in_->note(unit_, made); });
}

void thread_job::on_begin_of_life(const void* begin, std::size_t bytes) noexcept {
    if (outer_accesses_ != nullptr) { outer_accesses_->on_begin_of_life(begin, bytes); }
}

void thread_job::on_end_of_life(const void* begin, std::size_t bytes) noexcept {
    if (outer_accesses_ != nullptr) { outer_accesses_->on_end_of_life(begin, bytes); }
    guarded([&] { in_->forget_in_thread(begin, bytes); });
}

std::uint64_t thread_job::on_annotated_access(const annotated_access& made) noexcept {
    pass_on([&](auto& outer) { static_cast<void>(outer.on_annotated_access(made)); });
    std::uint64_t segment = 0;
    guarded([&] { segment = in_->note(unit_, made); });
    return segment;
}

void thread_job::on_cell_gone(const variable_cell& cell) noexcept {
    pass_on([&](auto& outer) { outer.on_cell_gone(cell); });
}

void thread_job::on_value_used(const provenance& from, value_use how) noexcept {
    pass_on([&](auto& outer) { outer.on_value_used(from, how); });
    guarded([&] { in_->note_value_used(from, how); });
}

void thread_job::on_group(const void* group, const variable_label& label,
                          std::span<const void* const> members) noexcept {
    pass_on([&](auto& outer) { outer.on_group(group, label, members); });
}

void thread_job::on_group_gone(const void* group) noexcept {
    pass_on([&](auto& outer) { outer.on_group_gone(group); });
}

void thread_job::on_benign(const char* reason) noexcept {
    pass_on([&](auto& outer) { outer.on_benign(reason); });
    guarded([&] { in_->note_benign(unit_, reason); });
    coroscope::detail::renew_stretch();
}

void thread_job::on_life(const void* object, const variable_label& label, life_event what,
                         await_site where) noexcept {
    pass_on([&](auto& outer) { outer.on_life(object, label, what, where); });
}

void thread_job::on_claim(const void* object, await_site where) noexcept {
    pass_on([&](auto& outer) { outer.on_claim(object, where); });
}

void thread_job::on_breach(const breach& made) noexcept {
    pass_on([&](auto& outer) { outer.on_breach(made); });
}

void thread_job::on_thread_lock(const void* mutex, thread_lock how, await_site where) noexcept {
    pass_on([&](auto& outer) { outer.on_thread_lock(mutex, how, where); });
    bool is_other = false;
    guarded([&] { is_other = in_->note_lock(unit_, mutex, how, where); });
    if (is_other) { coroscope::detail::renew_stretch(); }
}

void thread_job::on_thread_order(const void* object, thread_order how) noexcept {
    pass_on([&](auto& outer) { outer.on_thread_order(object, how); });
    guarded([&] { in_->note_order(unit_, object, how); });
    if (gives_order(how)) { coroscope::detail::renew_stretch(); }
}

void thread_job::on_stack_access(const coroscope::detail::access& made) noexcept {
    pass_on([&](auto& outer) { outer.on_stack_access(made); });
    guarded([&] { in_->note(unit_, made); });
}

}  // namespace coroscope::instrumentation::detail
