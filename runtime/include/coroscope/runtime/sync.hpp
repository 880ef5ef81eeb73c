// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything by which the tasks of one loop wait for each other, but for queues.
#include <coroscope/runtime/barrier.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/semaphore.hpp>
