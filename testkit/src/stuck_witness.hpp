// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace coroscope::testkit::detail {

/// Something that can say why a test goes no further, for the report of a deadlock. Known from its
/// construction to its destruction, to the tests of its thread.
class stuck_witness {
public:
    stuck_witness(const stuck_witness&) = delete;
    stuck_witness& operator=(const stuck_witness&) = delete;
    /// One line; empty: nothing to say.
    [[nodiscard]] virtual std::string stuck_note() const = 0;

    /// What all of them say, a line each, indented.
    [[nodiscard]] static std::string all_notes();

protected:
    stuck_witness() noexcept;
    ~stuck_witness();

private:
    stuck_witness* previous_;
    stuck_witness* next_ = nullptr;
};

}  // namespace coroscope::testkit::detail
