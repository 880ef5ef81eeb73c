// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace coroscope::testkit::detail {

/// What one execution uses, by where it came from, which is the same in every execution with the
/// same beginning; addresses are not.
struct thing_name {
    enum class home : std::uint8_t {
        fixed,    ///< older than the exploration: its address is its name
        born,     ///< in a frame, task, callback or future: their birth, and where in them
        touched,  ///< anywhere else: the first use
        unknown,  ///< of a part of something else, or of more than it
    };
    home where = home::unknown;
    std::uint32_t step = 0;    ///< of the birth or the first use, from 1; 0: before all
    std::uint32_t number = 0;  ///< among the births and first uses of that step
    std::uintptr_t begin = 0;  ///< from the home's begin
    std::size_t bytes = 0;     ///< 0: a synchronisation object
};

/// Whether a thing that one execution used may be the one that another used, where the two have no
/// more in common than what came before the step `base` (from 1), and the steps that used them do
/// not depend on anything since then. Decision 50 says why.
[[nodiscard]] bool may_be_same(const thing_name& first, const thing_name& other,
                               std::uint32_t base) noexcept;

/// Names the things that an execution uses.
/// **Thread safety**: the thread that made it.
class used_things {
public:
    used_things();

    void begin() noexcept;
    void begin_of_life(std::uintptr_t begin, std::size_t bytes, std::uint32_t step);
    void end_of_life(std::uintptr_t begin, std::size_t bytes);
    /// On this thread's stack, in frames that the execution has called: gone before another step.
    [[nodiscard]] bool is_passing(std::uintptr_t address) const noexcept;
    /// Of what is used in `step`; it may be the first use.
    [[nodiscard]] thing_name name(std::uintptr_t begin, std::size_t bytes, std::uint32_t step);

private:
    struct birth {
        std::size_t bytes;
        std::uint32_t step;
        std::uint32_t number;
    };
    using births = std::map<std::uintptr_t, birth>;

    [[nodiscard]] static births::iterator first_overlap(births& of, std::uintptr_t begin,
                                                        std::size_t bytes);
    static void forget(births& of, std::uintptr_t begin, std::size_t bytes);
    [[nodiscard]] std::uint32_t next_number(std::uint32_t step) noexcept;

    births born_;
    births objects_;  ///< that synchronise, by their addresses
    births data_;
    std::uint32_t numbered_step_ = 0;
    std::uint32_t last_number_ = 0;
    std::uintptr_t stack_end_ = 0;
    std::uintptr_t older_ = 0;  ///< from there to the stack's end lies what called the exploration
};

}  // namespace coroscope::testkit::detail
