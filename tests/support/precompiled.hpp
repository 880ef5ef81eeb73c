// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compiled once for all test executables: what is slow to parse and rarely changes.
// Our own headers stay out, so that editing one of them does not rebuild every test.

#include "support/catch.hpp"

#include <boost/asio.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <source_location>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
