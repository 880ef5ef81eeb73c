// SPDX-License-Identifier: Apache-2.0
#include "text_table.hpp"

#include "support/catch.hpp"

#include <sstream>
#include <stdexcept>

using namespace coroscope::profiler_server::cli;

namespace {

std::string printed(const text_table& table) {
    std::ostringstream out;
    table.print(out);
    return out.str();
}

}  // namespace

TEST_CASE("columns are as wide as their contents and aligned", "[cli]") {
    text_table table({{"ID", alignment::right}, {"NAME"}, {"N", alignment::right}});
    table.add({"7", "serve", "1"});
    table.add({"1234", "f", "200"});
    CHECK(printed(table) ==
          "  ID  NAME     N\n"
          "   7  serve    1\n"
          "1234  f      200\n");
}

TEST_CASE("lines end without blanks", "[cli]") {
    text_table table({{"A"}, {"B"}});
    table.add({"long", ""});
    CHECK(printed(table) == "A     B\nlong\n");
}

TEST_CASE("a text that is too wide keeps its end", "[cli]") {
    text_table table({{"AT", alignment::left, 10}});
    table.add({"/home/me/src/a.cpp:12"});
    table.add({"a.cpp:1234"});
    CHECK(printed(table) == "AT\n....cpp:12\na.cpp:1234\n");
}

TEST_CASE("characters beyond ASCII count once", "[cli]") {
    text_table table({{"A", alignment::right, 5}, {"B"}});
    table.add({"\xc3\xa9\xc3\xa9", "x"});
    table.add({"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "y"});
    CHECK(printed(table) == "    A  B\n   \xc3\xa9\xc3\xa9  x\n...\xc3\xa9\xc3\xa9  y\n");
}

TEST_CASE("control characters do not reach the terminal", "[cli]") {
    CHECK(printable("a\x1b[31mb\nc\x7f") == "a?[31mb?c?");
    CHECK(printable("caf\xc3\xa9") == "caf\xc3\xa9");
}

TEST_CASE("a row with too few cells is a mistake", "[cli]") {
    text_table table({{"A"}, {"B"}});
    CHECK_THROWS_AS(table.add({"a"}), std::logic_error);
}
