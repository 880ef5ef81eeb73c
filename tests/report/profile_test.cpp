// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/profile.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace coroscope::report {
namespace {

stack_frame frame(const std::string& function, std::uint32_t line) {
    stack_frame made;
    made.function = function;
    made.file = function + ".cpp";
    made.line = line;
    return made;
}

profile two_stacks() {
    profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    builder.add({{frame("leaf", 3), frame("main", 9)}, false}, "fetch", {1, 4'000});
    builder.add({{frame("main", 9)}, false}, "", {2, 8'000});
    builder.add({{frame("leaf", 3), frame("main", 9)}, false}, "fetch", {2, 8'000});
    return builder.take();
}

nlohmann::json json_with(const char* pointer, const nlohmann::json& value) {
    auto json = to_json(two_stacks());
    json[nlohmann::json::json_pointer(pointer)] = value;
    return json;
}

TEST_CASE("a profile keeps equal frames once and adds up equal stacks", "[report][profile]") {
    const auto profile = two_stacks();
    REQUIRE(profile.frames.size() == 2);
    REQUIRE(profile.samples.size() == 2);
    CHECK(profile.samples[0].task == "fetch");
    CHECK(profile.samples[0].values == std::vector<std::int64_t>{3, 12'000});
    CHECK(profile.samples[0].stack == std::vector<std::uint32_t>{0, 1});
    CHECK(profile.samples[1].stack == std::vector<std::uint32_t>{1});
    CHECK(total(profile, 0) == 5);
    CHECK(total(profile, 1) == 20'000);
}

TEST_CASE("the same stack of two tasks, and one cut off, are samples of their own",
          "[report][profile]") {
    profile_builder builder("wait", {{"waiting", "nanoseconds"}});
    builder.add({{frame("leaf", 3)}, false}, "a", {1});
    builder.add({{frame("leaf", 3)}, false}, "b", {2});
    builder.add({{frame("leaf", 3)}, true}, "b", {4});
    const auto profile = builder.take();
    REQUIRE(profile.samples.size() == 3);
    CHECK(profile.samples[0].truncated);
    CHECK(profile.samples[1].task == "b");
    CHECK(profile.samples[2].task == "a");
}

TEST_CASE("a builder starts anew once its profile was taken", "[report][profile]") {
    profile_builder builder("heap", {{"inuse_space", "bytes"}});
    builder.add({{frame("leaf", 3)}, false}, "", {7});
    CHECK(total(builder.take(), 0) == 7);
    builder.add({{frame("other", 4)}, false}, "", {9});
    const auto second = builder.take();
    CHECK(second.kind == "heap");
    REQUIRE(second.frames.size() == 1);
    CHECK(second.frames[0].function == "other");
    CHECK(total(second, 0) == 9);
}

TEST_CASE("a builder refuses another number of values", "[report][profile]") {
    profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    CHECK_THROWS_AS(builder.add({}, "", {1}), std::invalid_argument);
}

TEST_CASE("profiles of several sources are added up", "[report][profile]") {
    profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    builder.add(two_stacks());
    builder.add({{frame("main", 9)}, true}, "", {1, 1'000});
    builder.add(two_stacks());
    const auto sum = builder.take();
    REQUIRE(sum.frames.size() == 2);
    REQUIRE(sum.samples.size() == 3);
    CHECK(sum.samples[0].values == std::vector<std::int64_t>{6, 24'000});
    CHECK(sum.samples[0].task == "fetch");
    CHECK(sum.samples[2].truncated);
    profile_builder other("wait", {{"waiting", "nanoseconds"}});
    CHECK_THROWS_AS(other.add(sum), std::invalid_argument);
}

TEST_CASE("samples beyond a limit are one sample, and the totals stay", "[report][profile]") {
    profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    builder.add({{frame("small", 1), frame("main", 9)}, false}, "b", {3, 100});
    builder.add({{frame("smallest", 2)}, true}, "c", {4, 10});
    builder.add({{frame("large", 3), frame("main", 9)}, false}, "a", {1, 8'000});
    const auto whole = builder.take();
    auto all = whole;
    CHECK(limit_samples(all, 3) == 0);
    CHECK(all == whole);
    auto one = whole;
    CHECK(limit_samples(one, 1) == 2);
    REQUIRE(one.samples.size() == 2);
    REQUIRE(one.frames.size() == 3);
    CHECK(one.samples[0].task == "a");
    CHECK(one.frames[one.samples[0].stack.at(0)].function == "large");
    CHECK(one.frames[one.samples[0].stack.at(1)].function == "main");
    CHECK(one.samples[1].task.empty());
    CHECK(one.frames[one.samples[1].stack.at(0)].function == "(other)");
    CHECK(one.samples[1].values == std::vector<std::int64_t>{7, 110});
    CHECK(total(one, 1) == total(whole, 1));
    CHECK(read_profile(json_view(to_json(one))) == one);
}

TEST_CASE("a profile survives JSON", "[report][profile]") {
    auto profile = two_stacks();
    profile.duration = std::chrono::seconds(3);
    profile.period = 4'000'000;
    profile.dropped = 2;
    profile.note = "one thread";
    profile.samples[1].truncated = true;
    profile.samples[1].values[0] = -5;  // the difference of two
    CHECK(read_profile(json_view(to_json(profile))) == profile);
}

TEST_CASE("a profile that does not fit together is refused with the place", "[report][profile]") {
    const auto message = [](const nlohmann::json& json) -> std::string {
        try {
            static_cast<void>(read_profile(json_view(json)));
        } catch (const report_error& e) { return e.what(); }
        return "";
    };
    CHECK(message(json_with("/samples/0/stack/1", 7)).find("$.samples[0].stack[1]")
          != std::string::npos);
    CHECK(message(json_with("/samples/1/values", {1})).find("2 numbers") != std::string::npos);
    CHECK(message(json_with("/samples/0/values/0", "many")).find("a whole number")
          != std::string::npos);
    CHECK(message(json_with("/values", nlohmann::json::array())).find("at least one value")
          != std::string::npos);
}

}  // namespace
}  // namespace coroscope::report
