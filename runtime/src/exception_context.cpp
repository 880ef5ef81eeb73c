// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exception_context.hpp>

#include <cxxabi.h>

namespace coroscope {

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

}  // namespace coroscope
