// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace coroscope::instrumentation {

/// The memory, in bytes, in which the unannotated mode of race detection remembers what was
/// accessed: eight for each eight that were, in pages of 4 KiB. At most 1 GiB: then all is
/// forgotten, which costs time and nothing else.
///
/// A program has that mode that was given to the CMake function `coroscope_detect_races`: each
/// access to memory that tasks may share is told to a `race_detector`. **Thread safety**: any
/// thread.
[[nodiscard]] std::size_t race_shadow_bytes() noexcept;

}  // namespace coroscope::instrumentation
