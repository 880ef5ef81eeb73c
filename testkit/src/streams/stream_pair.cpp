// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/stream_pair.hpp>

#include "byte_lane.hpp"

#include <coroscope/runtime/loop.hpp>

#include <memory>

namespace coroscope::testkit {

stream_pair make_stream_pair(const stream_pair_options& options) {
    using detail::byte_lane;
    using detail::memory_end;
    auto& loop = get_running_loop();
    const auto there = std::make_shared<byte_lane>(options.capacity);
    const auto back = std::make_shared<byte_lane>(options.capacity);
    const auto make = [&](const auto& incoming, const auto& outgoing, const char* remote,
                          const char* local) {
        return coroscope::detail::make_simulated_stream(
            std::make_shared<memory_end>(loop, incoming, outgoing), options.stream, remote, local);
    };
    return {make(back, there, "second end", "first end"),
            make(there, back, "first end", "second end")};
}

}  // namespace coroscope::testkit
