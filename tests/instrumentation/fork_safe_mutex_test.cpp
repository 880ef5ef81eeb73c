// SPDX-License-Identifier: Apache-2.0
#include "fork_safe_mutex.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <mutex>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

using coroscope::instrumentation::detail::fork_safe_mutex;

TEST_CASE("a forked process finds free what a thread of its parent locks all the time",
          "[threads]") {
    static constinit fork_safe_mutex mutex;
    static constinit int both = 0;  // even, where nobody holds it
    constexpr unsigned seconds_at_most = 60;
    std::atomic<bool> is_over{false};
    std::thread locks([&] {
        while (!is_over) {
            {
                const std::lock_guard lock(mutex);
                ++both;
                std::this_thread::yield();
                ++both;
            }
            std::this_thread::yield();
        }
    });
    int status = 0;
    for (int i = 0; i < 100 && status == 0; ++i) {
        const auto child = ::fork();
        if (child == 0) {
            ::alarm(seconds_at_most);
            const std::lock_guard lock(mutex);
            ::_exit(both % 2);
        }
        ::waitpid(child, &status, 0);
    }
    is_over = true;
    locks.join();
    CHECK(status == 0);
}
