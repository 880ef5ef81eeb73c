// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/wall_clock.hpp>

#include <coroscope/runtime/loop.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

using coroscope::wall_clock;
using namespace std::chrono_literals;

static_assert(std::chrono::is_clock_v<wall_clock>);

namespace {

/// A clock of the machine's time, under which it is always the same day.
class one_day_clock final : public coroscope::clock {
public:
    static constexpr wall_clock::time_point day{std::chrono::sys_days{1999y / 12 / 31}};

    [[nodiscard]] coroscope::time_point now() const noexcept override { return real_.now(); }
    [[nodiscard]] wall_clock::time_point wall_now() const noexcept override { return day; }
    [[nodiscard]] coroscope::idle_action on_idle(const coroscope::idle_state& state) override {
        return real_.on_idle(state);
    }

private:
    coroscope::system_monotonic_clock real_;
};

}  // namespace

TEST_CASE("a wall clock shows the machine's time unless the running loop's clock has another") {
    one_day_clock same_day;
    coroscope::loop_options options;
    options.clock = &same_day;
    coroscope::loop ours(options);
    coroscope::loop plain;
    wall_clock::time_point seen;
    wall_clock::time_point seen_plain;
    const auto ask = [](coroscope::loop& in, wall_clock::time_point& to) {
        in.call_soon([&in, &to] {
            to = wall_clock::now();
            in.stop();
        });
        in.run_forever();
    };
    const auto before = std::chrono::system_clock::now();
    ask(ours, seen);
    ask(plain, seen_plain);
    const auto outside = wall_clock::now();
    CHECK(seen == one_day_clock::day);
    CHECK(seen_plain >= before);  // unless somebody sets the machine's clock right now
    CHECK(outside >= before);
}
