// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exception_context.hpp>

#include <coroscope/runtime/protocol.hpp>
#include <coroscope/runtime/transport.hpp>

#include <boost/core/demangle.hpp>

#include <atomic>
#include <iostream>
#include <sstream>
#include <typeinfo>

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

std::string to_string(const exception_context& context) {
    std::ostringstream text;
    text << context.message << '\n';
    if (context.task_id != 0) {
        text << "  task: " << context.task_id << " (" << context.task_name << ")\n";
    }
    if (context.future_id != 0) { text << "  future: " << context.future_id << '\n'; }
    if (context.handle_id != 0) { text << "  handle: " << context.handle_id << '\n'; }
    if (context.protocol != nullptr) {
        const auto& made = *context.protocol;
        text << "  protocol: " << boost::core::demangle(typeid(made).name()) << '\n';
    }
    if (context.transport != nullptr) {
        text << "  transport: " << context.transport->description() << '\n';
    }
    if (context.socket >= 0) { text << "  socket: descriptor " << context.socket << '\n'; }
    if (context.created_at.line() != 0) {
        text << "  created at: " << to_string(context.created_at) << '\n';
    }
    if (context.exception != nullptr) {
        text << "  exception: " << describe(context.exception) << '\n';
    }
    return text.str();
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
