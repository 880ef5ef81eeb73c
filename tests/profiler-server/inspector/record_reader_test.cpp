// SPDX-License-Identifier: Apache-2.0
#include "record_reader.hpp"

#include "support/catch.hpp"
#include "table_image.hpp"
#include "table_inspector.hpp"

#include <algorithm>
#include <functional>

using namespace coroscope::profiler_server;
using coroscope::test_support::memory_image;
using coroscope::test_support::table_image;

namespace {

constexpr std::uint64_t record_at = table_image::records_at;
// The first read of all looks for the header.
constexpr int second_copy = 2;

// A program that goes on while it is read: something happens in the midst of a copy.
class going_on final : public address_space {
public:
    // Called with the number of the read that has the place, from 0 up.
    using event = std::function<void(memory_image&, int)>;

    going_on(std::vector<std::byte> from, std::uint64_t place, event then)
        : image_(std::move(from)),
          place_(place),
          then_(std::move(then)) {}

    [[nodiscard]] std::vector<memory_region> regions() const override { return image_.regions(); }
    [[nodiscard]] std::uint64_t now(bool ticks) const override { return image_.now(ticks); }
    // The end is copied first, as a copy may well be made.
    [[nodiscard]] std::size_t read(std::uint64_t address, std::span<std::byte> to) const override {
        if (place_ < address || place_ >= address + to.size()) { return image_.read(address, to); }
        const auto before = std::min<std::size_t>(to.size(), place_ - address + 8);
        const auto rest = to.subspan(before);
        const auto got = image_.read(address + before, rest);
        then_(image_, reads_++);
        return image_.read(address, to.first(before)) + got;
    }

private:
    mutable memory_image image_;
    std::uint64_t place_;
    event then_;
    mutable int reads_ = 0;
};

template <class T>
void put(memory_image& image, std::uint64_t address, T value) {
    std::memcpy(&image.contents()[address - memory_image::base], &value, sizeof(value));
}

// What the program does in a step: the figures of a record fit each other before and afterwards.
void make_step(memory_image& image, int number) {
    const auto steps = static_cast<std::uint64_t>(number + 1);
    put(image, record_at + table_image::sequence, 2 * steps);
    put(image, record_at + table_image::busy_ticks, 100 * steps);
}

std::vector<raw_record> records_of(const address_space& space) {
    const table_layout layout(find_tables(space, "the program").at(0), "the program");
    return record_reader(space, layout, "the program").read_all();
}

}  // namespace

TEST_CASE("a copy that a step has torn is not used", "[inspector]") {
    table_image image;
    image.add_task(0, 7);
    image.put(record_at + image.sequence, std::uint64_t{0});
    image.put(record_at + image.busy_ticks, std::uint64_t{0});
    const auto steps = GENERATE(range(1, 20));
    const going_on program(image.bytes(), record_at + image.sequence,
                           [steps](memory_image& memory, int number) {
                               if (number < steps) { make_step(memory, number); }
                           });
    const auto records = records_of(program);
    REQUIRE(records.size() == 1);
    CHECK_FALSE(records[0].runs);
    CHECK(records[0].busy_ticks == 100 * (records[0].sequence / 2));
}

TEST_CASE("a task that is woken while it is copied is copied again", "[inspector]") {
    table_image image;
    image.add_task(0, 7);
    const auto wake = [](memory_image& memory, int number) {
        if (number != second_copy) { return; }
        put(memory, record_at + table_image::woken_at, std::uint64_t{3'000});
        put(memory, record_at + table_image::state, std::uint8_t{2});
    };
    const auto records = records_of(going_on(image.bytes(), record_at + image.state, wake));
    REQUIRE(records.size() == 1);
    CHECK(records[0].state == 2);
    CHECK(records[0].woken_at == 3'000);
}

TEST_CASE("a task whose place has another one meanwhile is not mixed with it", "[inspector]") {
    table_image image;
    image.add_task(0, 7, "old");
    const auto replace = [](memory_image& memory, int number) {
        if (number != second_copy) { return; }
        put(memory, record_at + table_image::id, std::uint64_t{8});
        put(memory, record_at + table_image::name, 'n');
    };
    for (const auto& record : records_of(going_on(image.bytes(), record_at + image.id, replace))) {
        CHECK(record.short_name() == (record.id == 7 ? "old" : "nld"));
    }
}

TEST_CASE("a stack is walked again if its task has moved meanwhile", "[inspector]") {
    table_image image;
    const auto record = image.add_task(0, 7);
    const auto first = image.add_frame(record, image.add_site("a.cpp", "void f()", 1), 0);
    const auto second = image.add_frame(record, image.add_site("b.cpp", "void g()", 2), 0);
    image.put(record + image.frame, first);
    const auto move = [second](memory_image& memory, int number) {
        if (number != 1) { return; }
        put(memory, record_at + table_image::sequence, std::uint64_t{8});
        put(memory, record_at + table_image::frame, second);
    };
    const going_on program(image.bytes(), first, move);
    const auto found = inspect_tables(program, "the program", {10, true});
    REQUIRE(found.list.tasks.size() == 1);
    CHECK(found.list.tasks[0].steps == 4);
    REQUIRE(found.list.tasks[0].async_stack);
    REQUIRE(found.list.tasks[0].async_stack->frames.size() == 1);
    CHECK(found.list.tasks[0].async_stack->frames[0].line == 2);
}
