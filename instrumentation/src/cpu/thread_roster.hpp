// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sample_ring.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace coroscope::instrumentation::detail {

/// How threads are sampled.
struct sampling_settings {
    int signal_number = 0;
    std::chrono::nanoseconds period{0};  ///< of CPU time
    std::size_t room = 0;                ///< samples of a thread that wait to be looked at
    std::size_t stack_bytes = 0;
};

/// One thread's samples.
struct thread_samples {
    explicit thread_samples(const sampling_settings& settings)
        : ring(settings.room, settings.stack_bytes) {}

    sample_ring ring;
    std::atomic<bool> has_ended{false};  ///< no more samples will come
};

/// Whoever is told of samples. Called with the roster locked.
class sample_collector {
public:
    virtual void add_thread(std::shared_ptr<thread_samples> samples) = 0;
    virtual void note(const std::string& trouble) = 0;

protected:
    ~sample_collector() = default;
};

/// Enters the calling thread into the list of those that are sampled; it leaves it when it ends. If
/// it is there already: nothing. Any thread.
void enroll_this_thread() noexcept;

/// From now on all enrolled threads are sampled, also those that are enrolled later. Throws
/// `std::logic_error` if there is a collector already.
void begin_sampling(const sampling_settings& settings, sample_collector& collector);
/// When it returns no more samples come.
void end_sampling(sample_collector& collector) noexcept;

}  // namespace coroscope::instrumentation::detail
