// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include "support/catch.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

using namespace coroscope::profiler_server;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

constexpr auto profile_text = R"({"kind": "wait",
 "values": [{"name": "waits", "unit": "count"}, {"name": "waiting", "unit": "nanoseconds"}],
 "frames": [{"function": "serve"}], "samples": [{"stack": [0], "values": [2, 9000]}],
 "duration_ns": 0, "period": 0, "dropped": 0})";

struct outcome {
    int code = -1;
    std::string out;
    std::string err;
};

outcome convert(std::vector<std::string> arguments) {
    std::ostringstream out;
    std::ostringstream err;
    arguments.insert(arguments.begin(), "convert");
    const auto code = cli::run_command_line(std::move(arguments), {out, err, [](auto) {
                                                                       return false;
                                                                   }});
    return {code, out.str(), err.str()};
}

class scratch_file {
public:
    explicit scratch_file(const std::string& text) {
        std::string name =
            (std::filesystem::temp_directory_path() / "coroscope-convert-XXXXXX").string();
        ::close(::mkstemp(name.data()));
        path_ = name;
        std::ofstream(path_) << text;
    }
    scratch_file(const scratch_file&) = delete;
    scratch_file& operator=(const scratch_file&) = delete;
    ~scratch_file() { std::filesystem::remove(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string text() const {
        std::ifstream file(path_);
        return {std::istreambuf_iterator<char>(file), {}};
    }

private:
    std::string path_;
};

}  // namespace

TEST_CASE("convert writes each format, of the last value unless told", "[cli][convert]") {
    const scratch_file profile(profile_text);
    CHECK(convert({"--to", "collapsed", profile.path()}).out == "serve 9000\n");
    CHECK(convert({"--to", "collapsed", "--value", "waits", profile.path()}).out == "serve 2\n");
    CHECK_THAT(convert({"--to", "pprof", profile.path()}).out, StartsWith("--- symbol\n"));
    CHECK_THAT(convert({"--to", "speedscope", profile.path()}).out, StartsWith("{\"$schema\":"));
    CHECK_THAT(convert({"--to", "html", profile.path()}).out, StartsWith("<!DOCTYPE html>"));
    CHECK_THAT(convert({"--to", "json", profile.path()}).out, Contains("\"kind\":\"wait\""));
}

TEST_CASE("convert writes to a file where one is given", "[cli][convert]") {
    const scratch_file profile(profile_text);
    const scratch_file made("old");
    const auto result = convert({"--to", "collapsed", profile.path(), "-o", made.path()});
    CHECK(result.code == 0);
    CHECK(result.out.empty());
    CHECK(made.text() == "serve 9000\n");
}

TEST_CASE("convert says what is wrong with its input, and what to do", "[cli][convert]") {
    const auto error_of = [](const std::vector<std::string>& arguments) {
        const auto result = convert(arguments);
        CHECK(result.code == 2);
        CHECK(result.out.empty());
        return result.err;
    };
    const scratch_file profile(profile_text);
    const scratch_file cut_off("{\"kind\": ");
    const scratch_file other("{\"kind\": \"wait\"}");
    CHECK_THAT(error_of({"--to", "html", "/nowhere/at/all"}), Contains("cannot be read"));
    CHECK_THAT(error_of({"--to", "html", cut_off.path()}), Contains("not JSON"));
    CHECK_THAT(error_of({"--to", "html", other.path()}),
               Contains(other.path()) && Contains("values"));
    CHECK_THAT(error_of({"--to", "html", "--value", "cpu", profile.path()}),
               Contains("no value 'cpu'") && Contains("waits, waiting"));
    CHECK_THAT(error_of({"--to", "html", profile.path(), "-o", "/nowhere/at/all"}),
               Contains("cannot be written"));
    CHECK_THAT(error_of({"--to", "svg", profile.path()}), Contains("--help"));
    CHECK_THAT(error_of({profile.path()}), Contains("--to"));
}
