// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace coroscope::instrumentation {

/// Has locks of threads (`std::mutex` and whatever else locks a `pthread_mutex_t`) watched on the
/// threads of loops from now on, for the rule `mutex_across_suspension` of `lints`.
///
/// In a component of its own, `coroscope::lock_watch`, since who links it has the process's
/// `pthread_mutex_lock` and its relatives replaced by ones that call those of the C library.
///
///     coroscope::instrumentation::watch_locks();
///     lints.attach_to(loop);
///
/// A lock that a step has taken and a later one gives back, or takes once more, was held while the
/// task was suspended: the loop's observers get `remark_kind::lock_held`. Locks that are waited
/// for with a deadline (`timed_mutex`), readers' locks and spin locks are not watched. Not built
/// for the thread sanitizer, which replaces the same functions.
///
/// **Thread safety**: any thread, at any time. **Cost**: two nanoseconds a lock or unlock, or five
/// on the thread of a running loop; at most 16 locks are known for each thread.
void watch_locks() noexcept;

}  // namespace coroscope::instrumentation
