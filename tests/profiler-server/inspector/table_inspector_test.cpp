// SPDX-License-Identifier: Apache-2.0
#include "table_inspector.hpp"

#include "support/catch.hpp"
#include "table_image.hpp"

#include <functional>
#include <limits>
#include <set>
#include <string>

using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using coroscope::test_support::example_image;
using coroscope::test_support::memory_image;
using coroscope::test_support::table_image;
namespace report = coroscope::report;

namespace {

inspection look_into(std::vector<std::byte> memory, bool stacks = true) {
    return inspect_tables(memory_image(std::move(memory)), "the program", {100, stacks});
}

struct failure {
    inspection_failure kind;
    std::string message;
};

failure failure_of(std::vector<std::byte> memory) {
    try {
        static_cast<void>(look_into(std::move(memory)));
    } catch (const inspection_error& error) { return {error.failure(), error.what()}; }
    FAIL("was read without an error");
    return {};
}

failure failure_with(const std::function<void(table_image&)>& change) {
    table_image image;
    image.add_task(0, 7);
    change(image);
    return failure_of(image.bytes());
}

}  // namespace

TEST_CASE("a table is read by what its header says", "[inspector]") {
    const auto found = look_into(example_image());
    CHECK(found.notes.empty());
    REQUIRE(found.list.tasks.size() == 2);
    const auto& holder = found.list.tasks[0];
    CHECK(holder.id == 7);
    CHECK(holder.loop_id == 1);
    CHECK(holder.name == "holder");
    CHECK(holder.state == report::task_state::waiting);
    CHECK(holder.steps == 3);
    CHECK(holder.busy == 100ns);
    CHECK(holder.wait_kind == "sleep");
    CHECK(holder.wait_deadline == 9us);
    CHECK(holder.waiting_for == 6us);
    CHECK(holder.await_site == report::source_position{"a.cpp", 10, "f"});
    REQUIRE(holder.async_stack);
    REQUIRE(holder.async_stack->frames.size() == 2);
    CHECK(holder.async_stack->frames[0].function == "f");
    CHECK(holder.async_stack->frames[1].file == "b.cpp");
    CHECK(holder.async_stack->frames[1].line == 20);
    CHECK_FALSE(holder.async_stack->truncated);
    const auto& waiter = found.list.tasks[1];
    CHECK(waiter.name == "a longer name");
    CHECK(waiter.wait_object == "mutex 3");
    CHECK(waiter.wait_owner == "task 7 'holder'");
    CHECK(waiter.created_at == report::source_position{"b.cpp", 20, "g"});
    CHECK(waiter.origin.size() == 2);
}

TEST_CASE("stacks are read where they are asked for", "[inspector]") {
    CHECK_FALSE(look_into(example_image(), false).list.tasks[0].async_stack);
}

TEST_CASE("several tables in one program are all read", "[inspector]") {
    table_image image;
    image.add_task(0, 7);
    const auto second = image.take(2 * sizeof(image.header)) / 64 * 64 + 64;
    auto header = image.header;
    header.self = reinterpret_cast<const coroscope::task_table_header*>(second);
    const auto slabs = image.take(64);
    header.slab_count = reinterpret_cast<const void*>(slabs);
    header.slab_chunks = reinterpret_cast<const void*>(slabs + 8);
    image.put(slabs, std::uint64_t{1});
    image.put(slabs + 8, slabs + 16);
    image.put(slabs + 24, table_image::records_at + table_image::stride);
    image.put(slabs + 32, table_image::stride);
    image.put(slabs + 40, std::uint64_t{1});
    image.put_slab(0, table_image::records_at, table_image::stride, 1);
    image.add_task(1, 8);
    image.put(second, header);
    const auto found = look_into(image.bytes());
    REQUIRE(found.list.tasks.size() == 2);
    CHECK(found.list.tasks[0].id == 7);
    CHECK(found.list.tasks[1].id == 8);
}

TEST_CASE("a copy of a header is not a table", "[inspector]") {
    const auto found = failure_with([](table_image& image) { image.header.self = nullptr; });
    CHECK(found.kind == inspection_failure::no_table);
    CHECK_THAT(found.message, Contains("no coroscope runtime in the program"));
}

TEST_CASE("a newer table is refused by its version", "[inspector]") {
    const auto found = failure_with([](table_image& image) { image.header.version = 2; });
    CHECK(found.kind == inspection_failure::newer_table);
    CHECK_THAT(found.message, Contains("version 2") && Contains("up to version 1"));
}

namespace {

struct damage {
    const char* what;  // as the message says it
    void (*make)(table_image&);
};

constexpr auto wild = std::numeric_limits<std::uint32_t>::max();

const std::vector<damage> damaged_headers{
    {"version",
     [](auto& i) {
         i.header.version = 0;
     }},
    {"size of the header",
     [](auto& i) {
         i.header.header_bytes = 64;
     }},
    {"number of fields",
     [](auto& i) {
         i.header.field_count = wild;
     }},
    {"no sequence",
     [](auto& i) {
         i.header.fields[0].name[0] = 'S';
     }},
    {"the member state",
     [](auto& i) {
         i.header.fields[1].offset = wild;
     }},
    {"the member state",
     [](auto& i) {
         i.header.fields[1].size = 3;
     }},
    {"the member name",
     [](auto& i) {
         i.header.fields[12].size = 4096;
     }},
    {"size of pointers",
     [](auto& i) {
         i.header.pointer_bytes = 4;
     }},
    {"size of records",
     [](auto& i) {
         i.header.record_bytes = wild;
     }},
    {"where tasks lie",
     [](auto& i) {
         i.header.task_offset = wild;
     }},
    {"slabs in a chunk",
     [](auto& i) {
         i.header.slab_chunk_size = 0;
     }},
    {"entry of a slab",
     [](auto& i) {
         i.header.slab_first_offset = wild;
     }},
    {"entry of a slab",
     [](auto& i) {
         i.header.slab_entry_bytes = wild;
     }},
    {"layout of frames",
     [](auto& i) {
         i.header.frame_site_offset = wild;
     }},
    {"layout of origins",
     [](auto& i) {
         i.header.origin_count_offset = wild;
     }},
    {"length of a tick",
     [](auto& i) {
         i.header.nanoseconds_per_tick = -1;
     }},
};

const std::vector<damage> damaged_slabs{
    {"number of its slabs",
     [](auto& i) {
         i.header.slab_count = nullptr;
     }},
    {"number of its slabs",
     [](auto& i) {
         i.put(i.count_at, ~std::uint64_t{0});
     }},
    {"list of its slabs",
     [](auto& i) {
         i.header.slab_chunks = nullptr;
     }},
    {"a record every 0",
     [](auto& i) {
         i.put_slab(0, i.records_at, 0, 4);
     }},
    {"a record every 64",
     [](auto& i) {
         i.put_slab(0, i.records_at, 64, 4);
     }},
    {"records",
     [](auto& i) {
         i.put_slab(0, i.records_at, i.stride, ~std::uint64_t{0});
     }},
    {"overlap",
     [](auto& i) {
         i.put_slab(0, ~std::uint64_t{0} - 64, i.stride, 4);
     }},
};

void check_damage(const damage& done) {
    CAPTURE(done.what);
    const auto found = failure_with(done.make);
    CHECK(found.kind == inspection_failure::broken_table);
    CHECK_THAT(found.message, Contains(done.what) && Contains("the task table of the program"));
}

}  // namespace

TEST_CASE("a header that makes no sense is an error that says what", "[inspector]") {
    for (const auto& done : damaged_headers) {
        check_damage(done);
    }
}

TEST_CASE("slabs that make no sense are an error that says what", "[inspector]") {
    for (const auto& done : damaged_slabs) {
        check_damage(done);
    }
}

TEST_CASE("memory that is in two slabs is refused", "[inspector]") {
    const auto found = failure_with([](table_image& image) {
        image.put(image.count_at, std::uint64_t{2});
        image.put_slab(1, image.records_at + image.stride, image.stride, 1);
    });
    CHECK_THAT(found.message, Contains("overlap"));
}

TEST_CASE("a table that no task was ever in has none", "[inspector]") {
    table_image image;
    image.header.is_used = 0;
    image.header.slab_count = nullptr;
    CHECK(look_into(image.bytes()).list.tasks.empty());
}

TEST_CASE("records that are not there are counted", "[inspector]") {
    table_image image;
    image.add_task(0, 7);
    image.put_slab(0, image.records_at, image.stride, 1'000);
    const auto found = look_into(image.bytes());
    CHECK(found.list.tasks.size() == 1);
    REQUIRE(found.notes.size() == 1);
    CHECK_THAT(found.notes[0], Contains("records of the task table are not there"));
}

TEST_CASE("free, finished and foreign blocks are no tasks", "[inspector]") {
    table_image image;
    image.add_task(0, 0);
    image.put(image.add_task(1, 8) + image.state, std::uint8_t{1});  // done
    image.put(image.add_task(2, 9) + image.magic, std::uint16_t{1});
    CHECK(look_into(image.bytes()).list.tasks.empty());
}

TEST_CASE("a state or kind of wait without a name is unknown", "[inspector]") {
    table_image image;
    const auto record = image.add_task(0, 7);
    image.put(record + image.state, std::uint8_t{200});
    const auto other = image.add_task(1, 8);
    image.put(other + image.waits_for, std::uint8_t{200});
    const auto found = look_into(image.bytes());
    CHECK(found.list.tasks[0].state == report::task_state::unknown);
    CHECK(found.list.tasks[1].wait_kind == "unknown");
}

TEST_CASE("wild addresses in a record cost what they point to, and nothing else", "[inspector]") {
    table_image image;
    const auto record = image.add_task(0, 7, "eight   ");
    for (const auto offset :
         {image.site, image.origin, image.wait_detail, image.frame, image.extras}) {
        image.put(record + offset, std::uint64_t{0x7fff'ffff'fff8});
    }
    image.put(record + image.waits_for, std::uint8_t{1});
    const auto found = look_into(image.bytes());
    REQUIRE(found.list.tasks.size() == 1);
    const auto& task = found.list.tasks[0];
    CHECK(task.name == "eight   ");
    CHECK(task.await_site.empty());
    CHECK(task.created_at.empty());
    CHECK(task.wait_owner.empty());
    REQUIRE(task.async_stack);
    CHECK(task.async_stack->frames.empty());
    CHECK(task.async_stack->truncated);
    REQUIRE(found.notes.size() == 1);
    CHECK_THAT(found.notes[0], Contains("source lines are not there"));
}

TEST_CASE("frames in a circle, and those of another task, end a stack", "[inspector]") {
    table_image image;
    const auto record = image.add_task(0, 7);
    const auto circle = image.add_frame(record, 0, 0);
    image.put(circle + 16, circle);
    image.put(record + image.frame, circle);
    const auto other = image.add_task(1, 8);
    image.put(other + image.frame, image.add_frame(other, 0, circle));
    const auto found = look_into(image.bytes());
    REQUIRE(found.list.tasks.size() == 2);
    CHECK(found.list.tasks[0].async_stack->frames.size() == 1'000);
    CHECK(found.list.tasks[0].async_stack->truncated);
    CHECK(found.list.tasks[1].async_stack->frames.size() == 1);
    CHECK(found.list.tasks[1].async_stack->truncated);
}

namespace {

// A task that makes a step each time somebody looks, until it has made so many.
class moving_image final : public address_space {
public:
    moving_image(table_image& from, std::uint64_t record, int steps)
        : image_(from.bytes()),
          record_(record),
          steps_(steps) {}

    [[nodiscard]] std::vector<memory_region> regions() const override { return image_.regions(); }
    [[nodiscard]] std::uint64_t now(bool ticks) const override { return image_.now(ticks); }
    [[nodiscard]] std::size_t read(std::uint64_t address, std::span<std::byte> to) const override {
        const auto got = image_.read(address, to);
        if (address <= record_ && record_ < address + got && steps_ > 0) {
            --steps_;
            auto* sequence =
                &image_.contents()[record_ + table_image::sequence - memory_image::base];
            std::uint64_t number = 0;
            std::memcpy(&number, sequence, sizeof(number));
            number += 2;
            std::memcpy(sequence, &number, sizeof(number));
        }
        return got;
    }

private:
    mutable memory_image image_;
    std::uint64_t record_;
    mutable int steps_;
};

}  // namespace

TEST_CASE("a record that changes while it is copied is copied again", "[inspector]") {
    table_image image;
    const auto record = image.add_task(0, 7, "moving");
    image.add_task(1, 8, "other");
    const auto steps = GENERATE(1, 2, 5, 20);
    const auto found =
        inspect_tables(moving_image(image, record, steps), "the program", {100, true});
    REQUIRE(found.list.tasks.size() == 2);
    CHECK(found.list.tasks[0].state == report::task_state::waiting);
    CHECK(found.list.tasks[0].steps == 3 + static_cast<std::uint64_t>(steps));
    CHECK(found.list.tasks[1].state == report::task_state::waiting);
}

TEST_CASE("a record that never stands still belongs to a task that runs", "[inspector]") {
    table_image image;
    const auto record = image.add_task(0, 7, "moving");
    const auto found =
        inspect_tables(moving_image(image, record, 1'000'000), "the program", {100, true});
    REQUIRE(found.list.tasks.size() == 1);
    CHECK(found.list.tasks[0].state == report::task_state::running);
    CHECK(found.list.tasks[0].name == "moving");
    CHECK(found.list.tasks[0].wait_kind.empty());
    CHECK_FALSE(found.list.tasks[0].async_stack);
}

TEST_CASE("a task in the midst of a step runs", "[inspector]") {
    table_image image;
    const auto record = image.add_task(0, 7);
    image.put(record + image.sequence, std::uint64_t{7});
    const auto found = look_into(image.bytes());
    CHECK(found.list.tasks.at(0).state == report::task_state::running);
    CHECK(found.list.tasks.at(0).steps == 3);
}

TEST_CASE("a limit keeps the oldest and counts the others", "[inspector]") {
    table_image image;
    image.add_task(0, 9);
    image.add_task(1, 7);
    image.add_task(2, 8);
    const auto found = inspect_tables(memory_image(image.bytes()), "the program", {2, false});
    REQUIRE(found.list.tasks.size() == 2);
    CHECK(found.list.tasks[0].id == 7);
    CHECK(found.list.tasks[1].id == 8);
    CHECK(found.list.omitted == 1);
}
