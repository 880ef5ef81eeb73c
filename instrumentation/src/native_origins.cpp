// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/native_origins.hpp>

#include "kept_stacks.hpp"
#include "symbolizer.hpp"

#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace coroscope::instrumentation {
namespace {

constexpr std::size_t most_frames = 64;
/// Calls between `create_task` and the observer, in builds where none of them is expanded.
constexpr std::size_t frames_of_the_runtime = 24;

const native_origin_options& checked(const native_origin_options& options) {
    if (options.frames == 0 || options.frames > most_frames || options.stacks == 0) {
        throw std::invalid_argument("native_origins keeps 1 to 64 frames of at least 1 stack, not "
                                    + std::to_string(options.frames) + " frames of "
                                    + std::to_string(options.stacks)
                                    + " stacks; see native_origin_options");
    }
    return options;
}

std::string_view last_part(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

/// The first frame of who created the task: where the call is, by its line or else its function.
/// Where neither is known, the first that is not called as the runtime's functions are.
std::size_t first_of_creator(const std::vector<report::stack_frame>& frames,
                             const await_site& call) {
    const auto function = call.line() != 0 ? function_name(call) : std::string();
    const auto found =
        std::find_if(frames.begin(), frames.end(), [&](const report::stack_frame& frame) {
            const bool is_line = frame.line != 0 && frame.line == call.line()
                                 && last_part(frame.file) == last_part(call.file_name());
            return is_line || (!function.empty() && frame.function == function);
        });
    const auto other =
        std::find_if(frames.begin(), frames.end(), [](const report::stack_frame& frame) {
            return !frame.function.starts_with("coroscope::");
        });
    const auto first = found != frames.end()   ? found
                       : other != frames.end() ? other
                                               : frames.begin();
    return static_cast<std::size_t>(first - frames.begin());
}

/// What of a stack is told: without the runtime's frames, and no more than was asked for.
void cut(report::stack& stack, const await_site& call, std::size_t most) {
    auto& frames = stack.frames;
    frames.erase(frames.begin(),
                 frames.begin() + static_cast<std::ptrdiff_t>(first_of_creator(frames, call)));
    std::size_t real = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        if (!frames[i].inlined && ++real == most && i + 1 < frames.size()) {
            frames.resize(i + 1);
            stack.truncated = true;
        }
    }
}

}  // namespace

struct native_origins::state {
    struct origin {
        detail::kept_stacks::index stack = 0;
        await_site call{};
    };

    explicit state(const native_origin_options& o)
        : options(o),
          stacks(o.stacks, o.frames + frames_of_the_runtime) {}

    native_origin_options options;
    mutable std::mutex mutex;
    std::uint32_t loop_id = 0;  ///< 0: none yet
    detail::kept_stacks stacks;
    std::unordered_map<std::uint64_t, origin> tasks;
    std::uint64_t dropped = 0;
};

native_origins::native_origins(native_origin_options options)
    : state_(std::make_unique<state>(checked(options))) {}

native_origins::~native_origins() = default;

void native_origins::attach_to(loop& l) {
    {
        const std::lock_guard lock(state_->mutex);
        if (state_->loop_id != 0) {
            throw std::logic_error("these native_origins were attached to loop "
                                   + std::to_string(state_->loop_id)
                                   + " already; make other ones for another loop");
        }
        state_->loop_id = l.id();
    }
    l.add_observer(*this);
}

std::optional<report::stack> native_origins::stack_of(std::uint32_t loop_id,
                                                      std::uint64_t task_id) const {
    detail::unwound_stack raw;
    await_site call{};
    {
        const std::lock_guard lock(state_->mutex);
        const auto found = state_->tasks.find(task_id);
        if (loop_id != state_->loop_id || found == state_->tasks.end()) { return std::nullopt; }
        call = found->second.call;
        raw.addresses = state_->stacks.addresses(found->second.stack);
        raw.truncated = state_->stacks.is_truncated(found->second.stack);
    }
    auto stack = detail::symbolizer::shared().name(raw);
    cut(stack, call, state_->options.frames);
    return stack;
}

std::size_t native_origins::tasks() const {
    const std::lock_guard lock(state_->mutex);
    return state_->tasks.size();
}

std::size_t native_origins::stacks() const {
    const std::lock_guard lock(state_->mutex);
    return state_->stacks.used();
}

std::uint64_t native_origins::dropped() const {
    const std::lock_guard lock(state_->mutex);
    return state_->dropped;
}

std::uint64_t native_origins::unwound() const {
    const std::lock_guard lock(state_->mutex);
    return state_->stacks.unwound();
}

[[gnu::noinline]] void native_origins::on_task_created(const task_info& task) noexcept {
    const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const std::lock_guard lock(state_->mutex);
    auto& tasks = state_->tasks;
    try {
        const auto place = tasks.try_emplace(task.id).first;
        const auto stack = state_->stacks.take(frame, task.created_at);
        if (stack) {
            place->second = {*stack, task.created_at};
            return;
        }
    } catch (const std::bad_alloc&) {
        // As if there were no room.
    }
    tasks.erase(task.id);
    ++state_->dropped;
}

void native_origins::on_task_finished(const task_info& task, task_outcome) noexcept {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->tasks.find(task.id);
    if (found == state_->tasks.end()) { return; }
    state_->stacks.give_back(found->second.stack);
    state_->tasks.erase(found);
}

}  // namespace coroscope::instrumentation
