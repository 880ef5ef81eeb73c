// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace coroscope::instrumentation {

/// What the unannotated mode of race detection takes: a target that was given to the CMake function
/// `coroscope_detect_races` has each access to memory that may be shared told to a detector.
///
/// Memory that is remembered to be accessed, in bytes: an eighth of it for each, rounded up to
/// pages of 4 KiB, so as many bytes again where a program uses all of its pages. At most 1 GiB:
/// then all is forgotten, which costs time and nothing else. **Thread safety**: any thread.
[[nodiscard]] std::size_t race_shadow_bytes() noexcept;

}  // namespace coroscope::instrumentation
