// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/histogram_recorder.hpp>
#include <coroscope/report/latency_table.hpp>
#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace coroscope::instrumentation {

/// What the tasks have in common that are counted in one row.
struct row_key {
    enum class kind : std::uint8_t {
        coroutine,   ///< `place` lies in the function that they run
        created_at,  ///< `place` is the call that created them; they came to no co_await
        callbacks,
        other,
    };
    kind what = kind::other;
    bool is_named = true;  ///< false: under `(other)` by name
    const void* place_id = nullptr;
    await_site place{};
    std::string_view name;
};

/// The histograms of the tasks with one coroutine and one name. Filled by the loop's thread.
struct histogram_row {
    histogram_row(const row_key& k, std::string n) : name(std::move(n)), key(k) { key.name = name; }

    std::string name;
    row_key key;
    report::histogram_recorder steps;
    report::histogram_recorder delays;
    report::histogram_recorder waits;

    [[nodiscard]] std::string coroutine_text() const;
    [[nodiscard]] std::string name_text() const;
};

[[nodiscard]] std::string text_of_coroutine(const row_key& key);
[[nodiscard]] row_key key_of_coroutine(await_site in_root);
[[nodiscard]] row_key key_of_creation(await_site call);

/// Which row a task's durations go to: found by the task's id while it is alive, by what it is
/// called when it is seen for the first time. Rows are never removed, so that others may read them.
/// All but `size` and `at` on the loop's thread alone.
class histogram_rows {
public:
    histogram_rows(std::size_t max_coroutines, std::size_t max_names);

    /// `innermost`: of the task's frames.
    [[nodiscard]] histogram_row& row_of(const coroscope::detail::task_core& task,
                                        const coroscope::detail::frame_base& innermost) noexcept {
        const auto& record = task.record();
        const auto id = record.id.load(std::memory_order_relaxed);
        const auto& known = slots_[id & mask_];
        if (known.id == id && known.renames == renames_of(record)) [[likely]] { return *known.row; }
        return look_up(task, innermost);
    }
    void forget(std::uint64_t id) noexcept {
        auto& known = slots_[id & mask_];
        if (known.id == id) { known.id = 0; }
    }
    [[nodiscard]] histogram_row& callbacks() noexcept { return *rows_[1]; }
    /// Whether the row is shared by what there was no room for.
    [[nodiscard]] static bool is_other(const histogram_row& row) noexcept {
        return row.key.what == row_key::kind::other || !row.key.is_named;
    }

    [[nodiscard]] std::size_t size() const noexcept {
        return size_.load(std::memory_order_acquire);
    }
    [[nodiscard]] const histogram_row& at(std::size_t i) const noexcept { return *rows_[i]; }

private:
    struct slot {
        std::uint64_t id = 0;
        std::uint64_t renames = 0;
        histogram_row* row = nullptr;
    };
    struct before {
        using is_transparent = void;
        template <class A, class B>
        bool operator()(const A& a, const B& b) const noexcept {
            return std::tie(a.what, a.place_id, a.is_named, a.name)
                   < std::tie(b.what, b.place_id, b.is_named, b.name);
        }
    };

    [[nodiscard]] static std::uint64_t renames_of(const task_record& record) noexcept {
        return record.sequence.load(std::memory_order_relaxed) / task_record::renamed;
    }
    [[gnu::noinline]] histogram_row& look_up(
        const coroscope::detail::task_core& task,
        const coroscope::detail::frame_base& innermost) noexcept;
    [[nodiscard]] histogram_row& find_or_make(row_key key);
    [[nodiscard]] histogram_row& make(const row_key& key);
    void grow_slots(std::size_t tasks);

    const std::size_t max_coroutines_;
    const std::size_t max_names_;
    std::size_t coroutines_ = 0;
    std::size_t names_ = 0;
    std::vector<std::unique_ptr<histogram_row>> rows_;  // has room for all from the beginning
    std::atomic<std::size_t> size_{0};
    std::map<row_key, histogram_row*, before> index_;
    std::vector<slot> slots_;
    std::uint64_t mask_;
    std::size_t evictions_ = 0;
};

}  // namespace coroscope::instrumentation
