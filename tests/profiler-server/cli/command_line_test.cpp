// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <coroscope/profiler_server/server.hpp>
#include <coroscope/report/report.hpp>

#include "../fake_facts.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using coroscope::test_support::fake_facts;
using coroscope::test_support::slow_step_at;
using stats_server = coroscope::profiler_server::profiler_server;

namespace {

struct outcome {
    int code = -1;
    std::string out;
    std::string err;
};

outcome run(
    std::vector<std::string> arguments,
    const std::function<bool(std::chrono::nanoseconds)>& pause = [](auto) { return false; }) {
    std::ostringstream out;
    std::ostringstream err;
    const auto code = cli::run_command_line(std::move(arguments), {out, err, pause});
    return {code, out.str(), err.str()};
}

std::string address_of(const stats_server& server) {
    return server.host() + ":" + std::to_string(server.port());
}

// A report in a file of its own.
class report_file {
public:
    explicit report_file(std::vector<report::slow_step> steps,
                         std::chrono::nanoseconds threshold = 5ms) {
        std::string name =
            (std::filesystem::temp_directory_path() / "coroscope-cli-XXXXXX").string();
        ::close(::mkstemp(name.data()));
        path_ = name;
        report::report run;
        run.slow_threshold = threshold;
        run.slow_steps = std::move(steps);
        write_report(run, path_);
    }
    report_file(const report_file&) = delete;
    report_file& operator=(const report_file&) = delete;
    ~report_file() { std::filesystem::remove(path_); }

    [[nodiscard]] std::string path() const { return path_; }
    void add(report::finding found) const {
        auto run = report::read_report(path_);
        run.findings.push_back(std::move(found));
        write_report(run, path_);
    }

private:
    std::string path_;
};

}  // namespace

TEST_CASE("help and version go to the output and succeed", "[cli]") {
    CHECK(run({"--version"}).code == 0);
    CHECK_THAT(run({"--version"}).out, StartsWith("coroscope ") && Contains("."));
    for (const auto* command : {"ps", "time", "slow", "gate", "memory"}) {
        CAPTURE(command);
        const auto result = run({command, "--help"});
        CHECK(result.code == 0);
        CHECK_THAT(result.out, Contains("--json"));
        CHECK(result.err.empty());
    }
}

TEST_CASE("wrong usage is told on the error output with the way to the help", "[cli]") {
    const auto arguments = GENERATE(table<std::string>({{""},
                                                        {"dance"},
                                                        {"ps --dance"},
                                                        {"ps host:0"},
                                                        {"ps --port 0"},
                                                        {"ps --port 70000"},
                                                        {"ps --port -1"},
                                                        {"ps 1:2 --port 3"},
                                                        {"ps --limit -1"},
                                                        {"ps --limit many"},
                                                        {"ps --timeout 5"},
                                                        {"slow --interval soon"},
                                                        {"cpu-profile --seconds 1.5"},
                                                        {"cpu-profile --to nothing"},
                                                        {"wait-profile --seconds 1"},
                                                        {"memory --by colour"},
                                                        {"gate"},
                                                        {"gate a.json --max-slow -1"},
                                                        {"gate a.json --max-slow 1.5"},
                                                        {"gate a.json --threshold 5"},
                                                        {"gate a.json --update-baseline"},
                                                        {"gate a.json b.json"}}));
    CAPTURE(std::get<0>(arguments));
    std::istringstream words(std::get<0>(arguments));
    const std::vector<std::string> split{std::istream_iterator<std::string>(words), {}};
    const auto result = run(split);
    CHECK(result.code == 2);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, StartsWith("coroscope: ") && Contains("--help"));
}

TEST_CASE("nobody listening is exit 2 with what to do", "[cli]") {
    std::uint16_t port = 0;
    {
        const stats_server server(std::make_shared<fake_facts>());
        port = server.port();
    }
    const auto result = run({"ps", "--port", std::to_string(port)});
    CHECK(result.code == 2);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Contains("cannot connect to 127.0.0.1:" + std::to_string(port))
                               && Contains("start_profiler_server"));
}

TEST_CASE("ps lists tasks, what they wait on and where", "[cli][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    report::task_snapshot task;
    task.id = 7;
    task.name = "fetch";
    task.state = report::task_state::waiting;
    task.wait_kind = "sleep";
    task.waiting_for = 1500ms;
    task.wait_deadline = 10s;
    task.taken_at = 8s;
    task.steps = 12;
    task.busy = 3ms;
    task.await_site = {"fetch.cpp", 44, "fetch()"};
    task.created_at = {"main.cpp", 20, "main()"};
    facts->all_tasks = {task};
    const stats_server server(facts);
    const auto result = run({"ps", address_of(server)});
    CHECK(result.code == 0);
    CHECK(result.err.empty());
    CHECK(result.out ==
          "ID  NAME   STATE    WAITS ON                 FOR  STEPS     BUSY  AT            "
          "CREATED AT\n"
          " 7  fetch  waiting  sleep, due in 2.00 s  1.50 s     12  3.00 ms  fetch.cpp:44  "
          "main.cpp:20\n");
}

TEST_CASE("ps says what a limit kept out, and JSON stays clean", "[cli][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->all_tasks.resize(5);
    const stats_server server(facts);
    const auto result = run({"ps", address_of(server), "--limit", "2", "--json"});
    CHECK(result.code == 0);
    CHECK(nlohmann::json::parse(result.out).size() == 2);
    CHECK_THAT(result.err, Contains("3 more tasks") && Contains("--limit"));
}

TEST_CASE("without facts each command says so in words, and in empty JSON", "[cli][threads]") {
    const stats_server server(std::make_shared<fake_facts>());
    CHECK(run({"ps", address_of(server)}).out == "no tasks are alive\n");
    CHECK_THAT(run({"time", address_of(server)}).out, Contains("no profiled function"));
    CHECK(run({"slow", address_of(server)}).out == "no slow steps so far\n");
    CHECK(run({"ps", address_of(server), "--json"}).out == "[]\n");
    CHECK(run({"time", address_of(server), "--json"}).out == "{}\n");
    CHECK(run({"slow", address_of(server), "--json"}).out == "[]\n");
}

TEST_CASE("time lists functions, the one with the most time first", "[cli][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->table["quick"] = {2, 2, 0, 0, 2ms, 1ms, 1ms, 1ms, 1ms, {}, 0};
    facts->table["slow"] = {3, 1, 1, 1, 3s, 500ms, 2s, 500ms, 40ms, {}, 0};
    facts->table["quick"].lengths.add(1ms, 2);
    facts->table["slow"].lengths.add(500ms, 2);
    facts->table["slow"].lengths.add(2s);
    const stats_server server(facts);
    const auto result = run({"time", address_of(server)});
    CHECK(result.out ==
          "NAME   CALLS  THREW  CANCELLED    TOTAL     MEAN      MIN   "
          "   P50      P99    P99.9      MAX     LAST     BUSY\n"
          "slow       3      1          1   3.00 s   1.00 s   500 ms   "
          "503 ms   2.00 s   2.00 s   2.00 s   500 ms  40.0 ms\n"
          "quick      2      0          0  2.00 ms  1.00 ms  1.00 ms  "
          "1.00 ms  1.00 ms  1.00 ms  1.00 ms  1.00 ms  1.00 ms\n");
}

TEST_CASE("slow tells each step with its span and its stack", "[cli][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->slow = {slow_step_at(40, 150ms)};
    facts->slow[0].cpu = 149ms;
    facts->slow[0].cause.emplace();
    facts->slow[0].cause->cpu = 149ms;
    facts->slow[0].cause->not_scheduled = 1ms;
    facts->slow[0].stack = report::stack{{{"deflate", "deflate.c", 77, "", 0, false}}, true};
    const stats_server server(facts);
    const auto result = run({"slow", address_of(server)});
    CHECK_THAT(
        result.out,
        Contains("  Executing <task 'serve' id=7 created at main.cpp:20> took 0.150 seconds\n"
                 "    gzip.cpp:40 to line 50 (threshold 5.00 ms, CPU 149 ms)\n"
                 "    computing (CPU 0.149 s, blocked 0.000 s, not scheduled 0.001 s)\n"
                 "    #0 deflate at deflate.c:77\n"
                 "    (more frames were not captured)\n"));
}

TEST_CASE("following prints each slow step once, until it is stopped", "[cli][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->slow = {slow_step_at(1, 8ms)};
    const stats_server server(facts);
    int pauses = 0;
    const auto result = run({"slow", address_of(server), "--watch", "--json", "--interval", "7ms"},
                            [&](std::chrono::nanoseconds interval) {
                                CHECK(interval == 7ms);
                                if (++pauses == 2) { facts->slow.push_back(slow_step_at(2, 9ms)); }
                                return pauses < 4;
                            });
    CHECK(result.code == 0);
    std::istringstream lines(result.out);
    std::vector<int> sequences;
    for (std::string line; std::getline(lines, line);) {
        sequences.push_back(nlohmann::json::parse(line)["sequence"].get<int>());
    }
    CHECK(sequences == std::vector<int>{1, 2});
}

TEST_CASE("following ends well when the program does", "[cli][threads]") {
    stats_server server(std::make_shared<fake_facts>());
    const auto result = run({"slow", address_of(server), "--watch"}, [&](auto) {
        server.close();
        return true;
    });
    CHECK(result.code == 0);
    CHECK_THAT(result.err, Contains("any more"));
}

TEST_CASE("the gate passes, fails and refuses with 0, 1 and 2", "[cli]") {
    const report_file slow({slow_step_at(40, 8ms)});
    const auto failed = run({"gate", "--max-slow", "0", "--threshold", "5ms", slow.path()});
    CHECK(failed.code == 1);
    CHECK_THAT(failed.out, Contains("gzip.cpp:40"));
    CHECK(failed.err.empty());

    CHECK(run({"gate", slow.path(), "--max-slow", "1"}).code == 0);
    CHECK(run({"gate", slow.path(), "--threshold", "9ms"}).code == 0);
    CHECK(run({"gate", slow.path(), "--baseline", slow.path()}).code == 0);

    const auto refused = run({"gate", slow.path(), "--threshold", "1ms"});
    CHECK(refused.code == 2);
    CHECK(refused.out.empty());
    CHECK_THAT(refused.err, Contains("gate unusable"));
}

TEST_CASE("the gate's answer as JSON is nothing but JSON", "[cli]") {
    const report_file slow({slow_step_at(40, 8ms)});
    const auto failed = run({"gate", slow.path(), "--json"});
    CHECK(failed.code == 1);
    CHECK(nlohmann::json::parse(failed.out)["places"][0]["where"]["line"] == 40);
    const auto refused = run({"gate", slow.path(), "--json", "--threshold", "1ms"});
    CHECK(refused.code == 2);
    CHECK(nlohmann::json::parse(refused.out)["verdict"] == "unusable");
}

TEST_CASE("the gate fails for what was found, unless the baseline has it", "[cli]") {
    report::finding race;
    race.rule = "stale-write";
    race.severity = report::severity::error;
    race.fingerprint = "0123456789abcdef";
    race.message = "task 1 wrote what was out of date.";
    race.where = {"bank.cpp", 27, "deposit()"};
    const report_file raced({});
    raced.add(race);
    const auto failed = run({"gate", raced.path()});
    CHECK(failed.code == 1);
    CHECK_THAT(failed.out, Contains("bank.cpp:27: stale-write, confirmed"));
    CHECK(run({"gate", raced.path(), "--findings-only"}).code == 1);

    const report_file guessed({});
    race.verdict = report::verdict::predicted;
    guessed.add(race);
    CHECK(run({"gate", guessed.path()}).code == 0);
    CHECK(run({"gate", guessed.path(), "--predicted"}).code == 1);
    CHECK(run({"gate", raced.path(), "--baseline", guessed.path()}).code == 0);
}

TEST_CASE("a baseline is made of a report, and tells what is gone", "[cli]") {
    const report_file slow({slow_step_at(40, 8ms)});
    const report_file clean({});
    const report_file baseline({});
    std::filesystem::remove(baseline.path());
    const auto missing = run({"gate", slow.path(), "--baseline", baseline.path()});
    CHECK(missing.code == 2);
    CHECK_THAT(missing.err,
               Contains(baseline.path() + ": cannot be opened") && Contains("--update-baseline"));

    const auto made =
        run({"gate", slow.path(), "--baseline", baseline.path(), "--update-baseline"});
    CHECK(made.code == 0);
    CHECK_THAT(made.out, Contains(baseline.path()
                                  + " is the baseline from now on: 1 slow steps and 0 findings"));
    CHECK(run({"gate", slow.path(), "--baseline", baseline.path()}).code == 0);
    const auto mended = run({"gate", clean.path(), "--baseline", baseline.path()});
    CHECK(mended.code == 0);
    CHECK_THAT(mended.out, Contains("no longer seen: gzip.cpp:40 to line 50: slow step"));

    const auto refused = run({"gate", slow.path(), "--baseline", baseline.path(),
                              "--update-baseline", "--threshold", "1ms"});
    CHECK(refused.code == 2);
    const auto as_json =
        run({"gate", clean.path(), "--baseline", baseline.path(), "--update-baseline", "--json"});
    CHECK(as_json.code == 0);
    CHECK(nlohmann::json::parse(as_json.out)["stale"].size() == 1);
    CHECK(run({"gate", slow.path(), "--baseline", baseline.path()}).code == 1);
}

TEST_CASE("a baseline that is of no use any more is replaced all the same", "[cli]") {
    const report_file slow({slow_step_at(40, 8ms)});
    const report_file coarse({}, 10ms);
    CHECK(run({"gate", slow.path(), "--baseline", coarse.path()}).code == 2);
    const report_file newer({});
    std::ofstream(newer.path()) << R"({"schema": "coroscope-report", "schema_version": 99})";
    CHECK(run({"gate", slow.path(), "--baseline", newer.path()}).code == 2);
    for (const auto* old : {&coarse, &newer}) {
        const auto made =
            run({"gate", slow.path(), "--baseline", old->path(), "--update-baseline"});
        CHECK(made.code == 0);
        CHECK(made.err.empty());
        CHECK_THAT(made.out, Contains("is the baseline from now on: 1 slow steps"));
        CHECK(run({"gate", slow.path(), "--baseline", old->path()}).code == 0);
    }
}

TEST_CASE("what is no report is not replaced by a baseline", "[cli]") {
    const report_file slow({slow_step_at(40, 8ms)});
    const report_file other({});
    for (const std::string text : {"int main() {}", "{\"name\": 1}", "[]", ""}) {
        CAPTURE(text);
        std::ofstream(other.path()) << text;
        const auto refused =
            run({"gate", slow.path(), "--baseline", other.path(), "--update-baseline"});
        CHECK(refused.code == 2);
        CHECK_THAT(refused.err,
                   Contains(other.path()) && Contains("this is no report, and is not replaced"));
        std::ostringstream left;
        left << std::ifstream(other.path()).rdbuf();
        CHECK(left.str() == text);
    }
}

TEST_CASE("a report or a baseline that cannot be read is exit 2 and named", "[cli]") {
    const report_file good({});
    const report_file broken({});
    std::ofstream(broken.path()) << "{";
    CHECK(run({"gate", broken.path()}).code == 2);
    CHECK_THAT(run({"gate", broken.path()}).err, Contains(broken.path() + ": byte"));
    CHECK(run({"gate", good.path(), "--baseline", broken.path()}).code == 2);
    CHECK(run({"gate", "absent.json"}).code == 2);
    CHECK_THAT(run({"gate", "absent.json"}).err, Contains("absent.json: cannot be opened"));
}
