// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <coroscope/profiler_server/server.hpp>

#include "../fake_facts.hpp"
#include "profile_output.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using coroscope::test_support::fake_facts;
using coroscope::test_support::profile_of;
using stats_server = coroscope::profiler_server::profiler_server;

namespace {

struct outcome {
    int code = -1;
    std::string out;
    std::string err;
};

// Asks a program with these facts.
outcome ask(const std::shared_ptr<facts_source>& facts, std::vector<std::string> arguments,
            bool is_terminal = false) {
    const stats_server server(facts);
    arguments.insert(arguments.begin() + 1, server.host() + ":" + std::to_string(server.port()));
    std::ostringstream out;
    std::ostringstream err;
    const auto code = cli::run_command_line(std::move(arguments),
                                            {out, err, [](auto) { return false; }, is_terminal});
    return {code, out.str(), err.str()};
}

std::shared_ptr<fake_facts> facts_with(report::profile profile) {
    auto facts = std::make_shared<fake_facts>();
    facts->profile = std::move(profile);
    return facts;
}

}  // namespace

TEST_CASE("a profile is a table of frames, the one with the most of its own first",
          "[cli][threads]") {
    report::profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    report::stack stack;
    stack.frames.emplace_back().function = "deflate";
    stack.frames.back().address = 64;
    stack.frames.emplace_back().function = "serve";
    stack.frames.back().file = "src/serve.cpp";
    stack.frames.back().line = 9;
    builder.add(stack, "request", {3, 1'500'000'000});
    stack.frames.erase(stack.frames.begin());
    builder.add(stack, "request", {1, 500'000'000});
    auto profile = builder.take();
    profile.duration = 10s;
    profile.dropped = 2;
    const auto result = ask(facts_with(profile), {"cpu-profile", "--seconds", "1"});
    CHECK(result.code == 0);
    CHECK(result.err.empty());
    CHECK(result.out ==
          "cpu profile: 2.00 s cpu in 10.0 s, 2 dropped\n"
          "  SELF       %   TOTAL        %  WHERE\n"
          "1.50 s  75.0 %  1.50 s   75.0 %  deflate\n"
          "500 ms  25.0 %  2.00 s  100.0 %  serve at serve.cpp:9\n"
          "     0   0.0 %  2.00 s  100.0 %  [task request]\n");
}

TEST_CASE("a long table says how much more there is", "[cli][threads]") {
    const auto result = ask(facts_with(profile_of(30)), {"wait-profile"});
    CHECK_THAT(result.out, Contains("\nand 11 more; --to html has all"));
}

TEST_CASE("profiles come in other formats, to a file if told", "[cli][threads]") {
    const auto facts = facts_with(profile_of(2));
    CHECK(ask(facts, {"memory-profile", "--to", "collapsed"}).out
          == "[task serve];f1 2000000\n[task serve];f2 1000000\n");
    CHECK(ask(facts, {"wait-profile", "--to", "collapsed", "--value", "samples"}).out
          == "[task serve];f1 2\n[task serve];f2 1\n");
    const auto json = ask(facts, {"cpu-profile", "--to", "json"});
    CHECK(report::read_profile(report::json_view(nlohmann::json::parse(json.out)))
          == facts->profile);
    CHECK_THAT(ask(facts, {"wait-profile", "--to", "html"}).out, StartsWith("<!"));
    const auto bad = ask(facts, {"wait-profile", "--value", "colour"});
    CHECK(bad.code == 2);
    CHECK_THAT(bad.err, Contains("has no value 'colour'") && Contains("samples, cpu"));
    CHECK(ask(facts, {"wait-profile", "--to", "html", "-o", "/nowhere/at/all"}).code == 2);
}

TEST_CASE("how a CPU profile is made is sent, and told to who looks on", "[cli][threads]") {
    const auto facts = facts_with(profile_of(1));
    cpu_profile_request asked;
    facts->on_profile = [&asked](const auto& wanted, const auto&) {
        asked = wanted;
    };
    const auto quiet = ask(facts, {"cpu-profile", "--seconds", "7", "--frequency", "99"});
    CHECK(asked.length == 7s);
    CHECK(asked.frequency == 99);
    CHECK(quiet.err.empty());
    const auto shown = ask(facts, {"cpu-profile", "--to", "json"}, true);
    CHECK_THAT(shown.err, StartsWith("coroscope: profiling 127.0.0.1:") && Contains("for 10 s"));
    CHECK(nlohmann::json::parse(shown.out)["kind"] == "cpu");
}

TEST_CASE("notes, limits and emptiness are told on the error output", "[cli][threads]") {
    auto noted = profile_of(3);
    noted.note = "one thread";
    const auto limited = ask(facts_with(noted), {"wait-profile", "--limit", "1", "--to", "json"});
    CHECK(limited.code == 0);
    CHECK_THAT(limited.err, Contains("note: one thread") && Contains("the 2 smallest samples")
                                && Contains("--limit"));
    CHECK(nlohmann::json::parse(limited.out)["samples"].size() == 2);
    const auto empty = ask(facts_with(profile_of(0)), {"cpu-profile"});
    CHECK(empty.code == 0);
    CHECK_THAT(empty.err, Contains("the profile is empty"));
    CHECK(empty.out == "cpu profile: 0 cpu in 1.00 s\n");
}

TEST_CASE("a program that has no profile, or is busy, is exit 2 with what to do",
          "[cli][threads]") {
    const auto none = ask(std::make_shared<facts_source>(), {"memory-profile"});
    CHECK(none.code == 2);
    CHECK(none.out.empty());
    CHECK_THAT(none.err, Contains("no memory_profiler") && Contains("facts_about"));
    const auto too_long = ask(facts_with(profile_of(1)), {"cpu-profile", "--seconds", "301"});
    CHECK(too_long.code == 2);
    CHECK_THAT(too_long.err, Contains("seconds must be a whole number from 1 to 300"));
}

TEST_CASE("memory lists functions, and where their last calls allocated", "[cli][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->memory["fetch"] = {3, 1, 1, 1, {3'000, 30, 1'000, 10}, {}, 0};
    facts->memory["fetch"].recent = {
        {1s,
         {{"page.cpp:7", {2'000, 20, 0, 0}}, {"list.cpp:2\nmain.cpp:3", {1'000, 10, 1'000, 10}}}},
        {2s, {{"page.cpp:7", {200'000, 1, 0, 0}}}}};
    const auto result = ask(facts, {"memory", "--by", "traceback"});
    CHECK(result.code == 0);
    CHECK(result.out ==
          "NAME   CALLS  THREW  CANCELLED  ALLOCATED  BLOCKS   FREED     KEPT\n"
          "fetch      3      1          1    2.9 KiB      30  1000 B  2.0 KiB\n"
          "\n"
          "fetch, the last 2 calls:\n"
          "ALLOCATED  BLOCKS   FREED       KEPT  WHERE\n"
          "197.3 KiB      21     0 B  197.3 KiB  page.cpp:7\n"
          "   1000 B      10  1000 B        0 B  list.cpp:2 <- main.cpp:3\n");
    const auto json = ask(facts, {"memory", "--json", "--limit", "1"});
    CHECK_THAT(json.err, Contains("1 rows of calls"));
    CHECK(nlohmann::json::parse(json.out)["fetch"]["calls"] == 3);
    CHECK_THAT(ask(std::make_shared<fake_facts>(), {"memory"}).out, Contains("profile_memory"));
}

TEST_CASE("how memory is to be shown is sent", "[cli][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    report::memory_key key{};
    report::memory_filter filter;
    facts->on_memory = [&](auto by, const auto& chosen) {
        key = by;
        filter = chosen;
    };
    CHECK(ask(facts, {"memory"}).code == 0);
    CHECK(filter.exclude == report::memory_filter().exclude);
    CHECK(ask(facts, {"memory", "--by", "task", "--cumulative", "--include", "a", "--include", "b",
                      "--exclude", "c"})
              .code
          == 0);
    CHECK(key == report::memory_key::task);
    CHECK(filter.cumulative);
    CHECK(filter.include == std::vector<std::string>{"a", "b"});
    CHECK(filter.exclude == std::vector<std::string>{"c"});
    const auto wrong = ask(facts, {"memory", "--by", "colour"});
    CHECK(wrong.code == 2);
    CHECK_THAT(wrong.err, Contains("none of lineno, filename, traceback, task"));
}

TEST_CASE("amounts have the unit that suits them", "[cli]") {
    CHECK(cli::amount_text(1'500, "nanoseconds") == "1.50 us");
    CHECK(cli::amount_text(17, "count") == "17");
    CHECK(cli::amount_text(1'023, "bytes") == "1023 B");
    CHECK(cli::amount_text(-1'536, "bytes") == "-1.5 KiB");
    CHECK(cli::amount_text(std::int64_t{5} << 40, "bytes") == "5.0 TiB");
    CHECK(cli::amount_text(std::int64_t{5} << 50, "bytes") == "5120.0 TiB");
}
