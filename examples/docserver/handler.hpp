// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "files.hpp"
#include "options.hpp"
#include "request.hpp"
#include "response.hpp"

#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/executor.hpp>

namespace docserver {

/// What is served and how: one for all connections. Must outlive the loop.
struct site {
    /// Throws `std::filesystem::filesystem_error` if there is no such root.
    explicit site(options o)
        : settings(std::move(o)),
          root(settings.root),
          compression_threads(settings.offload ? settings.offload_threads : 1) {}

    const options settings;
    const document_root root;
    coroscope::instrumentation::profiler profiler;
    /// For `--offload`. Files are read in the loop's default executor, which is thus never behind
    /// compression.
    coroscope::thread_pool_executor compression_threads;
};

/// Answers one request. Throws what the connection failed with; anything else it throws (a disk
/// error, no memory) has not been answered if nothing was written to `out`.
[[nodiscard]] coroscope::coro<outcome> handle_request(site& s, request r, response_sink& out);

}  // namespace docserver
