// SPDX-License-Identifier: Apache-2.0
// The smallest user of the runtime.

#include <coroscope/runtime/run.hpp>

namespace {

coroscope::coro<int> answer() {
    co_return 42;
}

coroscope::coro<int> main_coro() {
    co_return co_await answer();
}

}  // namespace

int main() {
    return coroscope::run(main_coro()) == 42 ? 0 : 1;
}
