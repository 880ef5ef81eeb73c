// SPDX-License-Identifier: Apache-2.0
#include "detail_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace coroscope::profiler_server {
namespace {

constexpr int rounds = 8;
constexpr std::size_t most_frames = 1'000;
constexpr std::uint64_t longest_name = 256;

std::uint64_t number_in(std::span<const std::byte> bytes, std::size_t offset) {
    std::uint64_t number = 0;
    std::memcpy(&number, &bytes[offset], sizeof(number));
    return number;
}

/// Room for one number of each job.
class numbers_of {
public:
    explicit numbers_of(std::size_t count) : numbers_(count), requests_(count) {}

    void ask(std::size_t i, std::uint64_t address) {
        requests_[i] = {address, std::as_writable_bytes(std::span(&numbers_[i], 1)), false};
    }
    void read(const address_space& space) { space.read_all(requests_); }
    [[nodiscard]] bool is_read(std::size_t i) const { return requests_[i].done; }
    [[nodiscard]] std::uint64_t at(std::size_t i) const { return numbers_[i]; }

private:
    std::vector<std::uint64_t> numbers_;
    std::vector<memory_request> requests_;
};

}  // namespace

void detail_reader::read_owners(const std::vector<job>& jobs) const {
    std::vector<job> waiting;
    for (const auto& j : jobs) {
        if (layout_.state_name(j.record->state) == "waiting"
            && layout_.wait_kind_name(j.record->waits_for) == "mutex"
            && j.record->wait_detail != 0) {
            waiting.push_back(j);
        }
    }
    numbers_of owners(waiting.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        owners.ask(i, waiting[i].record->wait_detail);
    }
    owners.read(space_);
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        if (owners.is_read(i)) { waiting[i].details->owner = owners.at(i); }
    }
}

void detail_reader::read_long_name(const job& of) const {
    const auto& header = layout_.header;
    const auto number_at = [&](std::uint64_t address) {
        return space_.value_at<std::uint64_t>(address).value_or(0);
    };
    const auto extras = number_at(of.record->address + header.name_extras_offset);
    if (extras == 0) { return; }
    const auto letters = number_at(extras + header.name_address_offset);
    const auto length = std::min(number_at(extras + header.name_length_offset), longest_name);
    std::string name(length, '\0');
    const bool is_read = space_.read(letters, std::as_writable_bytes(std::span(name))) == length;
    if (is_read && name.starts_with(of.record->short_name())) {
        of.details->long_name = std::move(name);
    }
}

bool detail_reader::step(job& j, std::span<const std::byte> frame, bool is_read) const {
    const auto& header = layout_.header;
    auto& details = *j.details;
    details.is_truncated = true;
    if (!is_read) { return false; }
    const auto task = j.record->address + header.task_offset;
    if (number_in(frame, header.frame_task_offset) != task) { return false; }
    if (details.sites.size() == most_frames) { return false; }
    details.sites.push_back(number_in(frame, header.frame_site_offset));
    j.frame = number_in(frame, header.frame_parent_offset);
    details.is_truncated = j.frame != 0;
    return j.frame != 0;
}

/// One frame of each task at a time, so that many are read with one call to the kernel.
void detail_reader::walk_frames(std::vector<job> jobs) const {
    for (auto& j : jobs) {
        j.details->is_walked = true;
        j.frame = j.record->frame;
    }
    std::erase_if(jobs, [](const job& j) { return j.frame == 0; });
    const auto size = layout_.frame_bytes;
    std::vector<std::byte> frames;
    std::vector<memory_request> requests;
    while (!jobs.empty()) {
        frames.resize(jobs.size() * size);
        requests.resize(jobs.size());
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            requests[i] = {jobs[i].frame, std::span(frames).subspan(i * size, size), false};
        }
        space_.read_all(requests);
        std::size_t left = 0;
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            if (step(jobs[i], requests[i].to, requests[i].done)) { jobs[left++] = jobs[i]; }
        }
        jobs.resize(left);
    }
}

void detail_reader::read_once(std::vector<job>& jobs, bool stacks) const {
    for (const auto& j : jobs) {
        *j.details = {};
        if (j.record->name_is_cut) { read_long_name(j); }
    }
    std::erase_if(jobs, [](const job& j) { return j.record->runs; });
    read_owners(jobs);
    if (stacks) { walk_frames(jobs); }
}

std::vector<detail_reader::job> detail_reader::that_moved(const std::vector<job>& jobs) const {
    std::vector<std::byte> blocks(jobs.size() * layout_.block_bytes);
    std::vector<memory_request> requests(jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        requests[i] = {jobs[i].record->address,
                       std::span(blocks).subspan(i * layout_.block_bytes, layout_.block_bytes),
                       false};
    }
    space_.read_all(requests);
    std::vector<job> moved;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const auto& was = *jobs[i].record;
        const std::span<const std::byte> is = requests[i].to;
        if (!requests[i].done || layout_.id.in(is) != was.id
            || layout_.sequence.in(is) != was.sequence || layout_.state.in(is) != was.state) {
            moved.push_back(jobs[i]);
        }
    }
    return moved;
}

std::vector<task_details> detail_reader::read(std::vector<raw_record>& records, bool stacks) const {
    std::vector<task_details> details(records.size());
    std::vector<job> jobs;
    for (std::size_t i = 0; i < records.size(); ++i) {
        jobs.push_back({&records[i], &details[i]});
    }
    for (int round = 0; round < rounds; ++round) {
        read_once(jobs, stacks);
        jobs = that_moved(jobs);
        if (jobs.empty()) { return details; }
        for (const auto& j : jobs) {
            *j.details = {};
        }
        std::erase_if(jobs, [&](const job& j) { return !records_.read_again(*j.record); });
    }
    for (const auto& j : jobs) {
        j.record->runs = true;
    }
    return details;
}

}  // namespace coroscope::profiler_server
