// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/capture_output.hpp>

#include "support/catch.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using coroscope::testkit::capture_output;

// Nothing is asserted while output is captured: a reporter that tells of it would write into it.

TEST_CASE("what goes through the standard streams is captured, in order", "[capture_output]") {
    std::string text;
    std::string out;
    std::string err;
    {
        const capture_output output;
        std::cout << "one " << 1 << '\n';
        std::cerr << "two\n";
        std::clog << "three\n";
        std::cout << "four";
        text = output.text();
        out = output.out();
        err = output.err();
    }
    CHECK(text == "one 1\ntwo\nthree\nfour");
    CHECK(out == "one 1\nfour");
    CHECK(err == "two\nthree\n");
}

TEST_CASE("lines come without their ends", "[capture_output]") {
    std::vector<std::string> lines;
    std::vector<std::string> none;
    {
        const capture_output output;
        none = output.lines();
        std::cout << "a\n\nb";
        lines = output.lines();
    }
    CHECK(none.empty());
    CHECK(lines == std::vector<std::string>{"a", "", "b"});
}

TEST_CASE("the innermost capture has the output", "[capture_output]") {
    std::string inner_text;
    std::string outer_text;
    {
        const capture_output outer;
        std::cout << "a";
        {
            const capture_output inner;
            std::cout << "b";
            inner_text = inner.text();
        }
        std::cout << "c";
        outer_text = outer.text();
    }
    CHECK(inner_text == "b");
    CHECK(outer_text == "ac");
}

TEST_CASE("captured streams write elsewhere again when the scope ends", "[capture_output]") {
    auto* const out = std::cout.rdbuf();
    auto* const err = std::cerr.rdbuf();
    auto* const log = std::clog.rdbuf();
    { const capture_output output; }
    CHECK(std::cout.rdbuf() == out);
    CHECK(std::cerr.rdbuf() == err);
    CHECK(std::clog.rdbuf() == log);
}

TEST_CASE("descriptors are captured with all that is written to them", "[capture_output]") {
    std::string out;
    std::string err;
    std::string text;
    {
        const capture_output output(capture_output::from::descriptors);
        std::cout << "stream ";
        std::printf("stdio ");
        std::cout << "again ";
        std::fflush(stdout);
        static_cast<void>(!::write(STDOUT_FILENO, "write ", 6));
        static_cast<void>(!std::system("echo child; echo problem >&2"));
        std::cerr << "error";
        out = output.out();
        err = output.err();
        text = output.text();
    }
    CHECK(out == "stream stdio again write child\n");
    CHECK(err == "problem\nerror");
    CHECK(text == out + err);
}

TEST_CASE("captures of descriptors nest, also in captures of streams", "[capture_output]") {
    std::string innermost;
    std::string middle;
    std::string outer;
    {
        const capture_output streams;
        std::cout << "a";
        {
            const capture_output descriptors(capture_output::from::descriptors);
            std::cout << "b";
            {
                const capture_output inner(capture_output::from::descriptors);
                std::printf("c");
                innermost = inner.text();
            }
            std::cout << "d";
            middle = descriptors.text();
        }
        std::cout << "e";
        outer = streams.text();
    }
    CHECK(innermost == "c");
    CHECK(middle == "bd");
    CHECK(outer == "ae");
}

TEST_CASE("threads may write into a capture", "[capture_output][threads]") {
    std::string text;
    {
        const capture_output output;
        std::vector<std::thread> writers;
        for (int i = 0; i < 4; ++i) {
            writers.emplace_back([] {
                std::streambuf* const to = std::cout.rdbuf();
                for (int k = 0; k < 100; ++k) {
                    to->sputn("xy", 2);
                }
            });
        }
        for (auto& each : writers) {
            each.join();
        }
        text = output.text();
    }
    REQUIRE(text.size() == 800);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        REQUIRE(text.substr(i, 2) == "xy");
    }
}
