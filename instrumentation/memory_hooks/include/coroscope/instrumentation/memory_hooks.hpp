// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace coroscope::instrumentation {

/// Has what the process allocates from now on told to a `memory_profiler`.
///
///     coroscope::instrumentation::hook_memory();
///     profiler.start();
///
/// What that is depends on what the program links, and `memory_profiler::hooked` says it:
///
/// - `coroscope::memory_hooks` links tcmalloc, which takes the place of the program's malloc, and
/// uses
///   its hooks: malloc, calloc, realloc, what C code allocates, exceptions that are thrown, and
///   `operator new`. A block that asks for an alignment counts with what that rounds it up to.
///   Where coroscope was built without gperftools it is the other one.
/// - `coroscope::operator_new_hooks` replaces `operator new` and `operator delete`, all of them, by
///   ones that call malloc, free and `aligned_alloc`. Calls of malloc are not seen. A program that
///   replaces the operators itself cannot link it.
///
/// A program links one of them, not both. `mmap` is seen by neither. They are not built for the
/// sanitizers, which replace the same functions.
///
/// **Thread safety**: any thread, at any time. **Cost**: while no profiler runs, one load for each
/// allocation and each free, or with tcmalloc some 6 ns for both.
void hook_memory() noexcept;

}  // namespace coroscope::instrumentation
