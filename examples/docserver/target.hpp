// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace docserver {

/// A request's target as a path below the root.
struct target_path {
    /// 0: usable; otherwise the HTTP status to refuse it with.
    int refused = 0;
    /// Decoded and normalised: no empty, `.` or `..` parts, no slash at either end.
    std::string path;
    /// It ended in a slash, so it asks for a directory.
    bool is_directory = false;
};

/// Takes the path out of a target (`/a/b?query` or `http://host/a/b`), decodes and normalises it.
/// 400 for what is malformed or holds an encoded slash or NUL; 403 for what leads above the root.
[[nodiscard]] target_path decode_target(std::string_view target);

/// For links: everything but letters, digits and `-._~/` as `%XX`.
[[nodiscard]] std::string percent_encode(std::string_view path);

}  // namespace docserver
