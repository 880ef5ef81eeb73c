// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

/// Programs that use what may be freed by then, in no execution that nobody steers. None of the
/// corpus: without a detector they have no defined end.
coroscope::coro<> number_that_is_freed_late();
coroscope::coro<> vector_that_grows_late();
/// ... and one in which the user owns it.
coroscope::coro<> number_that_is_owned();
