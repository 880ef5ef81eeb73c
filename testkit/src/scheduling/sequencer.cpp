// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/sequencer.hpp>

#include <coroscope/runtime/error.hpp>

#include <stdexcept>
#include <string>

namespace coroscope::testkit {

void sequencer::expect_unbroken(std::size_t number) const {
    if (is_broken_) {
        throw invalid_state_error("turn " + std::to_string(number)
                                  + " of a sequencer will not come: a task was cancelled while it "
                                    "waited for an earlier one");
    }
}

coro<sequencer::held_turn> sequencer::turn(std::size_t number) {
    expect_unbroken(number);
    if (number < next_ || (number == next_ && is_taken_) || waiting_.contains(number)) {
        throw std::logic_error("turn " + std::to_string(number)
                               + " of a sequencer was taken before; each is for one task, once");
    }
    if (number > next_) {
        auto& begins = waiting_[number];
        try {
            co_await begins.wait();
        } catch (const cancelled_error&) {
            is_broken_ = true;
            for (auto& [later, other] : waiting_) {
                other.set();
            }
            throw;
        }
        expect_unbroken(number);
        waiting_.erase(number);
    }
    is_taken_ = true;
    co_return held_turn(*this);
}

void sequencer::end_turn() noexcept {
    ++next_;
    is_taken_ = false;
    const auto next = waiting_.find(next_);
    if (next != waiting_.end()) { next->second.set(); }
}

}  // namespace coroscope::testkit
