// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/creation_origin.hpp>

#include "support/catch.hpp"

#include <array>
#include <span>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using coroscope::await_site;
using coroscope::creation_origin;

namespace {

/// Eight different sites.
const std::array<await_site, 8>& some_sites() {
    static const std::array sites{
        await_site::current(), await_site::current(), await_site::current(), await_site::current(),
        await_site::current(), await_site::current(), await_site::current(), await_site::current(),
    };
    return sites;
}

/// The `number`-th of 8^6 sequences of six sites.
std::array<await_site, 6> sequence(std::size_t number) {
    std::array<await_site, 6> made;
    for (auto& site : made) {
        site = some_sites()[number % 8];
        number /= 8;
    }
    return made;
}

/// In a process of its own, since what is full stays full.
bool full_set_keeps_the_call() {
    std::size_t made = 0;
    const auto cut_before = coroscope::origins_cut();
    while (coroscope::origins_cut() == cut_before) {
        static_cast<void>(creation_origin::of(sequence(made++)));
    }
    const auto last = sequence(made - 1);
    const auto first = sequence(0);
    return made <= creation_origin::most_places + 1 && made > creation_origin::most_places / 2
           && creation_origin::of(last).size() == 1
           && creation_origin::of(last).call().column() == last[0].column()
           && creation_origin::of(first).size() == first.size();
}

}  // namespace

TEST_CASE("the origin of a single call is that call") {
    const auto here = await_site::current();
    const creation_origin origin(here);
    CHECK(origin.size() == 1);
    CHECK(origin.call().line() == here.line());
    REQUIRE(origin.sites().size() == 1);
    CHECK(origin.sites()[0].line() == here.line());
    CHECK(creation_origin::of(std::span(&here, 1)) == origin);
}

TEST_CASE("an unknown origin has no sites") {
    CHECK(creation_origin().size() == 0);
    CHECK(creation_origin().sites().empty());
    CHECK(creation_origin().call().line() == 0);
    CHECK(creation_origin::of({}) == creation_origin());
}

TEST_CASE("equal sites are one origin, others another") {
    const auto sites = sequence(12345);
    const auto others = sequence(12346);
    const auto origin = creation_origin::of(sites);
    CHECK(origin == creation_origin::of(sequence(12345)));
    CHECK(origin != creation_origin::of(others));
    CHECK(origin != creation_origin::of(std::span(sites).first(5)));
    CHECK(origin.size() == 6);
    const auto back = origin.sites();
    REQUIRE(back.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(back[i].column() == sites[i].column());
    }
    CHECK(origin.call().column() == sites[0].column());
}

TEST_CASE("sites beyond the most are left out, the outermost first") {
    std::vector<await_site> many(creation_origin::most_sites + 5, some_sites()[1]);
    many.front() = some_sites()[0];
    const auto origin = creation_origin::of(many);
    CHECK(origin.size() == creation_origin::most_sites);
    CHECK(origin.call().column() == some_sites()[0].column());
}

TEST_CASE("threads that note the same origins at the same time get the same", "[threads]") {
    constexpr std::size_t count = 2000;
    std::array<std::vector<creation_origin>, 4> noted;
    std::vector<std::thread> threads;
    for (auto& mine : noted) {
        threads.emplace_back([&mine] {
            for (std::size_t i = 0; i < count; ++i) {
                mine.push_back(creation_origin::of(sequence(100'000 + i)));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    for (const auto& mine : noted) {
        CHECK(mine == noted[0]);
    }
}

TEST_CASE("when there is no room for another place, tasks keep the call alone, and it is counted") {
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) { ::_exit(full_set_keeps_the_call() ? 0 : 1); }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
