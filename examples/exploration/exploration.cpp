// SPDX-License-Identifier: Apache-2.0
// Two customers, one last seat: right in the order that every run has, wrong in another.

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/explore.hpp>
#include <coroscope/testkit/fault.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;
using coroscope::coro;
namespace testkit = coroscope::testkit;

struct theatre {
    int free_seats = 1;
    int tickets = 0;
    coroscope::mutex booking;
};

coro<> pay() {
    co_await coroscope::sleep_for(1s);
    const bool is_declined = testkit::fault_point("card declined");
    if (is_declined) { throw std::runtime_error("the card was declined"); }
}

coro<> book(theatre& t) {
    if (t.free_seats == 0) { co_return; }
    co_await coroscope::yield_now();  // asks the database, say
    --t.free_seats;
    ++t.tickets;
}

// The second customer comes when the first one has booked, as a rule.
coro<> book_later(theatre& t) {
    co_await coroscope::yield_now();
    co_await coroscope::yield_now();
    co_await book(t);
}

coro<> two_customers() {
    theatre t;
    co_await coroscope::gather(book(t), book_later(t));
    if (t.tickets > 1) { throw std::runtime_error("one seat was sold twice"); }
}

coro<> book_alone(theatre& t) {
    const auto lock = co_await t.booking.scoped();
    co_await book(t);
}

coro<> two_patient_customers() {
    theatre t;
    co_await coroscope::gather(book_alone(t), book_alone(t));
    if (t.tickets > 1) { throw std::runtime_error("one seat was sold twice"); }
}

coro<> book_and_pay(theatre& t) {
    co_await book_alone(t);
    try {
        co_await pay();
    } catch (const std::runtime_error&) {
        --t.tickets;  // and the seat?
    }
}

coro<> a_card_that_may_be_declined() {
    theatre t;
    co_await book_and_pay(t);
    if (t.tickets + t.free_seats != 1) { throw std::runtime_error("a seat is lost"); }
}

struct letter_box {
    coroscope::condition changed;
    bool has_letter = false;
};

/// Takes a wake-up for a letter.
coro<> collect(letter_box& box) {
    const auto lock = co_await box.changed.scoped();
    if (!box.has_letter) { co_await box.changed.wait(); }
    if (!box.has_letter) { throw std::runtime_error("no letter was there"); }
}

coro<> deliver(letter_box& box) {
    const auto lock = co_await box.changed.scoped();
    box.has_letter = true;
    box.changed.notify();
}

coro<> post_office() {
    letter_box box;
    co_await coroscope::gather(collect(box), deliver(box));
}

int main() {
    testkit::explore_options options;
    options.seed = 1;
    options.test.name = "booking";

    std::cout << "in the usual order: " << testkit::run_test(two_customers).ok() << '\n';
    const auto found = testkit::explore(two_customers, options);
    std::cout << "in some order: " << found.ok() << '\n'
              << found.failure->result.failures[0].message << '\n'
              << found.failure->schedule << '\n';

    const auto again = testkit::replay(two_customers, found.failure->schedule);
    std::cout << "once more: " << again.failures[0].message << '\n';

    std::cout << testkit::explore(two_patient_customers, options) << '\n';

    const auto lost = testkit::explore(a_card_that_may_be_declined, options);
    std::cout << lost.failure->result.failures[0].message << '\n' << lost.failure->schedule << '\n';

    std::cout << "woken by notifications: " << testkit::explore(post_office, options).ok() << '\n';
    options.max_spurious_wakeups = 1;
    const auto woken = testkit::explore(post_office, options);
    std::cout << "for no reason, too: " << woken.ok() << '\n'
              << woken.failure->result.failures[0].message << '\n'
              << woken.failure->shrunk << '\n';
}
