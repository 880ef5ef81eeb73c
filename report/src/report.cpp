// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/report.hpp>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

namespace coroscope::report {

namespace {

namespace fs = std::filesystem;

// Our own reports nest 6 deep.
constexpr int deepest = 64;

nlohmann::json parse(std::string_view text) {
    const auto bounded = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        if (depth > deepest) {
            throw report_error("", "JSON nested more than " + std::to_string(deepest) + " deep",
                               "this is no coroscope report; check the file's name");
        }
        return true;
    };
    try {
        return nlohmann::json::parse(text.begin(), text.end(), bounded);
    } catch (const nlohmann::json::parse_error& error) {
        const auto place = "byte " + std::to_string(error.byte);
        if (error.byte > text.size()) {
            throw report_error(place,
                               text.empty() ? "the text is empty" : "the JSON ends too early",
                               "the program may have been killed while writing; run it again");
        }
        throw report_error(place, "not valid JSON", "check that this is a coroscope report");
    } catch (const nlohmann::json::exception& error) {
        throw report_error("", std::string("JSON that cannot be read (") + error.what() + ")",
                           "check that this is a coroscope report");
    }
}

void check_schema(const json_view& json) {
    const auto what_to_do = "check that this is a coroscope report";
    if (!json.value().is_object()) {
        throw report_error(json.path(),
                           std::string("expected an object, found ") + json.value().type_name(),
                           what_to_do);
    }
    const auto schema = json.find("schema");
    if (!schema || schema->value() != nlohmann::json(schema_name)) {
        throw report_error("$.schema",
                           "expected \"" + std::string(schema_name) + "\", found "
                               + (schema ? json_line(schema->value()).substr(0, 60) : "nothing"),
                           what_to_do);
    }
    const auto version = json.at("schema_version").count();
    if (version < 1 || version > static_cast<std::uint64_t>(schema_version)) {
        throw report_error("$.schema_version",
                           "version " + std::to_string(version) + ", this program reads 1 to "
                               + std::to_string(schema_version),
                           "use the coroscope version that wrote the report, or a newer one");
    }
}

template <typename Value>
nlohmann::json array_of(const std::vector<Value>& values) {
    nlohmann::json array = nlohmann::json::array();
    for (const auto& value : values) {
        array.push_back(to_json(value));
    }
    return array;
}

template <typename Value>
std::vector<Value> read_array(const json_view& json, Value (*read)(const json_view&)) {
    std::vector<Value> values;
    for (const auto& element : json.elements()) {
        values.push_back(read(element));
    }
    return values;
}

constexpr std::size_t largest_file = std::size_t{512} << 20U;

report_error failure(const fs::path& path, const std::string& doing, int error,
                     const char* next_step) {
    return report_error("", doing + ": " + std::generic_category().message(error), next_step)
        .in_file(path.string());
}

std::string read_all(const fs::path& path) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
        throw failure(path, "cannot be read", EISDIR, "name the report itself");
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw failure(path, "cannot be opened", errno != 0 ? errno : EIO,
                      "check the name, and that the program wrote a report there");
    }
    std::string text;
    std::string chunk(std::size_t{1} << 16U, '\0');
    while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()))
           || file.gcount() > 0) {
        text.append(chunk, 0, static_cast<std::size_t>(file.gcount()));
        if (text.size() > largest_file) {
            throw failure(path, "larger than 512 MiB", EFBIG,
                          "check that this is a coroscope report");
        }
    }
    if (file.bad()) {
        throw failure(path, "cannot be read", errno != 0 ? errno : EIO,
                      "check the file and the disk");
    }
    return text;
}

constexpr const char* check_disk = "check the directory's permissions and free space";

// A new file that is removed again unless it has got its final name.
class new_file {
public:
    explicit new_file(const fs::path& final_name, const fs::path& name, int flags)
        : final_name_(final_name),
          name_(name) {
        descriptor_ = ::open(name_.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666);
        if (descriptor_ < 0) {
            throw failure(final_name_, "cannot create " + name_.string(), errno, check_disk);
        }
    }
    new_file(const new_file&) = delete;
    new_file& operator=(const new_file&) = delete;
    ~new_file() {
        if (descriptor_ >= 0) { ::close(descriptor_); }
        if (remove_) { ::unlink(name_.c_str()); }
    }

    void write(std::string_view text) {
        while (!text.empty()) {
            const auto written = ::write(descriptor_, text.data(), text.size());
            if (written < 0 && errno != EINTR) {
                throw failure(final_name_, "cannot write " + name_.string(), errno, check_disk);
            }
            text.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
        }
    }

    void remove_unless_renamed() { remove_ = true; }

    void rename() {
        if (::fsync(descriptor_) != 0 && errno != EINVAL) {
            throw failure(final_name_, "cannot write " + name_.string(), errno, check_disk);
        }
        if (::rename(name_.c_str(), final_name_.c_str()) != 0) {
            throw failure(final_name_, "cannot be replaced", errno, check_disk);
        }
        remove_ = false;
    }

private:
    fs::path final_name_;
    fs::path name_;
    int descriptor_ = -1;
    bool remove_ = false;
};

fs::path temporary_name(const fs::path& path) {
    static std::atomic<unsigned> counter{0};
    auto name = path;
    name += ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter.fetch_add(1));
    return name;
}

}  // namespace

void add_slow_step(report& to, slow_step step, std::size_t limit) {
    to.slow_steps.push_back(std::move(step));
    while (to.slow_steps.size() > limit) {
        // The last of the fastest, so that of equals the earlier one stays.
        const auto fastest =
            std::min_element(to.slow_steps.rbegin(), to.slow_steps.rend(),
                             [](const auto& a, const auto& b) { return a.wall < b.wall; });
        to.slow_steps.erase(std::next(fastest).base());
        ++to.slow_steps_dropped;
    }
}

nlohmann::json to_json(const report& report) {
    return {{"schema", schema_name},
            {"schema_version", schema_version},
            {"program", report.program},
            {"started_unix_ns", unix_nanoseconds(report.started)},
            {"finished_unix_ns", unix_nanoseconds(report.finished)},
            {"slow_threshold_ns", report.slow_threshold.count()},
            {"slow_steps", array_of(report.slow_steps)},
            {"slow_steps_dropped", report.slow_steps_dropped},
            {"findings", array_of(report.findings)},
            {"findings_dropped", report.findings_dropped},
            {"time_stats", to_json(report.time)},
            {"loop_stats", array_of(report.loops)}};
}

report from_json(std::string_view text) {
    const auto value = parse(text);
    const json_view json(value);
    check_schema(json);
    report report;
    report.program = json.at("program").text();
    report.started = json.at("started_unix_ns").unix_time();
    report.finished = json.at("finished_unix_ns").unix_time();
    report.slow_threshold = json.at("slow_threshold_ns").nanoseconds();
    report.slow_steps = read_array(json.at("slow_steps"), read_slow_step);
    report.slow_steps_dropped = json.at("slow_steps_dropped").count();
    report.findings = read_array(json.at("findings"), read_finding);
    report.findings_dropped = json.at("findings_dropped").count();
    report.time = read_time_table(json.at("time_stats"));
    report.loops = read_array(json.at("loop_stats"), read_loop_stats);
    return report;
}

report read_report(const fs::path& path) {
    const auto text = read_all(path);
    try {
        return from_json(text);
    } catch (const report_error& error) { throw error.in_file(path.string()); }
}

void write_report(const report& report, const fs::path& path) {
    const auto text = json_line(to_json(report)) + "\n";
    std::error_code ignored;
    const auto status = fs::status(path, ignored);
    if (fs::exists(status)
        && !fs::is_regular_file(status)) {  // a pipe or a terminal has no name to replace
        new_file(path, path, 0).write(text);
        return;
    }
    auto target = path;
    if (fs::is_symlink(
            fs::symlink_status(path, ignored))) {  // what the link names is replaced, not the link
        target = fs::weakly_canonical(path, ignored);
    }
    new_file file(target, temporary_name(target), O_CREAT | O_EXCL);
    file.remove_unless_renamed();
    file.write(text);
    file.rename();
}

}  // namespace coroscope::report
