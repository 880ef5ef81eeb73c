// SPDX-License-Identifier: Apache-2.0
// System calls on a watched loop last as long and return the same as on one that nobody watches.

#include "instrumentation/observed_stall.hpp"
#include "support/catch.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>

#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;
using coroscope::instrumentation::stall;

namespace {

struct outcome {
    long result = 0;
    int error = 0;
    std::chrono::nanoseconds lasted{0};
};

/// Makes the call on a loop, until it was reported while it lasted.
template <class Call>
outcome watched(Call call) {
    outcome made;
    observed_stall stalled;
    stalled.threshold = 10ms;
    stalled.wanted = [](const stall& seen) {
        return seen.step.cause && !seen.step.cause->system_call.empty();
    };
    stalled.step = [&] {
        errno = 0;
        const auto began = std::chrono::steady_clock::now();
        made.result = call();
        made.error = errno;
        made.lasted = std::chrono::steady_clock::now() - began;
    };
    if (!stalled.observe()) { WARN("the watchdog did not come to look"); }
    return made;
}

constexpr auto a_while = 120ms;
constexpr int a_while_in_milliseconds = 120;

timespec in_a_while() {
    timespec at{};
    ::clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += std::chrono::nanoseconds(a_while).count();
    if (at.tv_nsec >= 1'000'000'000) {
        at.tv_nsec -= 1'000'000'000;
        ++at.tv_sec;
    }
    return at;
}

}  // namespace

TEST_CASE("usleep lasts as long as it is told to") {
    const auto made = watched([] { return ::usleep(300'000); });
    CHECK(made.result == 0);
    CHECK(made.lasted >= 300ms);
}

TEST_CASE("nanosleep is not interrupted") {
    const auto made = watched([] {
        const timespec how_long{0, std::chrono::nanoseconds(a_while).count()};
        return ::nanosleep(&how_long, nullptr);
    });
    CHECK(made.result == 0);
    CHECK(made.lasted >= a_while);
}

TEST_CASE("poll runs into its time limit") {
    const auto made = watched([] { return ::poll(nullptr, 0, a_while_in_milliseconds); });
    CHECK(made.result == 0);
    CHECK(made.error == 0);
    CHECK(made.lasted >= a_while);
}

TEST_CASE("epoll_wait runs into its time limit") {
    const int queue = ::epoll_create1(EPOLL_CLOEXEC);
    const auto made = watched([queue] {
        epoll_event event{};
        return ::epoll_wait(queue, &event, 1, a_while_in_milliseconds);
    });
    ::close(queue);
    CHECK(made.result == 0);
    CHECK(made.error == 0);
    CHECK(made.lasted >= a_while);
}

TEST_CASE("a receive with a time limit runs into that") {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    const timeval limit{0, a_while_in_milliseconds * 1000};
    ::setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const auto made = watched([&ends] {
        char letter = 0;
        return ::recv(ends[0], &letter, 1, 0);
    });
    ::close(ends[0]);
    ::close(ends[1]);
    CHECK(made.result == -1);
    CHECK(made.error == EAGAIN);
    CHECK(made.lasted >= a_while - 10ms);  // the kernel counts in ticks
}

TEST_CASE("sem_timedwait runs into its time limit") {
    sem_t semaphore;
    REQUIRE(::sem_init(&semaphore, 0, 0) == 0);
    const auto made = watched([&semaphore] {
        const auto until = in_a_while();
        return ::sem_timedwait(&semaphore, &until);
    });
    ::sem_destroy(&semaphore);
    CHECK(made.result == -1);
    CHECK(made.error == ETIMEDOUT);
}
