// SPDX-License-Identifier: Apache-2.0
// The chat of examples/chat_server, without connections.

#include "chat_server/chat.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/testkit/catch.hpp>

#include <string>

using chat_server::chat;
using chat_server::chat_limits;
using chat_server::member;
using coroscope::coro;
using coroscope::testkit::settle;
using coroscope::testkit::this_test;

namespace {

/// All that waits for a member.
std::string take(member& of) {
    std::string all;
    while (!of.outgoing.empty()) {
        all += of.outgoing.get_nowait();
    }
    return all;
}

}  // namespace

CO_TEST_CASE("what is said goes to the others in the room", "[chat]") {
    chat c{chat_limits()};
    const auto anna = c.enter();
    const auto ben = c.enter();
    const auto carl = c.enter();
    c.take_line(*carl, "/join kitchen\n");
    take(*anna);
    take(*ben);
    take(*carl);
    c.take_line(*anna, "hello\r\n");
    c.take_line(*anna, "\n");
    CO_CHECK(take(*ben) == "guest1: hello\n");
    CO_CHECK(take(*anna).empty());
    CO_CHECK(take(*carl).empty());
    c.take_line(*anna, "/nick anna");
    CO_CHECK(take(*ben) == "* guest1 is now anna\n");
    c.take_line(*ben, "/nick anna");
    CO_CHECK(take(*ben) == "* there is a anna already\n");
    c.take_line(*ben, "/who");
    CO_CHECK(take(*ben) == "* in lobby: anna guest2\n");
    co_return;
}

CO_TEST_CASE("nobody's terminal can be made to do things", "[chat]") {
    chat c{chat_limits()};
    const auto anna = c.enter();
    const auto ben = c.enter();
    take(*ben);
    c.take_line(*anna, "\x1b[2J\ttab\x7f");
    CO_CHECK(take(*ben) == "guest1: ?[2J tab?\n");
    take(*anna);
    c.take_line(*anna, "/\x1b[2J");
    CO_CHECK(take(*anna) == "* there is no command /?[2J; /help lists them\n");
    co_return;
}

CO_TEST_CASE("who lets too much pile up is dropped, and nobody waits for them", "[chat]") {
    chat_limits limits;
    limits.waiting_lines = 10;
    chat c(limits);
    const auto talker = c.enter();
    const auto reader = c.enter();
    const auto slow = c.enter();
    take(*slow);
    std::string read;
    for (int i = 0; i < 10; ++i) {
        c.take_line(*talker, std::to_string(i));
        read += take(*reader);
    }
    CO_CHECK_FALSE(slow->ended.is_set());  // just full
    c.take_line(*talker, "10");
    CO_CHECK(slow->ended.is_set());
    CO_CHECK(slow->farewell == "* you read too slowly; goodbye");
    CO_CHECK(slow->outgoing.size() == 10);
    CO_CHECK(c.size() == 2);
    read += take(*reader);
    const auto about = read.find("guest2: ");
    CO_CHECK(about == std::string::npos);
    CO_CHECK(read.find("guest1: 9\nguest1: 10\n* guest3 reads too slowly and was dropped\n")
             != std::string::npos);
    c.take_line(*slow, "too late");
    CO_CHECK(take(*reader).empty());
    co_return;
}

CO_TEST_CASE("dropping one may drop the next, and the others hear of both", "[chat]") {
    chat_limits limits;
    limits.waiting_lines = 5;
    chat c(limits);
    const auto talker = c.enter();
    const auto slow = c.enter();
    const auto slower = c.enter();
    const auto reader = c.enter();
    take(*talker);
    while (!slow->ended.is_set() || !slower->ended.is_set()) {
        take(*reader);
        c.take_line(*talker, "more");
    }
    const auto told = take(*reader);
    CO_CHECK(told.find("* guest2 reads") != std::string::npos);
    CO_CHECK(told.find("* guest3 reads") != std::string::npos);
    CO_CHECK(c.size() == 2);
    co_return;
}

CO_TEST_CASE("a member learns that the membership has ended", "[chat]") {
    chat_limits limits;
    limits.members = 2;
    chat c(limits);
    const auto anna = c.enter();
    const auto ben = c.enter();
    const auto turned_away = c.enter();
    CO_CHECK(turned_away == nullptr);
    const auto wait = [](member& whom) -> coro<> {
        co_await whom.ended.wait();
    };
    auto leaving = this_test().loop().create_task(wait(*anna));
    auto stopping = this_test().loop().create_task(wait(*ben));
    c.take_line(*anna, "/quit");
    co_await settle();
    CO_CHECK(leaving.done());
    CO_CHECK(anna->farewell == "* goodbye");
    CO_CHECK_FALSE(stopping.done());
    c.end(*anna, "has gone", "another farewell");
    CO_CHECK(anna->farewell == "* goodbye");
    c.end_all("* the end");
    co_await settle();
    CO_CHECK(stopping.done());
    CO_CHECK(ben->farewell == "* the end");
    CO_CHECK(c.size() == 0);
}
