// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "address_space.hpp"

#include <istream>

#include <sys/types.h>

namespace coroscope::profiler_server {

/// The memory of a running process, copied by the kernel without stopping it.
class live_process final : public address_space {
public:
    /// Throws `inspection_error` where there is no such process, or we may not read it.
    explicit live_process(std::uint64_t pid);

    [[nodiscard]] std::vector<memory_region> regions() const override { return regions_; }
    [[nodiscard]] std::size_t read(std::uint64_t address, std::span<std::byte> to) const override;
    void read_all(std::span<memory_request> requests) const override;
    [[nodiscard]] std::uint64_t now(bool ticks_are_tsc) const override;

private:
    void check_permission() const;

    ::pid_t pid_;
    std::vector<memory_region> regions_;
};

/// What `/proc/PID/maps` says; lines of another form are left out.
[[nodiscard]] std::vector<memory_region> read_maps(std::istream& maps);

}  // namespace coroscope::profiler_server
