// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace coroscope::benchmarks {

/// Keeps the calling thread, whose work is to be measured, on the processor that is quickest now,
/// of those that the process may use: the one on which `cost`, a short piece of work of the kind
/// that is measured, costs least. The processors of a virtual machine differ by half while
/// somebody else uses the other half of a core. Does nothing where there is only one.
void pin_measured_thread(double (*cost)());
/// Keeps the calling thread, which loads what is measured, on the last of the other processors.
void pin_loading_thread() noexcept;

}  // namespace coroscope::benchmarks
