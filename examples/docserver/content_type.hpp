// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace docserver {

/// The media type that a file's name tells; `text/plain` for names without an extension, which is
/// what `copyright`, `README` and `changelog` are. A compressed file is served as what it is
/// (`changelog.gz`: `application/gzip`), never unpacked on the way.
[[nodiscard]] std::string_view content_type(std::string_view file_name);

/// Whether compression is worth trying.
[[nodiscard]] bool is_text(std::string_view content_type);

}  // namespace docserver
