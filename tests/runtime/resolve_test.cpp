// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/resolve.hpp>

#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/task.hpp>

#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace stream_pair;
using coroscope::address_family;
using coroscope::resolved_address;

namespace {

/// Keeps its jobs until it is told to run them.
class late_executor : public coroscope::executor {
public:
    void submit(coroscope::detail::callback job) override { jobs.push_back(std::move(job)); }
    std::vector<coroscope::detail::callback> jobs;
};

}  // namespace

TEST_CASE("numeric addresses resolve to themselves, with the service's port", "[io]") {
    coroscope::run([]() -> coro<> {
        const auto v4 = co_await coroscope::getaddrinfo("127.0.0.1", "8080");
        REQUIRE(v4.size() == 1);
        CHECK((v4.front() == resolved_address("127.0.0.1", 8080, address_family::ipv4)));
        coroscope::lookup_options options;
        options.numeric_only = true;
        const auto v6 = co_await coroscope::getaddrinfo("::1", "", options);
        REQUIRE(v6.size() == 1);
        CHECK((v6.front() == resolved_address("::1", 0, address_family::ipv6)));
    }());
}

TEST_CASE("an empty host is this machine, to connect to or to listen on", "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::lookup_options options;
        options.family = address_family::ipv4;
        const auto near = co_await coroscope::getaddrinfo("", "80", options);
        options.passive = true;
        const auto all = co_await coroscope::getaddrinfo("", "80", options);
        const auto nothing = co_await coroscope::getaddrinfo("", "", options);
        REQUIRE(near.size() == 1);
        REQUIRE(all.size() == 1);
        CHECK(near.front().host == "127.0.0.1");
        CHECK(all.front().host == "0.0.0.0");
        CHECK(nothing.front().port == 0);
    }());
}

TEST_CASE("what cannot be looked up is an error that names it", "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::lookup_options options;
        options.numeric_only = true;
        const auto host = co_await message_of<boost::system::system_error>(
            coroscope::getaddrinfo("example.org", "80", options));
        CHECK(contains(host, "looking up example.org service 80"));
        const auto service = co_await message_of<boost::system::system_error>(
            coroscope::getaddrinfo("127.0.0.1", "no-such-service"));
        CHECK(contains(service, "looking up 127.0.0.1 service no-such-service"));
        const auto name = co_await message_of<boost::system::system_error>(
            coroscope::getnameinfo("example.org", 80));
        CHECK(contains(name, "getnameinfo of 'example.org', which is no numeric address"));
    }());
}

TEST_CASE("an address and a port have names, or stand for themselves", "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::naming_options options;
        options.numeric_host = true;
        options.numeric_service = true;
        const auto numbers = co_await coroscope::getnameinfo("127.0.0.1", 65'000, options);
        CHECK(numbers.host == "127.0.0.1");
        CHECK(numbers.service == "65000");
    }());
}

TEST_CASE("a lookup that is cancelled is abandoned") {
    auto late = std::make_shared<late_executor>();
    coroscope::run([](std::shared_ptr<late_executor> jobs) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        loop.set_default_executor(jobs);
        auto looking = loop.create_task(coroscope::getaddrinfo("127.0.0.1", "80"));
        auto naming = loop.create_task(coroscope::getnameinfo("127.0.0.1", 80));
        while (jobs->jobs.size() < 2) {
            co_await coroscope::yield_now();
        }
        looking.cancel();
        naming.cancel();
        co_await let_others_run();
        CHECK(looking.cancelled());
        CHECK(naming.cancelled());
        for (auto& job : jobs->jobs) {
            job();
        }
        co_await let_others_run();
    }(late));
}
