// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace docserver {

/// The content in gzip format, in one go: some 10 to 100 ms for a megabyte. Throws
/// `std::runtime_error` if zlib fails. **Thread safety**: any thread.
[[nodiscard]] std::string gzip_compress(std::string_view content, int level);

/// What `gzip_compress` was given. Throws `std::runtime_error` for what is not gzip, or cut off.
[[nodiscard]] std::string gzip_decompress(std::string_view packed);

/// Whether a client that sends this Accept-Encoding takes gzip.
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

/// Lets the calling thread go behind others: compressing ahead of the loop that answers requests
/// helps nobody.
void lower_thread_priority() noexcept;

}  // namespace docserver
