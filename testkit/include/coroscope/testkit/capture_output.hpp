// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace coroscope::testkit {

/// For a scope, what is written to standard output and standard error is kept instead.
///
///     const capture_output output;
///     co_await greet("Ada");
///     CO_CHECK(output.text() == "hello, Ada\n");
///
/// `streams`, the default, takes what goes through `std::cout`, `std::cerr` and `std::clog` of this
/// program. `descriptors` takes descriptors 1 and 2, and with them `printf`, `write` and what child
/// processes write; Linux only. A test framework's reports go into the capture, too, if they are
/// written meanwhile. Nested: the innermost scope has it.
///
/// **Thread safety**: threads may write; scopes belong to one thread, and end in the reverse order
/// of their beginning. Throws `std::system_error` where descriptors cannot be redirected.
class capture_output {
public:
    enum class from : std::uint8_t { streams, descriptors };

    explicit capture_output(from what = from::streams);
    capture_output(const capture_output&) = delete;
    capture_output& operator=(const capture_output&) = delete;
    ~capture_output();

    /// Everything so far, in the order in which it was written. From descriptors: standard output,
    /// then standard error.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::string out() const;  ///< standard output
    [[nodiscard]] std::string err() const;  ///< standard error: `cerr` and `clog`
    /// `text()` without its line ends; a last line without one counts.
    [[nodiscard]] std::vector<std::string> lines() const;

private:
    class redirection;
    std::unique_ptr<redirection> redirection_;
};

}  // namespace coroscope::testkit
