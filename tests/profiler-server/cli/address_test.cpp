// SPDX-License-Identifier: Apache-2.0
#include "address.hpp"

#include "support/catch.hpp"

using coroscope::profiler_server::cli::parse_address;

TEST_CASE("addresses are read with and without a host", "[cli]") {
    CHECK(parse_address("example.org:80")->host == "example.org");
    CHECK(parse_address("example.org:80")->port == 80);
    CHECK(parse_address("65535")->port == 65535);
    CHECK(parse_address("65535")->host == "127.0.0.1");
    CHECK(parse_address("[::1]:9")->host == "::1");
    CHECK(parse_address(":80")->host == "127.0.0.1");
    CHECK(parse_address(":80")->port == 80);
}

TEST_CASE("what is not exactly an address is refused", "[cli]") {
    const auto text = GENERATE("", ":", "host", "host:", "host:0", "host:65536", "host:-1",
                               "host:+1", "host:8a", "host: 8", "::1:80", "[]:80", "0", "1 2");
    CAPTURE(text);
    CHECK_FALSE(parse_address(text));
}
