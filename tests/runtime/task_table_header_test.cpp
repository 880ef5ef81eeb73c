// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table_header.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_table.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

using coroscope::coro;
using coroscope::task_state;
using coroscope::wait_kind;
using namespace std::chrono_literals;

namespace {

/// A reader that knows the header and nothing else of the runtime.
class outsider {
public:
    outsider() {
        const auto& table = coroscope_task_table;
        const auto slabs = at<std::uint64_t>(address(table.slab_count));
        for (std::uint64_t i = 0; i < slabs; ++i) {
            const auto chunk = at<std::uint64_t>(address(table.slab_chunks)
                                                 + i / table.slab_chunk_size * sizeof(void*));
            const auto entry = chunk + i % table.slab_chunk_size * table.slab_entry_bytes;
            const auto first = at<std::uint64_t>(entry + table.slab_first_offset);
            const auto stride = at<std::uint64_t>(entry + table.slab_stride_offset);
            const auto carved = at<std::uint64_t>(entry + table.slab_carved_offset);
            for (std::uint64_t k = 0; k < carved; ++k) {
                records.push_back(first + k * stride);
            }
        }
    }

    [[nodiscard]] static std::uint64_t offset(const std::string& name) {
        const auto& table = coroscope_task_table;
        for (std::uint32_t i = 0; i < table.field_count; ++i) {
            if (table.fields[i].name.data() == name) { return table.fields[i].offset; }
        }
        FAIL("no field is called " << name);
        return 0;
    }
    template <class T>
    [[nodiscard]] static T at(std::uint64_t where) {
        T value;
        std::memcpy(&value, reinterpret_cast<const void*>(where), sizeof value);
        return value;
    }
    template <class T>
    [[nodiscard]] static T field(std::uint64_t record, const std::string& name) {
        return at<T>(record + offset(name));
    }

    std::vector<std::uint64_t> records;

private:
    [[nodiscard]] static std::uint64_t address(const void* of) {
        return reinterpret_cast<std::uintptr_t>(of);
    }
};

std::vector<std::string> words(const char* text) {
    std::vector<std::string> all;
    std::istringstream from(text);
    for (std::string word; std::getline(from, word, ',');) {
        all.push_back(word);
    }
    return all;
}

coro<> inner() {
    co_await coroscope::sleep_for(1h);
}

coro<> outer() {
    co_await inner();
}

}  // namespace

TEST_CASE("the header says what it is, and where") {
    const auto& table = coroscope_task_table;
    CHECK(std::string(table.magic.data()) == "coroscope tasks");
    CHECK(table.self == &table);
    CHECK(reinterpret_cast<std::uintptr_t>(&table) % 64 == 0);
    CHECK(table.version == coroscope::task_table_header::current_version);
    CHECK(table.header_bytes == sizeof table);
    CHECK(table.pointer_bytes == sizeof(void*));
    CHECK(table.nanoseconds_per_tick > 0);
    CHECK(table.field_count <= table.fields.size());
}

TEST_CASE("with the header alone, a task is found, named, and walked") {
    virtual_loop v;
    const auto task = v.loop.create_task(outer(), "parked");
    v.loop.stop();
    v.loop.run_forever();
    CHECK(coroscope_task_table.is_used == 1);

    const auto& table = coroscope_task_table;
    const outsider reader;
    std::uint64_t found = 0;
    for (const auto record : reader.records) {
        if (outsider::field<std::uint64_t>(record, "id") == task.id()
            && outsider::field<std::uint32_t>(record, "loop_id") == v.loop.id()) {
            found = record;
        }
    }
    REQUIRE(found != 0);
    CHECK(outsider::field<std::uint16_t>(found, "magic") == table.record_magic);
    CHECK(std::string(reinterpret_cast<const char*>(found + outsider::offset("name"))) == "parked");
    const auto sequence = outsider::field<std::uint64_t>(found, "sequence");
    CHECK((sequence & table.sequence_steps_mask) / 2 == 1);

    const auto frame = outsider::field<std::uint64_t>(found, "frame");
    CHECK(outsider::at<std::uint64_t>(frame + table.frame_task_offset)
          == found + table.task_offset);
    const auto site = outsider::at<std::uint64_t>(frame + table.frame_site_offset);
    const auto* function = reinterpret_cast<const char*>(outsider::at<std::uint64_t>(site + 8));
    CHECK(coroscope::plain_function_name(function).find("inner") != std::string::npos);
    const auto parent = outsider::at<std::uint64_t>(frame + table.frame_parent_offset);
    CHECK(outsider::at<std::uint64_t>(parent + table.frame_parent_offset) == 0);
    v.loop.close();
}

TEST_CASE("the names in the header are those of states and kinds, in order") {
    const auto states = words(coroscope_task_table.states.data());
    REQUIRE(states.size() == 4);
    for (std::size_t i = 0; i < states.size(); ++i) {
        CHECK(states[i] == to_string(static_cast<task_state>(i)));
    }
    const auto kinds = words(coroscope_task_table.wait_kinds.data());
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        CHECK(kinds[i] == to_string(static_cast<wait_kind>(i)));
    }
    CHECK(std::string(to_string(static_cast<wait_kind>(kinds.size()))) == "?");
}
