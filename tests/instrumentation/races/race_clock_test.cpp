// SPDX-License-Identifier: Apache-2.0
#include "races/race_clock.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

using coroscope::instrumentation::detail::growing_clock;
using coroscope::instrumentation::detail::race_clock;

TEST_CASE("a clock knows the latest time of each slot") {
    race_clock clock;
    CHECK(clock.time_of(0) == 0);
    CHECK(clock.time_of(race_clock::most_slots - 1) == 0);
    clock.raise(3, 5);
    clock.raise(race_clock::most_slots - 1, 7);
    clock.raise(3, 4);
    CHECK(clock.time_of(3) == 5);
    CHECK(clock.time_of(race_clock::most_slots - 1) == 7);
    CHECK(clock.time_of(4) == 0);
}

TEST_CASE("a copy of a clock goes its own way") {
    race_clock clock;
    clock.raise(1, 1);
    race_clock copy = clock;
    CHECK(copy.is_same(clock));
    copy.raise(1, 2);
    copy.raise(100, 1);
    CHECK(clock.time_of(1) == 1);
    CHECK(clock.time_of(100) == 0);
    CHECK(copy.time_of(1) == 2);
    CHECK_FALSE(copy.is_same(clock));
}

TEST_CASE("clocks behave as arrays do") {
    std::mt19937 random(1);
    constexpr std::size_t count = 6;
    std::vector<race_clock> clocks(count);
    std::vector<std::map<std::uint32_t, std::uint32_t>> models(count);
    const auto slot = [&] {
        return static_cast<std::uint32_t>(random() % 4 == 0 ? random() % 100'000 : random() % 40);
    };
    for (int i = 0; i < 3000; ++i) {
        const auto a = random() % count;
        const auto b = random() % count;
        switch (random() % 4) {
        case 0:
            clocks[a] = clocks[b];
            models[a] = models[b];
            break;
        case 1:
            clocks[a].join(clocks[b]);
            for (const auto& [s, t] : models[b]) {
                auto& mine = models[a][s];
                mine = std::max(mine, t);
            }
            break;
        default: {
            const auto s = slot();
            const auto t = static_cast<std::uint32_t>(random() % 1000 + 1);
            clocks[a].raise(s, t);
            auto& mine = models[a][s];
            mine = std::max(mine, t);
        }
        }
    }
    bool is_alike = true;
    for (std::size_t c = 0; c < count; ++c) {
        for (const auto& [s, t] : models[c]) {
            is_alike = is_alike && clocks[c].time_of(s) == t;
        }
        is_alike = is_alike && clocks[c].time_of(99'999) == models[c][99'999];
    }
    CHECK(is_alike);
}

TEST_CASE("a clock that takes over one after another knows all of each") {
    std::minstd_rand random(11);
    race_clock common;
    growing_clock all;
    std::map<std::uint32_t, std::uint32_t> model;
    for (std::uint32_t time = 1; time < 300; ++time) {
        // What they have in common goes on, and has all of it now and then.
        if (time % 50 == 0) { common.join(all.get()); }
        common.raise(static_cast<std::uint32_t>(random() % 400), time);
        auto own = common;
        own.raise(static_cast<std::uint32_t>(random() % 400), time);
        if (time % 70 == 0) { own = race_clock(); }
        own.raise(static_cast<std::uint32_t>(random() % 5000), time);
        all.take(own);
        for (std::uint32_t slot = 0; slot < 5000; ++slot) {
            const auto known = own.time_of(slot);
            if (known != 0) { model[slot] = std::max(model[slot], known); }
        }
    }
    bool is_alike = true;
    for (std::uint32_t slot = 0; slot < 5000; ++slot) {
        const auto found = model.find(slot);
        is_alike =
            is_alike && all.get().time_of(slot) == (found != model.end() ? found->second : 0);
    }
    CHECK(is_alike);
}

TEST_CASE("clocks that go take their nodes along, and joined ones share them") {
    const auto before = race_clock::nodes_alive();
    {
        race_clock common;
        for (std::uint32_t slot = 0; slot < 1000; ++slot) {
            common.raise(slot, 1);
        }
        const auto of_one = race_clock::nodes_alive() - before;
        std::vector<race_clock> copies(1000, common);
        CHECK(race_clock::nodes_alive() - before == of_one);
        race_clock joined;
        for (const auto& copy : copies) {
            joined.join(copy);
        }
        CHECK(race_clock::nodes_alive() - before == of_one);
    }
    CHECK(race_clock::nodes_alive() == before);
}
