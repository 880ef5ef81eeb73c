// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace coroscope::instrumentation {

/// Has what the process allocates from now on told to a `memory_profiler`.
///
/// In a component of its own, `coroscope::memory_hooks`, since who links it has the program's
/// `operator new` and `operator delete` replaced, all of them, by ones that call malloc, free and
/// `aligned_alloc`. A program that replaces them itself cannot link it.
///
///     coroscope::instrumentation::hook_memory();
///     profiler.start();
///
/// Not seen: `malloc` and its relatives where they are called directly (C libraries, the exceptions
/// that are thrown), and `mmap`. Not built for the sanitizers, which replace the same functions.
///
/// **Thread safety**: any thread, at any time. **Cost**: one load for each allocation and each free
/// while no profiler runs.
void hook_memory() noexcept;

}  // namespace coroscope::instrumentation
