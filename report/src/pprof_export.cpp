// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/profile_export.hpp>

#include "exported_stacks.hpp"

#include <algorithm>
#include <charconv>

namespace coroscope::report {

namespace {

using detail::exported_stack;
using detail::exported_stacks;

// Every frame has two addresses with one name: see second_frames_differ.
constexpr std::uint64_t first_address = 0x10000;
constexpr std::uint64_t bytes_a_frame = 32;
constexpr std::uint64_t other_address = 16;

std::uint64_t address_of(std::uint32_t frame) {
    return first_address + frame * bytes_a_frame;
}

std::string hex(std::uint64_t address) {
    char digits[16];
    return "0x"
           + std::string(digits, std::to_chars(digits, digits + sizeof digits, address, 16).ptr);
}

// google-pprof splits at `--`, which it takes for the border of an inlined frame.
std::string symbol_name(const stack_frame& frame) {
    auto name = detail::on_one_line(detail::frame_name_with_line(frame));
    for (auto at = name.find("--"); at != std::string::npos; at = name.find("--", at)) {
        name.insert(at + 1, 1, ' ');
    }
    return name;
}

std::string symbol_section(const exported_stacks& exported, const std::string& program) {
    auto text = "--- symbol\nbinary=" + detail::on_one_line(program) + '\n';
    for (std::uint32_t i = 0; i < exported.frames().size(); ++i) {
        const auto name = symbol_name(exported.frames()[i]);
        for (const auto address : {address_of(i), address_of(i) + other_address}) {
            text += hex(address) + ' ' + name + '\n';
        }
    }
    return text + "---\n";
}

void append_word(std::string& to, std::uint64_t word) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
        to += static_cast<char>(word >> shift & 0xff);
    }
}

void append_record(std::string& to, std::int64_t count, const std::vector<std::uint64_t>& stack) {
    append_word(to, static_cast<std::uint64_t>(count));
    append_word(to, stack.size());
    for (const auto address : stack) {
        append_word(to, address);
    }
}

std::vector<std::uint64_t> addresses_of(const exported_stack& stack) {
    std::vector<std::uint64_t> addresses;
    std::transform(stack.frames.begin(), stack.frames.end(), std::back_inserter(addresses),
                   address_of);
    return addresses;
}

// google-pprof drops a second frame that all stacks have in common, as the mark of a signal
// handler. It does not where one stack, which counts for nothing, has another address there.
void keep_second_frames(std::string& to, const exported_stacks& exported) {
    if (exported.stacks().empty()) { return; }
    auto addresses = addresses_of(exported.stacks().front());
    if (addresses.size() < 2) { return; }
    addresses[1] += other_address;
    append_record(to, 0, addresses);
}

std::string cpu_section(const profile& profile, const value_type& type,
                        const exported_stacks& exported) {
    const auto period = std::max<std::int64_t>(profile.period / 1000, 1);  // in microseconds
    const auto nanoseconds_a_count = type.unit == "nanoseconds" ? period * 1000 : 1;
    std::string text = "--- profile\n";
    for (const auto word :
         {std::int64_t{0}, std::int64_t{3}, std::int64_t{0}, period, std::int64_t{0}}) {
        append_word(text, static_cast<std::uint64_t>(word));
    }
    keep_second_frames(text, exported);
    for (const auto& stack : exported.stacks()) {
        const auto rest = stack.value % nanoseconds_a_count;
        const auto count = stack.value / nanoseconds_a_count + (rest >= nanoseconds_a_count - rest);
        if (count > 0) { append_record(text, count, addresses_of(stack)); }
    }
    append_record(text, 0, {0});
    return text;
}

// `n: b [n: b]`
std::string amounts(std::int64_t count, std::int64_t bytes) {
    const auto pair = std::to_string(count) + ": " + std::to_string(bytes);
    return pair + " [" + pair + "] @";
}

// `heapprofile` says that the amounts are true as they are: those of a sampling profiler have been
// scaled up already.
std::string heap_section(const profile& profile, std::size_t value,
                         const exported_stacks& exported) {
    const bool has_count = value > 0 && profile.values[value - 1].unit == "count";
    std::string lines;
    std::int64_t objects = 0;
    for (const auto& stack : exported.stacks()) {
        const auto& values = profile.samples[stack.sample].values;
        const auto count = has_count ? std::max<std::int64_t>(values[value - 1], 0) : 1;
        objects = detail::add_amounts(objects, count);
        lines += amounts(count, stack.value);
        for (const auto frame : stack.frames) {
            lines += ' ' + hex(address_of(frame));
        }
        lines += '\n';
    }
    return "heap profile: " + amounts(objects, exported.total()) + " heapprofile\n" + lines
           + "\nMAPPED_LIBRARIES:\n";
}

}  // namespace

std::string pprof_file(const profile& profile, std::size_t value, const std::string& program) {
    const exported_stacks exported(profile, value);
    const auto& type = profile.values[value];
    return symbol_section(exported, program)
           + (type.unit == "bytes" ? heap_section(profile, value, exported)
                                   : cpu_section(profile, type, exported));
}

}  // namespace coroscope::report
