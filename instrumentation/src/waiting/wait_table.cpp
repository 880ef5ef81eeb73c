// SPDX-License-Identifier: Apache-2.0
#include "wait_table.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace coroscope::instrumentation {

wait_table::wait_table(std::size_t capacity)
    : entries_(std::bit_ceil(2 * capacity + 1)),  // half of them stay free, or find never ends
      capacity_(capacity),
      mask_(entries_.size() - 1) {}

bool wait_table::open(wait_sums& entry, std::uint64_t key, std::span<const await_site> sites,
                      const wait_place& place, bool truncated) noexcept {
    entry.sites.reset(new (std::nothrow) await_site[sites.size()]);
    if (entry.sites == nullptr) { return false; }
    std::copy(sites.begin(), sites.end(), entry.sites.get());
    entry.site_count = static_cast<std::uint32_t>(sites.size());
    entry.place = place;
    entry.truncated = truncated;
    ++used_;
    entry.key.store(key, std::memory_order_release);
    return true;
}

}  // namespace coroscope::instrumentation
