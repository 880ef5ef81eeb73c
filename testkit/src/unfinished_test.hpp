// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace coroscope::testkit::detail {

/// Says that a test has begun and not ended. If the process is left with `exit` or `quick_exit`
/// meanwhile, its status would tell of success: then the test is named on standard error, and the
/// status is that of a failure. A process that was forked inside of a test may leave as it likes.
/// Any thread.
class unfinished_test {
public:
    explicit unfinished_test(std::string description);
    unfinished_test(const unfinished_test&) = delete;
    unfinished_test& operator=(const unfinished_test&) = delete;
    ~unfinished_test();

private:
    std::string description_;
};

}  // namespace coroscope::testkit::detail
