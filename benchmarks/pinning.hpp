// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace coroscope::benchmarks {

/// Keeps the calling thread on the first processor that the process may use (what is measured), or
/// on the last (what loads it). Does nothing where there is only one.
void pin_measured_thread() noexcept;
void pin_loading_thread() noexcept;

}  // namespace coroscope::benchmarks
