// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/report.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

using namespace coroscope::report;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
namespace fs = std::filesystem;

namespace {

report sample() {
    report run;
    run.program = "docserver";
    run.started = std::chrono::system_clock::time_point(1'700'000'000s);
    run.finished = run.started + 5s;
    run.slow_threshold = 5ms;
    run.slow_steps.resize(2);
    run.slow_steps[0].wall = 8ms;
    run.slow_steps[1].name = "serve";
    run.slow_steps_dropped = 3;
    run.findings.resize(1);
    run.findings[0].rule = "race";
    run.findings_dropped = 1;
    run.time["fetch"].calls = 2;
    run.loops.resize(1);
    return run;
}

std::string complaint_about(const std::string& text) {
    try {
        (void)from_json(text);
    } catch (const report_error& error) { return error.what(); }
    return "no complaint";
}

std::string complaint_about_json(const nlohmann::json& json) {
    return complaint_about(json.dump());
}

// A directory of its own, gone at the end of the test.
class directory {
public:
    directory() {
        std::string name = (fs::temp_directory_path() / "coroscope-report-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    ~directory() {
        std::error_code ignored;
        fs::permissions(path_, fs::perms::owner_all, ignored);
        fs::remove_all(path_, ignored);
    }

    [[nodiscard]] fs::path operator/(const char* name) const { return path_ / name; }
    [[nodiscard]] auto files() const {
        return std::distance(fs::directory_iterator(path_), fs::directory_iterator());
    }

private:
    fs::path path_;
};

std::string error_of_reading(const fs::path& path) {
    try {
        (void)read_report(path);
    } catch (const report_error& error) { return error.what(); }
    return "no complaint";
}

}  // namespace

TEST_CASE("a report survives the way through JSON", "[report]") {
    CHECK(from_json(to_json(sample()).dump()) == sample());
    CHECK(from_json(to_json(report{}).dump()) == report{});
}

TEST_CASE("a report says its schema and version", "[report]") {
    const auto json = to_json(sample());
    CHECK(json["schema"] == "coroscope-report");
    CHECK(json["schema_version"] == 1);
}

TEST_CASE("a report from a newer writer of the same version is read without what is unknown",
          "[report]") {
    auto json = to_json(sample());
    json["weather"] = {{"sunny", true}};
    json["slow_steps"][0]["mood"] = "bad";
    CHECK(from_json(json.dump()) == sample());
}

TEST_CASE("text that is no JSON is refused with the byte", "[report]") {
    CHECK_THAT(complaint_about("{\"schema\": nope}"), StartsWith("byte 13: not valid JSON"));
    CHECK_THAT(complaint_about(""), Contains("the text is empty"));
    CHECK_THAT(complaint_about("{} trailing"), Contains("byte 6: not valid JSON"));
    CHECK_THAT(complaint_about("{\"a\":\"\xff\"}"), Contains("not valid JSON"));
}

TEST_CASE("a report that was cut off says so, wherever the cut is", "[report]") {
    const auto whole = to_json(sample()).dump();
    for (std::size_t length = 1; length < whole.size(); ++length) {
        CAPTURE(length);
        const auto said = complaint_about(whole.substr(0, length));
        REQUIRE((said.find("ends too early") != std::string::npos
                 || said.find("not valid JSON") != std::string::npos));
    }
    CHECK_THAT(complaint_about(whole.substr(0, whole.size() - 1)),
               Contains("the JSON ends too early"));
}

TEST_CASE("JSON that is no report is refused", "[report]") {
    CHECK_THAT(complaint_about("[1, 2]"), Contains("$: expected an object, found array"));
    CHECK_THAT(complaint_about("{}"),
               Contains("$.schema: expected \"coroscope-report\", found nothing"));
    CHECK_THAT(complaint_about(R"({"schema": "other"})"), Contains("found \"other\""));
    CHECK_THAT(complaint_about(R"({"schema": 5})"), Contains("found 5"));
}

TEST_CASE("a report of a version that is not ours is refused with what to do", "[report]") {
    auto json = to_json(sample());
    json["schema_version"] = 2;
    CHECK_THAT(complaint_about_json(json),
               Contains("$.schema_version: version 2, this program reads 1 to 1; use the "));
    json["schema_version"] = 0;
    CHECK_THAT(complaint_about_json(json), Contains("version 0"));
    json["schema_version"] = "1";
    CHECK_THAT(complaint_about_json(json), Contains("$.schema_version: expected a whole number"));
}

TEST_CASE("every member of a report is required", "[report]") {
    const auto whole = to_json(sample());
    for (const auto& [name, value] : whole.items()) {
        CAPTURE(name);
        auto json = whole;
        json.erase(name);
        CHECK_THAT(complaint_about_json(json), Contains(name));
    }
}

TEST_CASE("wrong values deep in a report are found with their path", "[report]") {
    auto json = to_json(sample());
    json["slow_steps"][1]["wall_ns"] = -5;
    CHECK_THAT(complaint_about_json(json), StartsWith("$.slow_steps[1].wall_ns: "));
    json["slow_steps"][1]["wall_ns"] = 1e300;
    CHECK_THAT(complaint_about_json(json), StartsWith("$.slow_steps[1].wall_ns: "));
    json["slow_steps"] = 3;
    CHECK_THAT(complaint_about_json(json), StartsWith("$.slow_steps: expected an array"));
    CHECK_THAT(complaint_about("{\"schema\": 1e999}"), Contains("cannot be read"));
}

TEST_CASE("absurd nesting is refused", "[report]") {
    CHECK_THAT(complaint_about(std::string(100'000, '[')), Contains("nested more than 64 deep"));
}

TEST_CASE("the slowest steps are kept, in order, and the rest counted", "[report]") {
    report run;
    for (const auto wall : {5ms, 9ms, 6ms, 9ms, 5ms, 7ms}) {
        slow_step step;
        step.sequence = run.slow_steps.size() + run.slow_steps_dropped + 1;
        step.wall = wall;
        add_slow_step(run, step, 3);
    }
    REQUIRE(run.slow_steps.size() == 3);
    CHECK(run.slow_steps[0].sequence == 2);
    CHECK(run.slow_steps[1].sequence == 4);
    CHECK(run.slow_steps[2].sequence == 6);
    CHECK(run.slow_steps_dropped == 3);
}

TEST_CASE("of equally slow steps the earlier ones stay", "[report]") {
    report run;
    for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) {
        slow_step step;
        step.sequence = sequence;
        add_slow_step(run, step, 2);
    }
    CHECK(run.slow_steps[0].sequence == 1);
    CHECK(run.slow_steps[1].sequence == 2);
}

TEST_CASE("a report survives the way through a file and replaces what was there", "[report]") {
    const directory scratch;
    const auto path = scratch / "run.json";
    std::ofstream(path) << "old";
    write_report(sample(), path);
    CHECK(read_report(path) == sample());
    CHECK(scratch.files() == 1);
}

TEST_CASE("a report's file may be read by whom the umask allows", "[report]") {
    const directory scratch;
    const auto old_mask = ::umask(022);
    write_report(sample(), scratch / "run.json");
    ::umask(old_mask);
    CHECK((fs::status(scratch / "run.json").permissions() & fs::perms::others_read)
          == fs::perms::others_read);
}

TEST_CASE("a report written through a symbolic link keeps the link", "[report]") {
    const directory scratch;
    write_report(report{}, scratch / "real.json");
    fs::create_symlink("real.json", scratch / "link.json");
    write_report(sample(), scratch / "link.json");
    CHECK(fs::is_symlink(scratch / "link.json"));
    CHECK(read_report(scratch / "real.json") == sample());
}

TEST_CASE("a report goes to what is no file without replacing it", "[report]") {
    write_report(sample(), "/dev/null");
    CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("a report that cannot be written says where and leaves what was there", "[report]") {
    const directory scratch;
    CHECK_THROWS_WITH(write_report(sample(), scratch / "missing/run.json"),
                      Contains("missing/run.json") && Contains("No such file"));
    fs::create_directory(scratch / "taken.json");
    CHECK_THROWS_WITH(write_report(sample(), scratch / "taken.json"), Contains("taken.json"));
    CHECK(scratch.files() == 1);
}

TEST_CASE("an error in a file names the file", "[report]") {
    const directory scratch;
    const auto path = scratch / "run.json";
    std::ofstream(path) << R"({"schema": "other"})";
    CHECK_THAT(error_of_reading(path), StartsWith(path.string() + ": $.schema: "));
}

TEST_CASE("a file that cannot be read says why and what to do", "[report]") {
    const directory scratch;
    CHECK_THAT(error_of_reading(scratch / "absent.json"),
               Contains("absent.json") && Contains("No such file") && Contains("check the name"));
    CHECK_THAT(error_of_reading("/"), Contains("Is a directory"));
}

TEST_CASE("a task name that is not UTF-8 does not spoil the report", "[report]") {
    const directory scratch;
    auto run = sample();
    run.slow_steps[0].name = "caf\xe9";
    write_report(run, scratch / "run.json");
    CHECK(read_report(scratch / "run.json").slow_steps[0].name == "caf\xef\xbf\xbd");
}
