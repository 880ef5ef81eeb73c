// SPDX-License-Identifier: Apache-2.0
#include "races/corpus.hpp"
#include "races/prediction.hpp"
#include "races/search.hpp"

#include <coroscope/testkit/explore.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

// Searches every program of the corpus and prints what that took; see scripts/race-table.

namespace race_corpus {
namespace {

using coroscope::testkit::explore;
using coroscope::testkit::failure_kind;
using coroscope::testkit::strategy;

constexpr auto usage = R"(usage: coroscope_race_table [options]

Explores every program of the corpus of races and prints which of those that are wrong were
confirmed, after how many executions, with and without their assertions; and that those that are
correct were left alone by every strategy.

  --seeds N        the executions are medians of N searches with seeds of their own (5)
  --executions N   the most executions of one search in a program that is wrong (1000)
  --correct N      executions of each strategy in a program that is correct (10000)
  --filter REGEX   only the programs in whose name REGEX is found
  --json           prints JSON in place of the table
  --output FILE    writes the JSON there, too

Exit status: 0 if all that are wrong were confirmed, also without assertions but for those that are
known to need them, and no correct one was reported; 1 if not; 2 for wrong usage.
)";

struct options {
    std::uint64_t seeds = 5;
    std::uint64_t executions = 1'000;
    std::uint64_t correct = 10'000;
    std::regex filter{""};
    bool prints_json = false;
    std::string output;
};

/// What searches of one program with several seeds came to.
struct searched {
    std::uint64_t confirmed = 0;  ///< searches
    std::vector<std::uint64_t> numbers;
    std::string kind;  ///< of the first failure
};

struct row {
    const program* of = nullptr;
    searched with;
    searched without;
    // Of a correct one.
    std::uint64_t tried = 0;
    bool is_exhausted = false;
    std::string reported_by;  ///< a strategy; empty: it was left alone
    std::string unchecked;    ///< why outcomes were not compared; empty: they were
    std::optional<prediction> predicted;
};

[[nodiscard]] searched search(const program& p, const options& chosen) {
    searched result;
    for (std::uint64_t seed = 1; seed <= chosen.seeds; ++seed) {
        auto settings = search_options(strategy::portfolio, chosen.executions, seed);
        settings.max_shrink_executions = 0;
        const auto found = explore(p.run, settings);
        if (found.ok()) { continue; }
        ++result.confirmed;
        result.numbers.push_back(found.failure->number);
        const auto& failures = found.failure->result.failures;
        if (result.kind.empty() && !failures.empty()) { result.kind = to_string(failures[0].kind); }
    }
    return result;
}

void leave_alone(row& r, const options& chosen) {
    for (const auto s : every_strategy) {
        const auto tried = explore(r.of->run, search_options(s, chosen.correct, 1));
        r.tried += tried.executions;
        r.is_exhausted = r.is_exhausted || tried.exhausted;
        if (!tried.outcomes.were_checked) { r.unchecked = tried.outcomes.trouble; }
        if (!tried.ok()) { r.reported_by = to_string(s); }
    }
}

[[nodiscard]] row measure(const program& p, const options& chosen) {
    row r;
    r.of = &p;
#if COROSCOPE_RACES_ARE_SEEN
    r.predicted = predict(p);
#endif
    if (p.expected == verdict::correct) {
        leave_alone(r, chosen);
        return r;
    }
    r.with = search(p, chosen);
    const without_assertions scope;
    r.without = search(p, chosen);
    return r;
}

[[nodiscard]] std::string number(const std::optional<std::uint64_t>& n) {
    return n.has_value() ? std::to_string(*n) : "-";
}

/// What the detector predicted from one run; `-` where it could not see the accesses.
[[nodiscard]] std::string predicted(const row& r) {
    return r.predicted.has_value() ? std::to_string(r.predicted->candidates) : "-";
}

/// How many executions it took after the recorded one, directed ones first; with a `+`: they alone
/// did not do.
[[nodiscard]] std::string directed(const row& r) {
    if (!r.predicted.has_value()) { return "-"; }
    if (r.predicted->failed_by_itself) { return "by itself"; }
    if (!r.predicted->executions.has_value()) { return "-"; }
    return number(r.predicted->executions) + (r.predicted->is_directed ? "" : "+");
}

void print_head() {
    std::cout << std::left << std::setw(34) << "program" << std::setw(28) << "kind" << std::setw(8)
              << "verdict" << std::right << std::setw(11) << "executions" << std::setw(9)
              << "without" << std::setw(10) << "detector" << std::setw(10) << "directed"
              << "  confirmed as, or tried\n";
}

void print(const row& r) {
    const auto& p = *r.of;
    std::cout << std::left << std::setw(34) << p.name << std::setw(28) << p.kind << std::setw(8)
              << to_string(p.expected) << std::right << std::setw(11)
              << number(median(r.with.numbers)) << std::setw(9) << number(median(r.without.numbers))
              << std::setw(10) << predicted(r) << std::setw(10) << directed(r) << "  ";
    if (p.expected == verdict::correct) {
        std::cout << r.tried << (r.is_exhausted ? ", all orders" : "")
                  << (r.reported_by.empty() ? "" : ", REPORTED by " + r.reported_by)
                  << (r.predicted.has_value() && r.predicted->executions ? ", REPORTED" : "")
                  << (r.unchecked.empty() ? "" : "; outcomes not checked: " + r.unchecked) << '\n';
    } else {
        std::cout << (r.with.kind.empty() ? "NOT CONFIRMED" : r.with.kind)
                  << (r.without.kind.empty()          ? "; not without assertions"
                      : r.without.kind != r.with.kind ? "; " + r.without.kind
                                                      : "")
                  << '\n';
    }
}

/// What the whole table has to show.
struct verdicts {
    std::size_t wrong = 0;
    std::size_t confirmed = 0;
    std::size_t without_assertions = 0;
    std::size_t missed_without = 0;  ///< though they should not need assertions
    std::size_t correct = 0;
    std::size_t reported = 0;
    std::size_t hidden = 0;                 ///< wrong, and not so in the recorded execution
    std::size_t directed = 0;               ///< of these, confirmed by a directed execution
    std::vector<std::uint64_t> executions;  ///< of all that are hidden, until one failed
    std::size_t predicted_correct = 0;      ///< correct ones of which the detector has a candidate

    void add(const row& r, const options& chosen) {
        if (r.of->expected == verdict::correct) {
            ++correct;
            const bool was_hunted = r.predicted.has_value()
                                    && (r.predicted->failed_by_itself || r.predicted->executions);
            reported += r.reported_by.empty() && !was_hunted ? 0U : 1U;
            predicted_correct += r.predicted.has_value() && r.predicted->candidates > 0 ? 1U : 0U;
            return;
        }
        ++wrong;
        confirmed += r.with.confirmed == chosen.seeds ? 1U : 0U;
        const bool needs_none = r.without.confirmed == chosen.seeds;
        without_assertions += needs_none ? 1U : 0U;
        missed_without += needs_none || r.of->needs_assertions ? 0U : 1U;
        if (!r.predicted.has_value() || r.predicted->failed_by_itself) { return; }
        ++hidden;
        directed += r.predicted->is_directed ? 1U : 0U;
        executions.push_back(r.predicted->executions.value_or(most_executions_predicted));
    }
    [[nodiscard]] bool hold() const {
        return confirmed == wrong && missed_without == 0 && reported == 0;
    }
};

[[nodiscard]] nlohmann::json to_json(const searched& s) {
    nlohmann::json j{{"searches_that_confirmed", s.confirmed}, {"confirmed_as", s.kind}};
    if (const auto middle = median(s.numbers)) { j["median_executions"] = *middle; }
    return j;
}

[[nodiscard]] nlohmann::json to_json(const row& r) {
    nlohmann::json j{{"name", r.of->name},
                     {"kind", r.of->kind},
                     {"source", to_string(r.of->from)},
                     {"verdict", to_string(r.of->expected)}};
    if (r.of->expected == verdict::correct) {
        j["executions"] = r.tried;
        j["exhausted"] = r.is_exhausted;
        j["reported_by"] = r.reported_by;
        j["outcomes_not_checked"] = r.unchecked;
    } else {
        j["with_assertions"] = to_json(r.with);
        j["without_assertions"] = to_json(r.without);
    }
    if (r.predicted.has_value()) {
        const auto& p = *r.predicted;
        j["predicted"] = {{"fails_by_itself", p.failed_by_itself},
                          {"rules", p.rules},
                          {"candidates", p.candidates}};
        if (p.executions.has_value()) {
            j["predicted"]["executions"] = *p.executions;
            j["predicted"]["by_a_directed_execution"] = p.is_directed;
        }
    }
    return j;
}

[[nodiscard]] std::string json_text(const std::vector<row>& rows, const verdicts& all) {
    nlohmann::json j{{"wrong", all.wrong},
                     {"confirmed", all.confirmed},
                     {"confirmed_without_assertions", all.without_assertions},
                     {"correct", all.correct},
                     {"reported", all.reported},
                     {"hidden", all.hidden},
                     {"hidden_and_confirmed_by_directed_executions", all.directed},
                     {"geometric_mean_directed_executions", geometric_mean(all.executions)},
                     {"correct_with_predictions", all.predicted_correct},
                     {"programs", nlohmann::json::array()}};
    if (const auto middle = median(all.executions)) { j["median_directed_executions"] = *middle; }
    for (const auto& each : rows) {
        j["programs"].push_back(to_json(each));
    }
    return j.dump(2) + "\n";
}

/// A line to standard error every ten seconds.
class progress {
public:
    explicit progress(std::size_t all) : all_(all) {}
    void done(const program& last) {
        ++done_;
        const auto now = std::chrono::steady_clock::now();
        if (now - told_ < std::chrono::seconds(10)) { return; }
        told_ = now;
        std::cerr << "race-table: " << done_ << " of " << all_ << " programs, the last is "
                  << last.name << '\n';
    }

private:
    std::size_t all_;
    std::size_t done_ = 0;
    std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

[[nodiscard]] bool run(const options& chosen) {
    std::vector<program> programs;
    for (const auto& each : all()) {
        if (std::regex_search(each.name.begin(), each.name.end(), chosen.filter)) {
            programs.push_back(each);
        }
    }
    if (programs.empty()) { throw std::invalid_argument("no program has such a name"); }
    const bool has_table = !chosen.prints_json;
    if (has_table) { print_head(); }
    std::vector<row> rows;
    verdicts sum;
    progress told(programs.size());
    for (const auto& each : programs) {
        rows.push_back(measure(each, chosen));
        sum.add(rows.back(), chosen);
        if (has_table) { print(rows.back()); }
        told.done(each);
    }
    if (has_table) {
        std::cout << sum.confirmed << " of " << sum.wrong << " wrong programs confirmed, "
                  << sum.without_assertions << " without assertions; " << sum.reported << " of "
                  << sum.correct << " correct ones reported\n";
        if (sum.hidden > 0) {
            std::cout << sum.directed << " of " << sum.hidden
                      << " that are hidden by default confirmed by directed executions; all of "
                         "them after "
                      << number(median(sum.executions)) << " executions (median; geometric mean "
                      << std::setprecision(2) << geometric_mean(sum.executions)
                      << "); the detector has a candidate of " << sum.predicted_correct
                      << " correct ones\n";
        }
    }
    if (chosen.prints_json) { std::cout << json_text(rows, sum); }
    if (!chosen.output.empty()) {
        std::ofstream file(chosen.output);
        file << json_text(rows, sum);
        if (!file.flush()) { throw std::runtime_error("cannot write " + chosen.output); }
    }
    return sum.hold();
}

/// False if there is nothing to measure.
[[nodiscard]] bool parse(const std::vector<std::string>& arguments, options& chosen) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& argument = arguments[i];
        if (argument == "--help" || argument == "-h") {
            std::cout << usage;
            return false;
        }
        const auto value = [&]() -> const std::string& {
            if (i + 1 == arguments.size()) {
                throw std::invalid_argument(argument + " needs a value; see --help");
            }
            return arguments[++i];
        };
        if (argument == "--seeds") {
            chosen.seeds = std::max(1UL, std::stoul(value()));
        } else if (argument == "--executions") {
            chosen.executions = std::stoul(value());
        } else if (argument == "--correct") {
            chosen.correct = std::stoul(value());
        } else if (argument == "--filter") {
            chosen.filter = std::regex(value());
        } else if (argument == "--json") {
            chosen.prints_json = true;
        } else if (argument == "--output") {
            chosen.output = value();
        } else {
            throw std::invalid_argument("unknown option: " + argument + "; see --help");
        }
    }
    return true;
}

}  // namespace
}  // namespace race_corpus

int main(int argc, char** argv) {
    try {
        race_corpus::options chosen;
        if (!race_corpus::parse({argv + 1, argv + argc}, chosen)) { return 0; }
        return race_corpus::run(chosen) ? 0 : 1;
    } catch (const std::logic_error& e) {
        std::cerr << "race-table: " << e.what() << '\n';
        return 2;
    } catch (const std::exception& e) {
        std::cerr << "race-table: " << e.what() << '\n';
        return 1;
    }
}
