// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/finding.hpp>

#include "enumerator_names.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>

namespace coroscope::report {

namespace {

constexpr std::array severity_names{std::pair{severity::note, "note"},
                                    std::pair{severity::warning, "warning"},
                                    std::pair{severity::error, "error"}};

constexpr std::array verdict_names{std::pair{verdict::confirmed, "confirmed"},
                                   std::pair{verdict::predicted, "predicted"},
                                   std::pair{verdict::benign, "benign"}};

std::string_view base_name(std::string_view path) {
    const auto slash = path.find_last_of("/\\");
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// clang calls a lambda `(lambda at /home/me/a.cpp:12:5)`; what is left is `(lambda)`.
std::string without_places(std::string_view function) {
    constexpr std::string_view marker = " at ";
    std::string kept(function);
    for (auto begin = kept.find(marker); begin != std::string::npos;
         begin = kept.find(marker, begin)) {
        const auto end = kept.find(')', begin);
        if (end == std::string::npos) { break; }
        kept.erase(begin, end - begin);
    }
    return kept;
}

class fnv_1a {
public:
    void add(std::string_view text) {
        for (const char byte : text) {
            add_byte(static_cast<unsigned char>(byte));
        }
        add_byte(0);  // so that "ab" + "c" is not "a" + "bc"
    }

    [[nodiscard]] std::string digits() const {
        std::array<char, 17> text{};
        std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash_));
        return text.data();
    }

private:
    void add_byte(unsigned char byte) {
        hash_ ^= byte;
        hash_ *= 0x100000001b3U;
    }

    std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace

std::string make_fingerprint(std::string_view rule, std::span<const source_position> where,
                             std::string_view detail) {
    fnv_1a hash;
    hash.add(rule);
    hash.add(detail);
    for (const auto& position : where) {
        hash.add(base_name(position.file));
        hash.add(without_places(position.function));
    }
    return hash.digits();
}

std::string_view to_string(severity value) {
    return name_of(severity_names, value);
}

std::string_view to_string(verdict value) {
    return name_of(verdict_names, value);
}

nlohmann::json to_json(const evidence_item& item) {
    nlohmann::json json{{"label", item.label}, {"text", item.text}};
    if (!item.where.empty()) { json["where"] = to_json(item.where); }
    if (item.stack) { json["stack"] = to_json(*item.stack); }
    return json;
}

nlohmann::json to_json(const finding& finding) {
    nlohmann::json json{{"rule", finding.rule},
                        {"severity", to_string(finding.severity)},
                        {"verdict", to_string(finding.verdict)},
                        {"fingerprint", finding.fingerprint},
                        {"message", finding.message},
                        {"evidence", nlohmann::json::array()}};
    if (!finding.where.empty()) { json["where"] = to_json(finding.where); }
    for (const auto& item : finding.evidence) {
        json["evidence"].push_back(to_json(item));
    }
    return json;
}

evidence_item read_evidence_item(const json_view& json) {
    evidence_item item;
    item.label = json.at("label").text();
    item.text = json.at("text").text();
    if (const auto where = json.find("where")) { item.where = read_source_position(*where); }
    if (const auto stack = json.find("stack")) { item.stack = read_stack(*stack); }
    return item;
}

finding read_finding(const json_view& json) {
    finding finding;
    finding.rule = json.at("rule").text();
    finding.severity = read_enumerator(severity_names, json.at("severity"));
    finding.verdict = read_enumerator(verdict_names, json.at("verdict"));
    finding.fingerprint = json.at("fingerprint").text();
    finding.message = json.at("message").text();
    if (const auto where = json.find("where")) { finding.where = read_source_position(*where); }
    if (const auto evidence = json.find("evidence")) {
        for (const auto& item : evidence->elements()) {
            finding.evidence.push_back(read_evidence_item(item));
        }
    }
    return finding;
}

}  // namespace coroscope::report
