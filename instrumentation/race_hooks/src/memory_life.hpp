// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>

namespace coroscope::instrumentation::detail {

/// A block begins or ends its life: what was known of its bytes is forgotten, and who listens is
/// told so if it was told of them before.
void end_life(const void* block, std::size_t bytes) noexcept;

/// Of the frames and task records that the runtime allocates itself. What a frame begins with is
/// the library's, and hidden.
class block_lives final : public coroscope::detail::life_sink {
public:
    void on_end_of_life(const void* block, std::size_t bytes) noexcept override;
    void on_begin_of_life(const void* frame, std::size_t bytes) noexcept override;
};
extern constinit block_lives lives_of_blocks;

}  // namespace coroscope::instrumentation::detail
