// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/races/race_candidate.hpp>
