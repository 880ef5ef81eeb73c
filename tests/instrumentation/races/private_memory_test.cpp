// SPDX-License-Identifier: Apache-2.0
// What is kept of accesses to memory ends with the memory.
#include "races/private_memory.hpp"
#include "races/race_log.hpp"
#include "races/thread_memory.hpp"
#include "races/thread_races.hpp"

#include "support/catch.hpp"

#include <memory>
#include <thread>
#include <vector>

using namespace coroscope::instrumentation::detail;
using coroscope::instrumentation::race_options;

namespace {

constexpr std::uintptr_t place = 0x10'0000;
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t few_pages = 4;

[[nodiscard]] std::shared_ptr<thread_record> made_by(std::uint64_t unit) {
    auto record = std::make_shared<thread_record>();
    record->who = std::make_shared<const unit_facts>(unit_facts{{unit, true}, {}, {}, {}});
    record->unit = unit;
    record->segment = unit;
    record->time = 1;
    return record;
}

}  // namespace

TEST_CASE("pages of private memory end with what was on them") {
    constexpr std::size_t most_left = 256;
    private_memory memory;
    memory.begin_part(made_by(1));
    for (std::size_t i = 0; i < 1000; ++i) {
        auto& granule = memory.at(place + i * page_bytes);
        REQUIRE(memory.keep(granule, {nullptr, 0, access_kind::write, 0xff}));
    }
    CHECK(memory.pages() == 1000);
    memory.forget(place + 8, 1000 * page_bytes - 8);  // all but the first
    CHECK(memory.pages() == 1);
    for (std::size_t i = 0; i < 1000; ++i) {
        auto& granule = memory.at(place + i * page_bytes);
        REQUIRE(memory.keep(granule, {nullptr, 0, access_kind::write, 0xff}));
        memory.forget(place + i * page_bytes, 8);
        REQUIRE(memory.pages() <= most_left + 1);
    }
}

TEST_CASE("what was shared is nobody's afterwards") {
    private_memory memory;
    memory.begin_part(made_by(1));
    CHECK(memory.keep(memory.at(place), {nullptr, 0, access_kind::write, 0xff}));
    memory.begin_part(made_by(2));
    auto& granule = memory.at(place);
    REQUIRE_FALSE(memory.keep(granule, {nullptr, 0, access_kind::write, 0xff}));
    CHECK(memory.share(granule).size() == 1);
    memory.forget(place, 8);
    CHECK_FALSE(memory.at(place).is_shared());
}

TEST_CASE("what jobs do takes three bytes for each byte while nobody meets") {
    STATIC_REQUIRE(sizeof(thread_memory::cell) <= 3 * granule_bytes);
    thread_memory memory;
    const auto one = memory.add_part(made_by(1));
    const auto other = memory.add_part(made_by(2));
    const thread_memory::seen write{nullptr, access_kind::write, 0x0f, atomicity::none};
    auto* const cell = memory.at(place);
    REQUIRE(cell != nullptr);
    CHECK(memory.keep(*cell, write, one));
    CHECK(memory.keep(*cell, {nullptr, access_kind::read, 0xff, atomicity::none}, one));
    CHECK_FALSE(memory.keep(*cell, write, other));
    const auto records = memory.share(*cell);
    REQUIRE(records.size() == 2);
    CHECK(records[0]->bytes == 0xff);
    CHECK(records[1]->is_write());
    CHECK_FALSE(memory.keep(*cell, write, one));
    memory.forget(place, 8);
    CHECK(memory.keep(*cell, write, other));
}

TEST_CASE("an atomic variable beside a plain one is another") {
    thread_memory memory;
    const auto part = memory.add_part(made_by(1));
    auto* const cell = memory.at(place);
    CHECK(memory.keep(*cell, {nullptr, access_kind::read, 0x01, atomicity::none}, part));
    CHECK_FALSE(memory.keep(*cell, {nullptr, access_kind::read, 0xf0, atomicity::single}, part));
}

TEST_CASE("pages of memory that was freed are used again") {
    thread_memory memory(few_pages);
    const auto part = memory.add_part(made_by(1));
    const thread_memory::seen write{nullptr, access_kind::write, 0x0f, atomicity::none};
    std::size_t kept = 0;
    for (std::size_t i = 0; i < 20 * few_pages; ++i) {
        auto* const cell = memory.at(place + i * page_bytes);
        REQUIRE(cell != nullptr);
        kept += memory.keep(*cell, write, part) ? 1U : 0U;
        CHECK(memory.pages() <= few_pages);
        memory.forget(place + i * page_bytes, 8);
    }
    CHECK(kept == 20 * few_pages);
}

TEST_CASE("pages of what threads use end with what was on them") {
    thread_memory memory;
    const auto part = memory.add_part(made_by(1));
    const thread_memory::seen write{nullptr, access_kind::write, 0xff, atomicity::none};
    for (std::size_t i = 0; i < 1000; ++i) {
        auto& cell = *memory.at(place + i * page_bytes);
        REQUIRE(memory.keep(cell, write, part));
        memory.clear(cell);
        REQUIRE(memory.keep(cell, write, part));
        if (i % 2 == 0) { REQUIRE(memory.share(cell).size() == 1); }
    }
    CHECK(memory.pages() == 1000);
    memory.forget(place + 8, 1000 * page_bytes - 8);  // all but the first
    CHECK(memory.pages() == 1);
}

TEST_CASE("where there is no room for what a job does, it begins anew", "[threads]") {
    const race_options options;
    const auto log = std::make_shared<race_log>(options);
    thread_races races(log, few_pages);
    std::vector<char> values(10 * few_pages * page_bytes);
    const auto one = races.begin_job(job_kind, nullptr, {});
    const auto other = races.begin_job(job_kind, nullptr, {});
    const auto write = [&](std::uint64_t unit, std::size_t where) {
        coroscope::detail::access made{&values[where], 1, access_kind::write};
        made.code = &values;
        races.note(unit, made);
    };
    for (std::size_t i = 0; i < values.size(); i += page_bytes) {
        write(one, i);
        CHECK(races.remembered() <= few_pages);
    }
    CHECK(log->findings()->dropped() > 0);
    write(other, values.size() - page_bytes);
    races.end_job(one, true);
    races.end_job(other, true);
    CHECK(log->findings()->findings().size() == 1);
}

TEST_CASE("nothing is remembered of jobs that have ended", "[threads]") {
    const auto nodes_before = race_clock::nodes_alive();
    const race_options options;
    thread_races races(std::make_shared<race_log>(options));
    std::vector<int> values(500);
    for (int round = 0; round < 500; ++round) {
        const auto one = races.begin_job(job_kind, nullptr, {});
        const auto other = races.begin_job(job_kind, nullptr, {});
        for (const auto unit : {one, other}) {
            std::thread job([&] {
                races.enter_thread(unit);
                for (auto& each : values) {
                    coroscope::detail::access made{&each, sizeof each, access_kind::read};
                    made.code = &values;
                    races.note(unit, made);
                }
                races.note_order(unit, &values, thread_order::release);
                races.leave_thread(unit);
            });
            job.join();
        }
        CHECK(races.remembered() > 0);
        races.end_job(one, true);
        CHECK(races.remembered() > 0);
        races.end_job(other, true);
        CHECK(races.remembered() == 0);
    }
    CHECK(race_clock::nodes_alive() < nodes_before + 1'000);
}
