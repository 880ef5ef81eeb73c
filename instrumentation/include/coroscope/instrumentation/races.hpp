// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/races/contracts.hpp>
#include <coroscope/instrumentation/races/race_candidate.hpp>
#include <coroscope/instrumentation/races/race_detector.hpp>
#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/instrumentation/races/tracked.hpp>
#include <coroscope/instrumentation/races/watched.hpp>
#include <coroscope/instrumentation/races/watched_mutex.hpp>
