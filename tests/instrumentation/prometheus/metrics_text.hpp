// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

/// A page of metrics as a scraper reads it, and what is wrong with it that `promtool check metrics`
/// does not say.
class metrics_text {
public:
    explicit metrics_text(const std::string& text) {
        if (text.empty() || text.back() != '\n') { complain("no final newline", text); }
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            line.starts_with("# ") ? read_comment(line) : read_sample(line);
        }
        if (values_.empty()) { complain("an empty page", ""); }
        for (const auto& [series, buckets] : buckets_) {
            check_buckets(series, buckets);
        }
    }

    [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }
    /// The value of a series as it is written: `up{job="a"}`; -1: there is none.
    [[nodiscard]] double at(const std::string& series) const {
        const auto found = values_.find(series);
        return found != values_.end() ? found->second : -1;
    }
    [[nodiscard]] const std::map<std::string, std::set<std::string>>& label_values()
        const noexcept {
        return label_values_;
    }

private:
    struct bucket {
        double bound;
        double count;
    };

    void complain(const std::string& what, const std::string& where) {
        problems_.push_back(what + ": " + where);
    }

    void read_comment(const std::string& line) {
        std::istringstream words(line);
        std::string hash;
        std::string what;
        std::string name;
        std::string type;
        words >> hash >> what >> name >> type;
        if (what == "HELP") {
            if (!families_.insert(name).second) { complain("a second HELP", name); }
            family_ = name;
            type_.clear();
        } else if (what == "TYPE") {
            if (name != family_ || !type_.empty()) { complain("TYPE away from its HELP", name); }
            type_ = type;
            const bool is_total = name.ends_with("_total");
            if (is_total != (type == "counter")) { complain("_total and counter differ", name); }
        } else {
            complain("a comment of another kind", line);
        }
    }

    void read_sample(const std::string& line) {
        static const std::regex form(R"(([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+))");
        std::smatch parts;
        if (!std::regex_match(line, parts, form)) { return complain("no sample", line); }
        auto name = parts[1].str();
        const auto value = std::strtod(parts[3].str().c_str(), nullptr);
        const auto series = line.substr(0, line.rfind(' '));
        if (!values_.emplace(series, value).second) { complain("twice the same series", series); }
        std::string suffix;
        if (type_ == "histogram" && name.starts_with(family_)) {
            suffix = name.substr(family_.size());
            name = family_;
        }
        if (name != family_) { complain("a sample away from its family", line); }
        read_labels(parts[2].str(), suffix, value);
    }

    void read_labels(const std::string& text, const std::string& suffix, double value) {
        static const std::regex label(R"re(([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?)re");
        std::string others;
        std::string bound;
        for (std::sregex_iterator i(text.begin(), text.end(), label), end; i != end; ++i) {
            if ((*i)[1] == "le") {
                bound = (*i)[2];
                continue;
            }
            label_values_[(*i)[1]].insert((*i)[2]);
            others += i->str();
        }
        if (bound.empty() == (suffix == "_bucket")) { complain("le and _bucket differ", text); }
        if (others.ends_with(',')) { others.pop_back(); }
        if (type_ != "histogram") { return; }
        auto& of_series = buckets_[family_ + '{' + others + '}'];
        if (suffix == "_bucket") {
            of_series.push_back({std::strtod(bound.c_str(), nullptr), value});
        }
    }

    void check_buckets(const std::string& series, const std::vector<bucket>& buckets) {
        if (buckets.empty() || buckets.back().bound != HUGE_VAL) {
            return complain("no +Inf at the end", series);
        }
        for (std::size_t i = 1; i < buckets.size(); ++i) {
            if (buckets[i].bound <= buckets[i - 1].bound) { complain("bounds disordered", series); }
            if (buckets[i].count < buckets[i - 1].count) { complain("not cumulative", series); }
        }
        const auto brace = series.find('{');
        const auto labels = series.ends_with("{}") ? "" : series.substr(brace);
        const auto name = series.substr(0, brace);
        if (at(name + "_count" + labels) != buckets.back().count) { complain("_count", series); }
        if (at(name + "_sum" + labels) < 0) { complain("no _sum", series); }
    }

    std::vector<std::string> problems_;
    std::map<std::string, double> values_;
    std::map<std::string, std::vector<bucket>> buckets_;
    std::map<std::string, std::set<std::string>> label_values_;
    std::set<std::string> families_;
    std::string family_;
    std::string type_;
};
