// SPDX-License-Identifier: Apache-2.0
#pragma once

// With COROSCOPE_PRECOMPILE_OWN: what most tests include of ours. A third less to compile for
// builds from nothing, but a change of any of these compiles every test anew.

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/sync.hpp>
#include <coroscope/runtime/task_group.hpp>
#include <coroscope/runtime/wait.hpp>
