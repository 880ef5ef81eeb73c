// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace coroscope::instrumentation {

/// Where a trace goes.
class trace_sink {
public:
    virtual void take(std::string_view text) = 0;

protected:
    ~trace_sink() = default;
};

class string_sink final : public trace_sink {
public:
    void take(std::string_view text) override { text_ += text; }
    std::string text_;
};

/// Calls nothing but write(2), so that it may be used in a signal handler.
class descriptor_sink final : public trace_sink {
public:
    explicit descriptor_sink(int descriptor) noexcept : descriptor_(descriptor) {}
    void take(std::string_view text) noexcept override;
    /// The first error, 0 if there was none; after one, nothing more is written.
    [[nodiscard]] int error() const noexcept { return error_; }

private:
    int descriptor_;
    int error_ = 0;
};

/// Puts JSON text together in a buffer of its own: neither allocates nor throws unless the sink
/// does. The caller sees to brackets and commas.
class trace_text {
public:
    explicit trace_text(trace_sink& to) noexcept : to_(to) {}

    trace_text& raw(std::string_view text);
    trace_text& number(std::uint64_t value);
    /// Microseconds with three digits behind the point, as traces have them.
    trace_text& microseconds(std::chrono::nanoseconds d);
    /// What stands inside of quotation marks: escaped, and bytes that are no UTF-8 replaced.
    trace_text& escaped(std::string_view text);
    /// `file:line`, escaped.
    trace_text& place(const await_site& site);
    /// The same without the file's folder.
    trace_text& short_place(const await_site& site);
    void flush();

private:
    void put(char c);
    void put_control(unsigned char c);
    std::size_t put_special(std::string_view text);

    trace_sink& to_;
    std::size_t used_ = 0;
    std::array<char, 1024> buffer_;  // small: it may lie on the stack of a signal handler
};

}  // namespace coroscope::instrumentation
