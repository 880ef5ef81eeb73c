// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/sync.hpp>

#include "support/catch.hpp"

#include <type_traits>

namespace {

template <class T>
constexpr bool stays_where_it_is =
    !std::is_copy_constructible_v<T> && !std::is_move_constructible_v<T>;

}  // namespace

TEST_CASE("one header brings everything that tasks wait for each other with", "[sync]") {
    STATIC_REQUIRE(stays_where_it_is<coroscope::mutex>);
    STATIC_REQUIRE(stays_where_it_is<coroscope::event>);
    STATIC_REQUIRE(stays_where_it_is<coroscope::condition>);
    STATIC_REQUIRE(stays_where_it_is<coroscope::semaphore>);
    STATIC_REQUIRE(stays_where_it_is<coroscope::bounded_semaphore>);
    STATIC_REQUIRE(stays_where_it_is<coroscope::barrier>);
    coroscope::mutex m;  // no loop is needed to make one
    const coroscope::condition c(m);
    const coroscope::barrier b(2);
    CHECK_FALSE(c.locked());
    CHECK(b.n_waiting() == 0);
}

TEST_CASE("guards can be moved and not copied", "[sync]") {
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<coroscope::scoped_lock>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<coroscope::scoped_lock>);
    STATIC_REQUIRE(std::is_nothrow_move_assignable_v<coroscope::scoped_permit>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<coroscope::scoped_permit>);
    CHECK_FALSE(coroscope::scoped_lock().owns_lock());
    CHECK_FALSE(coroscope::scoped_permit().owns_permit());
}
