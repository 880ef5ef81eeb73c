// SPDX-License-Identifier: Apache-2.0
// In the place of sample_stack.cpp where stacks are left out of the build: the instruction alone.
#include "sample_stack.hpp"

namespace coroscope::instrumentation::detail {

class landing_places {};

sample_unwinder::sample_unwinder() = default;
sample_unwinder::~sample_unwinder() = default;

unwound_stack sample_unwinder::native_stack(const cpu_sample& sample, bool& has_body) {
    has_body = sample.task.body != 0;
    const auto& registers = sample.stack.registers();
    return {{registers.values[register_values::instruction_pointer]}, !has_body};
}

}  // namespace coroscope::instrumentation::detail
