// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/pipe.hpp>

#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

/// A pipe's two descriptors: what goes into `in` comes out of `out`.
struct raw_pipe {
    raw_pipe() {
        int ends[2] = {};
        if (::pipe2(ends, O_CLOEXEC) != 0) { throw std::runtime_error("pipe2 failed"); }
        out = coroscope::file_descriptor(ends[0]);
        in = coroscope::file_descriptor(ends[1]);
    }
    coroscope::file_descriptor out;
    coroscope::file_descriptor in;
};
