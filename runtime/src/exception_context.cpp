// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exception_context.hpp>

#include <atomic>
#include <iostream>

#include <cxxabi.h>

namespace coroscope {
namespace {

void write_orphan(const exception_context& context) noexcept {
    try {
        std::cerr << "coroscope: " + context.message + " (created at "
                         + to_string(context.created_at)
                         + ", its loop is gone): " + describe(context.exception) + '\n'
                  << std::flush;
    } catch (...) {  // NOLINT(bugprone-empty-catch): nobody is left to be told
    }
}

std::atomic<orphan_handler> current_orphan_handler{nullptr};

}  // namespace

std::string describe(const std::exception_ptr& exception) {
    if (exception == nullptr) { return "no exception"; }
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception& e) { return e.what(); } catch (...) {
        const auto* type = abi::__cxa_current_exception_type();
        return type != nullptr ? std::string("an exception of type ") + type->name()
                               : std::string("an exception of unknown type");
    }
}

orphan_handler set_orphan_handler(orphan_handler handler) noexcept {
    return current_orphan_handler.exchange(handler);
}

void report_orphan(const exception_context& context) noexcept {
    const auto handler = current_orphan_handler.load();
    if (handler != nullptr) {
        handler(context);
    } else {
        write_orphan(context);
    }
}

}  // namespace coroscope
