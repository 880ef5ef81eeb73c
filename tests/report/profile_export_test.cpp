// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/profile_export.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace coroscope::report {
namespace {

constexpr auto largest = std::numeric_limits<std::int64_t>::max();

stack_frame frame(const std::string& function, std::uint32_t line = 0, std::uint64_t address = 0) {
    stack_frame made;
    made.function = function;
    made.line = line;
    made.address = address;
    if (line != 0) { made.file = "src/app.cpp"; }
    return made;
}

profile waits() {
    profile_builder builder("wait", {{"waits", "count"}, {"waiting", "nanoseconds"}});
    builder.add({{frame("read", 3), frame("serve", 9)}, false}, "fetch", {1, 4'000});
    builder.add({{frame("main", 1, 0x40)}, true}, "", {2, 8'000});
    builder.add({{frame("write", 5), frame("serve", 9)}, false}, "fetch", {1, -7'000});
    return builder.take();
}

profile one_stack(const std::string& leaf, std::int64_t amount, const std::string& unit) {
    profile_builder builder("cpu", {{"amount", unit}});
    builder.add({{frame(leaf), frame("main")}, false}, "", {amount});
    return builder.take();
}

profile empty_profile() {
    return profile_builder("heap", {{"inuse_space", "bytes"}}).take();
}

nlohmann::json data_of(const std::string& page) {
    const std::string mark = "type=\"application/json\">";
    const auto from = page.find(mark) + mark.size();
    return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

std::vector<std::uint64_t> cpu_words(const std::string& file) {
    const std::string mark = "--- profile\n";
    const auto text = file.substr(file.find(mark) + mark.size());
    std::vector<std::uint64_t> words(text.size() / 8);
    std::memcpy(words.data(), text.data(), words.size() * 8);
    return words;
}

TEST_CASE("frames have their own part and that of what they called", "[report][profile]") {
    profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    builder.add({{frame("read", 3), frame("serve", 9)}, false}, "fetch", {1, 40});
    builder.add({{frame("again", 0, 8), frame("again", 0, 9), frame("serve", 9)}, false}, "",
                {1, 50});
    builder.add({{frame("serve", 9)}, false}, "", {1, 10});
    builder.add({{frame("gone", 4)}, false}, "", {1, -10});
    const auto profile = builder.take();
    const auto shares = frame_shares(profile, 1);
    REQUIRE(shares.size() == 4);
    CHECK(shares[0] == frame_share{"again", 50, 50});
    CHECK(shares[1] == frame_share{"read at app.cpp:3", 40, 40});
    CHECK(shares[2] == frame_share{"serve at app.cpp:9", 10, 100});
    CHECK(shares[3] == frame_share{"[task fetch]", 0, 40});
    CHECK_THROWS_AS(frame_shares(profile, 2), std::invalid_argument);
}

TEST_CASE("collapsed stacks: outermost first, with the lines of awaits", "[report][export]") {
    CHECK(collapsed_stacks(waits(), 1)
          == "[outer frames missing];main 8000\n"
             "[task fetch];serve at app.cpp:9;read at app.cpp:3 4000\n");
    CHECK(collapsed_stacks(waits(), 0)
          == "[outer frames missing];main 2\n"
             "[task fetch];serve at app.cpp:9;read at app.cpp:3 1\n"
             "[task fetch];serve at app.cpp:9;write at app.cpp:5 1\n");
}

TEST_CASE("a hostile name is one frame of one line", "[report][export]") {
    CHECK(collapsed_stacks(one_stack("a;b\nc\r\t 5", 1, "count"), 0) == "main;a:b c   5 1\n");
    const auto pprof = pprof_file(one_stack("a\nb--c---d", 1, "count"), 0, "x\ny");
    CHECK(pprof.find("binary=x y\n") != std::string::npos);
    CHECK(pprof.find(" a b- -c- - -d\n") != std::string::npos);
    const std::string script = "</script><script>alert(1)<!--";
    const auto page = flame_graph_html(one_stack(script, 1, "count"), 0, script);
    CHECK(page.find("alert(1)<") == std::string::npos);
    CHECK(data_of(page).at("title") == script);
    CHECK(data_of(page).at("frames").at(0).at("name") == script);
    const auto bytes = one_stack("\xff\"\\", 1, "count");
    CHECK(nlohmann::json::parse(speedscope_json(bytes, "\xfe")).at("name") == "\uFFFD");
    CHECK(data_of(flame_graph_html(bytes, 0, "t")).at("nodes").size() == 3);
}

TEST_CASE("what has no function is shown by its place or its address", "[report][export]") {
    stack_frame native = frame("", 0, 0x1a2b);
    native.module = "/usr/lib/libc.so.6";
    profile_builder builder("cpu", {{"samples", "count"}});
    builder.add({{frame("", 7), native, frame("")}, false}, "", {1});
    builder.add({}, "", {2});
    CHECK(collapsed_stacks(builder.take(), 0)
          == "??;0x1a2b in libc.so.6;app.cpp:7 1\n[no stack] 2\n");
}

TEST_CASE("a speedscope file has the fields of its schema, a profile for each value",
          "[report][export]") {
    const auto json = nlohmann::json::parse(speedscope_json(waits(), "run"));
    CHECK(json.at("$schema") == "https://www.speedscope.app/file-format-schema.json");
    CHECK(json.at("activeProfileIndex") == 1);
    REQUIRE(json.at("profiles").size() == 2);
    CHECK(json.at("profiles").at(0).at("unit") == "none");
    const auto& waiting = json.at("profiles").at(1);
    CHECK(waiting.at("type") == "sampled");
    CHECK(waiting.at("unit") == "nanoseconds");
    CHECK(waiting.at("startValue") == 0);
    CHECK(waiting.at("endValue") == 12'000);
    CHECK(waiting.at("weights") == nlohmann::json{8'000, 4'000});
    const auto& frames = json.at("shared").at("frames");
    const auto& stack = waiting.at("samples").at(1);
    REQUIRE(stack.size() == 3);
    CHECK(frames.at(stack.at(0).get<std::size_t>()).at("name") == "[task fetch]");
    CHECK(frames.at(stack.at(2).get<std::size_t>())
          == nlohmann::json{{"name", "read"}, {"file", "src/app.cpp"}, {"line", 3}});
}

TEST_CASE("a flame graph page holds the tree and refers to nothing outside", "[report][export]") {
    const auto page = flame_graph_html(waits(), 1, "waits of a run");
    for (const auto* outside : {"http", "src=", "href=", "@import", "url("}) {
        CAPTURE(outside);
        CHECK(page.find(outside) == std::string::npos);
    }
    const auto data = data_of(page);
    const auto& nodes = data.at("nodes");
    REQUIRE(nodes.size() == 6);
    CHECK(nodes.at(0).at(2) == 12'000);
    CHECK(nodes.at(1).at(2) == 8'000);
    CHECK(nodes.at(3) == nlohmann::json{0, 5, 4'000});  // the task
    CHECK(data.at("frames").at(5).at("name") == "[task fetch]");
    CHECK(data.at("frames").at(nodes.at(5).at(1).get<std::size_t>()).at("place")
          == "src/app.cpp:3");
}

TEST_CASE("pprof: times are counts of the period, behind the words of a header",
          "[report][export]") {
    auto profile = one_stack("leaf", 10'500, "nanoseconds");
    profile.period = 2'000;
    const auto words = cpu_words(pprof_file(profile, 0, "program"));
    REQUIRE(words.size() == 5 + 2 * 4 + 3);
    CHECK(std::vector(words.begin(), words.begin() + 5)
          == std::vector<std::uint64_t>{0, 3, 0, 2, 0});
    CHECK(words[5] == 0);  // keeps the second frame
    CHECK(words[9] == 5);
    CHECK(words[10] == 2);
    CHECK(std::vector(words.end() - 3, words.end()) == std::vector<std::uint64_t>{0, 1, 0});
    profile.period = 0;
    CHECK(cpu_words(pprof_file(profile, 0, "program"))[9] == 11);  // microseconds
}

TEST_CASE("pprof: every address has the frame's name", "[report][export]") {
    CHECK(pprof_file(one_stack("leaf", 64, "bytes"), 0, "program")
          == "--- symbol\nbinary=program\n"
             "0x10000 leaf\n0x10010 leaf\n"
             "0x10020 main\n0x10030 main\n"
             "---\n"
             "heap profile: 1: 64 [1: 64] @ heapprofile\n"
             "1: 64 [1: 64] @ 0x10000 0x10020\n"
             "\nMAPPED_LIBRARIES:\n");
}

TEST_CASE("pprof: bytes go with the count before them", "[report][export]") {
    profile_builder builder("heap", {{"inuse_objects", "count"}, {"inuse_space", "bytes"}});
    builder.add({{frame("leaf")}, false}, "", {3, 300});
    CHECK(pprof_file(builder.take(), 1, "p").find("\n3: 300 [3: 300] @ 0x10000\n")
          != std::string::npos);
}

TEST_CASE("an empty profile, and one of nothing above 0, are files without stacks",
          "[report][export]") {
    for (const auto& profile : {empty_profile(), one_stack("leaf", -5, "bytes")}) {
        CHECK(collapsed_stacks(profile, 0).empty());
        CHECK(data_of(flame_graph_html(profile, 0, "t")).at("nodes").size() == 1);
        const auto json = nlohmann::json::parse(speedscope_json(profile, "t"));
        CHECK(json.at("profiles").at(0).at("samples").empty());
        CHECK(pprof_file(profile, 0, "p").find("heap profile: 0: 0 [0: 0] @ heapprofile\n\n")
              != std::string::npos);
    }
    CHECK(cpu_words(pprof_file(one_stack("leaf", 0, "count"), 0, "p")).size() == 8);
}

TEST_CASE("sums beyond the largest number stay there", "[report][export]") {
    profile_builder builder("heap", {{"inuse_space", "bytes"}});
    builder.add({{frame("a"), frame("main")}, false}, "", {largest});
    builder.add({{frame("b"), frame("main")}, false}, "", {largest});
    const auto profile = builder.take();
    CHECK(data_of(flame_graph_html(profile, 0, "t")).at("nodes").at(0).at(2) == largest);
    CHECK(nlohmann::json::parse(speedscope_json(profile, "t")).at("profiles").at(0).at("endValue")
          == largest);
    CHECK(cpu_words(pprof_file(one_stack("leaf", largest, "nanoseconds"), 0, "p"))[9]
          == largest / 1000 + 1);
}

TEST_CASE("values are found by name, and others refused", "[report][export]") {
    CHECK(find_value(waits(), "waiting") == 1);
    CHECK(!find_value(waits(), "cpu"));
    CHECK_THROWS_AS(collapsed_stacks(waits(), 2), std::invalid_argument);
}

TEST_CASE("collapsed stacks that differ in what is not shown are one line", "[report][export]") {
    profile_builder builder("cpu", {{"samples", "count"}});
    builder.add({{frame("main", 0, 0x40)}, false}, "", {1});
    builder.add({{frame("main", 0, 0x50)}, false}, "", {2});
    CHECK(collapsed_stacks(builder.take(), 0) == "main 3\n");
    CHECK(collapsed_stacks(one_stack("a\x7f!", 1, "count"), 0) == "main;a ! 1\n");
}

TEST_CASE("pprof: a first record that counts nothing keeps the second frame", "[report][export]") {
    const auto words = cpu_words(pprof_file(one_stack("leaf", 7, "count"), 0, "program"));
    REQUIRE(words.size() == 5 + 2 * 4 + 3);
    CHECK(words[5] == 0);
    CHECK(words[7] == words[11]);
    CHECK(words[8] != words[12]);
    CHECK(words[9] == 7);
    profile_builder builder("cpu", {{"samples", "count"}});
    builder.add({{frame("main")}, false}, "", {5});
    CHECK(cpu_words(pprof_file(builder.take(), 0, "program")).size() == 5 + 3 + 3);
}

TEST_CASE("pprof: counts are no times, and times that round to nothing are left out",
          "[report][export]") {
    auto counts = one_stack("leaf", 7, "count");
    counts.period = 2'000;
    CHECK(cpu_words(pprof_file(counts, 0, "program")).at(9) == 7);
    auto times = one_stack("leaf", 900, "nanoseconds");
    times.period = 2'000;
    CHECK(cpu_words(pprof_file(times, 0, "program")).size() == 5 + 4 + 3);
}

TEST_CASE("pprof: what lies before the bytes is taken for objects only if it is a count",
          "[report][export]") {
    profile_builder builder("heap", {{"waiting", "nanoseconds"}, {"inuse_space", "bytes"}});
    builder.add({{frame("main")}, false}, "", {50, 64});
    const auto no_count = pprof_file(builder.take(), 1, "program");
    CHECK(no_count.find("heap profile: 1: 64 [1: 64] @ heapprofile\n") != std::string::npos);
    profile_builder counted("heap", {{"inuse_objects", "count"}, {"inuse_space", "bytes"}});
    counted.add({{frame("main")}, false}, "", {-3, 64});
    const auto negative = pprof_file(counted.take(), 1, "program");
    CHECK(negative.find("heap profile: 0: 64 [0: 64] @ heapprofile\n") != std::string::npos);
}

TEST_CASE("a speedscope file has each frame once, for the values that need others, too",
          "[report][export]") {
    profile_builder builder("wait", {{"waits", "count"}, {"waiting", "nanoseconds"}});
    builder.add({{frame("one")}, false}, "first", {5, 0});
    builder.add({{frame("two", 4)}, false}, "second", {0, 9});
    const auto json = nlohmann::json::parse(speedscope_json(builder.take(), "run"));
    const auto& frames = json.at("shared").at("frames");
    REQUIRE(frames.size() == 4);
    const auto names_of = [&](std::size_t value) {
        std::vector<std::string> names;
        for (const auto& position : json.at("profiles").at(value).at("samples").at(0)) {
            names.push_back(frames.at(position.get<std::size_t>()).at("name"));
        }
        return names;
    };
    CHECK(names_of(0) == std::vector<std::string>{"[task first]", "one"});
    CHECK(names_of(1) == std::vector<std::string>{"[task second]", "two"});
    for (const auto& each : frames) {
        CHECK(each.contains("line") == (each.at("name") == "two"));
        CHECK(each.contains("file") == each.contains("line"));
    }
}

TEST_CASE("a flame graph's frame without a file has no place", "[report][export]") {
    const auto data = data_of(flame_graph_html(one_stack("leaf", 1, "count"), 0, "t"));
    for (const auto& each : data.at("frames")) {
        CHECK(!each.contains("place"));
    }
}

}  // namespace
}  // namespace coroscope::report
