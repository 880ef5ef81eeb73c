// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/loop_table.hpp>

#include "fork_safety.hpp"
#include "loop_registry.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>

#include <algorithm>
#include <array>
#include <mutex>

namespace coroscope {
namespace {

constexpr std::size_t ended_loops_kept = 16;

struct registry {
    std::mutex mutex;
    std::vector<const loop*> alive;
    std::array<loop_view, ended_loops_kept> ended{};
    std::size_t ended_count = 0;
};

registry& the_registry() {
    static auto* const instance = new registry;  // never destroyed: loops may be static
    return *instance;
}

loop_view view_of(const loop& l) noexcept {
    loop_view view;
    view.id = l.id();
    view.state = l.state();
    view.time = l.time();
    view.statistics = l.statistics();
    return view;
}

}  // namespace

std::vector<loop_view> read_loops() {
    auto& all = the_registry();
    std::vector<loop_view> views;
    {
        const std::lock_guard lock(all.mutex);
        const auto kept = std::min(all.ended_count, ended_loops_kept);
        views.assign(all.ended.begin(), all.ended.begin() + static_cast<std::ptrdiff_t>(kept));
        for (const auto* l : all.alive) {
            views.push_back(view_of(*l));
        }
    }
    std::sort(views.begin(), views.end(),
              [](const loop_view& a, const loop_view& b) { return a.id < b.id; });
    return views;
}

namespace detail {

void register_loop(const loop& l) {
    auto& all = the_registry();
    const std::lock_guard lock(all.mutex);
    all.alive.push_back(&l);
}

void unregister_loop(const loop& l) noexcept {
    auto& all = the_registry();
    const std::lock_guard lock(all.mutex);
    if (std::erase(all.alive, &l) == 0) { return; }  // a copy that a fork has made
    auto last = view_of(l);
    last.alive = false;
    all.ended[all.ended_count++ % ended_loops_kept] = last;
}

std::mutex& lock_of_loop_registry() noexcept {
    return the_registry().mutex;
}

void disown_loops() noexcept {
    auto& all = the_registry();  // locked
    for (const auto* l : all.alive) {
        l->core().is_copy = true;
    }
    all.alive.clear();
}

}  // namespace detail
}  // namespace coroscope
