// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "address_space.hpp"

#include <coroscope/runtime/task_table_header.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace coroscope::test_support {

// A program's memory as somebody might find it: one piece of data, at a fixed address.
class memory_image final : public profiler_server::address_space {
public:
    static constexpr std::uint64_t base = 0x10000;

    explicit memory_image(std::vector<std::byte> contents) : contents_(std::move(contents)) {}

    [[nodiscard]] std::vector<profiler_server::memory_region> regions() const override {
        return {{base, base + contents_.size(), true, true}};
    }
    [[nodiscard]] std::size_t read(std::uint64_t address, std::span<std::byte> to) const override {
        if (address < base || address - base >= contents_.size()) { return 0; }
        const auto offset = address - base;
        const auto count = std::min(to.size(), contents_.size() - offset);
        if (count > 0) { std::memcpy(to.data(), contents_.data() + offset, count); }
        return count;
    }
    [[nodiscard]] std::uint64_t now(bool) const override { return 5'000; }

    [[nodiscard]] std::vector<std::byte>& contents() { return contents_; }

private:
    std::vector<std::byte> contents_;
};

// Builds the memory of a program with a table of a layout of its own, which no program has: the
// reader has nothing but the header to go by.
class table_image {
public:
    static constexpr std::uint64_t base = memory_image::base;
    static constexpr std::uint64_t header_at = base + 0x40;
    static constexpr std::uint64_t chunks_at = base + 0x800;
    static constexpr std::uint64_t count_at = base + 0x810;
    static constexpr std::uint64_t entries_at = base + 0x840;
    static constexpr std::uint64_t records_at = base + 0x1000;
    static constexpr std::uint64_t stride = 256;
    static constexpr std::uint64_t free_at = base + 0x2000;
    static constexpr std::uint32_t task_offset = 160;

    // Offsets in a record.
    enum : std::uint32_t {
        id = 0,
        loop_id = 8,
        sequence = 16,
        magic = 24,
        state = 26,
        waits_for = 27,
        site = 32,
        origin = 40,
        wait_object = 48,
        wait_detail = 56,
        changed_at = 64,
        busy_ticks = 72,
        name = 80,
        frame = 168,
        extras = 176,
        woken_at = 144,
    };

    task_table_header header{};

    table_image() : memory_(0x3000) {
        text("coroscope tasks").copy(header.magic.data(), header.magic.size());
        header.version = 1;
        header.header_bytes = sizeof(header);
        header.self = reinterpret_cast<const task_table_header*>(header_at);
        header.is_used = 1;
        header.pointer_bytes = sizeof(void*);
        header.slab_chunks = reinterpret_cast<const void*>(chunks_at);
        header.slab_count = reinterpret_cast<const void*>(count_at);
        header.slab_chunk_size = 4;
        header.slab_entry_bytes = 32;
        header.slab_first_offset = 8;
        header.slab_stride_offset = 16;
        header.slab_carved_offset = 24;
        header.record_bytes = 160;
        header.record_magic = 0x1234;
        header.task_offset = task_offset;
        header.sequence_steps_mask = ~std::uint64_t{0} >> 8U;
        header.frame_parent_offset = 16;
        header.frame_task_offset = 0;
        header.frame_site_offset = 8;
        header.origin_count_offset = 0;
        header.origin_sites_offset = 8;
        header.name_extras_offset = extras;
        header.name_address_offset = 8;
        header.name_length_offset = 0;
        header.nanoseconds_per_tick = 2.0;
        add_fields();
        text("waiting,done,ready,running,dreaming")
            .copy(header.states.data(), header.states.size());
        text("nothing,mutex,sleep,task").copy(header.wait_kinds.data(), header.wait_kinds.size());
        put(chunks_at, entries_at);
        put(count_at, std::uint64_t{1});
        put_slab(0, records_at, stride, 4);
    }

    void put_slab(std::uint64_t index, std::uint64_t first, std::uint64_t bytes,
                  std::uint64_t carved) {
        const auto entry = entries_at + index * 32;
        put(entry + 8, first);
        put(entry + 16, bytes);
        put(entry + 24, carved);
    }

    // A waiting task in the block with that number; returns its record's address.
    std::uint64_t add_task(std::uint64_t block, std::uint64_t number,
                           std::string_view called = {}) {
        const auto record = records_at + block * stride;
        put(record + id, number);
        put(record + loop_id, std::uint32_t{1});
        put(record + sequence, std::uint64_t{6});
        put(record + magic, std::uint16_t{0x1234});
        put(record + changed_at, std::uint64_t{2'000});
        put(record + busy_ticks, std::uint64_t{50});
        put_text(record + name, called);
        return record;
    }

    std::uint64_t add_site(std::string_view file, std::string_view function, std::uint32_t line) {
        const auto file_at = add_text(file);
        const auto function_at = add_text(function);
        const auto at = take(24);
        put(at, file_at);
        put(at + 8, function_at);
        put(at + 16, line);
        return at;
    }

    // A frame of the task, awaited by `parent`.
    std::uint64_t add_frame(std::uint64_t record, std::uint64_t at_site, std::uint64_t parent) {
        const auto at = take(24);
        put(at, record + task_offset);
        put(at + 8, at_site);
        put(at + 16, parent);
        return at;
    }

    std::uint64_t add_text(std::string_view letters) {
        const auto at = take(letters.size() + 1);
        put_text(at, letters);
        return at;
    }

    std::uint64_t take(std::size_t bytes) {
        const auto at = free_;
        free_ += (bytes + 7) / 8 * 8;
        memory_.resize(std::max<std::size_t>(memory_.size(), free_ - base));
        return at;
    }

    template <class T>
    void put(std::uint64_t address, const T& value) {
        std::memcpy(&memory_[address - base], &value, sizeof(value));
    }
    void put_text(std::uint64_t address, std::string_view letters) {
        std::copy(letters.begin(), letters.end(),
                  reinterpret_cast<char*>(&memory_[address - base]));
    }

    [[nodiscard]] std::vector<std::byte> bytes() {
        put(header_at, header);
        return memory_;
    }

private:
    static std::string_view text(const char* letters) { return letters; }

    void add_fields() {
        const auto add = [this](const char* called, std::uint32_t offset, std::uint32_t size) {
            auto& field = header.fields[header.field_count++];
            text(called).copy(field.name.data(), field.name.size());
            field.offset = offset;
            field.size = size;
        };
        add("sequence", sequence, 8);
        add("state", state, 1);
        add("magic", magic, 2);
        add("id", id, 8);
        add("loop_id", loop_id, 4);
        add("waits_for", waits_for, 1);
        add("site", site, 8);
        add("origin", origin, 8);
        add("wait_object", wait_object, 8);
        add("wait_detail", wait_detail, 8);
        add("changed_at", changed_at, 8);
        add("busy_ticks", busy_ticks, 8);
        add("name", name, 8);
        add("frame", frame, 8);
        add("woken_at", woken_at, 8);
    }

    std::vector<std::byte> memory_;
    std::uint64_t free_ = free_at;
};

// One of everything: tasks 7 and 8, of which 7 holds what 8 waits for.
inline std::vector<std::byte> example_image() {
    table_image image;
    const auto inner = image.add_site("a.cpp", "void f(int)", 10);
    const auto outer = image.add_site("b.cpp", "coro<> g()", 20);
    const auto holder = image.add_task(0, 7, "holder");
    image.put(holder + table_image::site, inner);
    image.put(holder + table_image::frame,
              image.add_frame(holder, inner, image.add_frame(holder, outer, 0)));
    image.put(holder + table_image::waits_for, std::uint8_t{2});
    image.put(holder + table_image::wait_detail, std::int64_t{9'000});

    const auto waiter = image.add_task(1, 8, "a longer");
    const auto extras = image.take(16);
    const auto letters = image.add_text("a longer name");
    image.put(extras, std::uint64_t{13});
    image.put(extras + 8, letters);
    image.put(waiter + table_image::extras, extras);
    image.put(waiter + table_image::waits_for, std::uint8_t{1});
    image.put(waiter + table_image::wait_object, std::uint64_t{3});
    image.put(waiter + table_image::wait_detail, holder + table_image::id);
    const auto origin = image.take(24);
    image.put(origin, std::uint64_t{2});
    image.put(origin + 8, outer);
    image.put(origin + 16, inner);
    image.put(waiter + table_image::origin, origin + 1);
    return image.bytes();
}

}  // namespace coroscope::test_support
