// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>

#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

/// What a finding of a rule has to have, beside what all have.
struct finding_grammar {
    std::vector<std::string> tasks;  ///< each with a name and the line where it was created
    std::vector<std::string> steps;  ///< accesses, requests or waits: each with a stack with lines
    std::vector<std::string> awaits;
    std::string name = "variable";
    bool has_other = true;  ///< the second of each is always there
};

/// Reads findings about races and deadlocks, and says what is missing.
class finding_parser {
public:
    explicit finding_parser(const coroscope::report::finding& of) : of_(of) {}

    [[nodiscard]] std::vector<std::string> missing() {
        const auto grammar = grammars().find(of_.rule);
        if (grammar == grammars().end()) { return {of_.rule + ": nobody has said what it needs"}; }
        need("a line", is_line(of_.where));
        need("a fingerprint", std::regex_match(of_.fingerprint, std::regex("[0-9a-f]{16}")));
        need("the missing order", has("missing order", ".{20,}"));
        need("a schedule or how to replay it",
             has("schedule", schedule_pattern) || has("replay", replay_pattern));
        check(grammar->second);
        return missing_;
    }

private:
    static constexpr const char* schedule_pattern =
        "hold (task [0-9]+.*|callback [0-9]+.*) before its (beginning|await number [0-9]+) until "
        "(task [0-9]+.*|callback [0-9]+.*) has passed its (beginning|await number [0-9]+)";

    static constexpr const char* replay_pattern =
        "in the order that was run: nobody has to be held|co1:[0-9]+:.*";

    [[nodiscard]] static const std::map<std::string, finding_grammar>& grammars();

    void check(const finding_grammar& by) {
        const std::string unit = "((task|callback|job) [0-9]+.*), created at .+:[0-9]+ in .+";
        const auto second = by.has_other ? std::size_t{2} : std::size_t{1};
        for (std::size_t i = 0; i < std::min(second, by.tasks.size()); ++i) {
            need(by.tasks[i] + ": where it was created", has_line(by.tasks[i], unit));
        }
        for (std::size_t i = 0; i < std::min(second, by.steps.size()); ++i) {
            need(by.steps[i] + ": a stack", has_stack(by.steps[i]));
        }
        for (std::size_t i = 0; i < std::min(second, by.awaits.size()); ++i) {
            need(by.awaits[i] + ": a line",
                 has_line(by.awaits[i], ".+:[0-9]+ in .+")
                     || has(by.awaits[i], "in its first step|none: they run at the same time"));
        }
        need(by.name + ": a name", has(by.name,
                                       "'.+'.*|the variable made at .+:[0-9]+"
                                       "|byte [0-9]+ of a block of [0-9]+ allocated at .+:[0-9]+.*"
                                       "|a(n object that synchronises| variable) used .+"
                                       "|something that nobody has told of, used .+"
                                       "|(mutex|semaphore|condition|event|queue|task) [0-9]+.*"));
    }
    void need(const std::string& what, bool is_there) {
        if (!is_there) { missing_.push_back(of_.rule + ": " + what); }
    }
    [[nodiscard]] static bool is_line(const coroscope::report::source_position& at) {
        return at.line != 0 && !at.file.empty() && !at.function.empty();
    }
    [[nodiscard]] const coroscope::report::evidence_item* find(std::string_view label) const {
        const auto item =
            std::ranges::find(of_.evidence, label, &coroscope::report::evidence_item::label);
        return item != of_.evidence.end() ? &*item : nullptr;
    }
    [[nodiscard]] bool has(std::string_view label, const std::string& pattern) const {
        const auto* item = find(label);
        return item != nullptr && std::regex_match(item->text, std::regex(pattern));
    }
    [[nodiscard]] bool has_line(std::string_view label, const std::string& pattern) const {
        return has(label, pattern) && is_line(find(label)->where);
    }
    [[nodiscard]] bool has_stack(std::string_view label) const {
        const auto* item = find(label);
        return item != nullptr && is_line(item->where) && item->stack.has_value()
               && !item->stack->frames.empty() && item->stack->frames[0].line != 0;
    }

    const coroscope::report::finding& of_;
    std::vector<std::string> missing_;
};

inline const std::map<std::string, finding_grammar>& finding_parser::grammars() {
    static const finding_grammar triple{{"first task", "other task"},
                                        {"first access", "second access", "other access"},
                                        {"await between", "await of the other task"}};
    static const finding_grammar life{{"first task", "other task"},
                                      {"first access", "other access"},
                                      {"await of the first task", "await of the other task"}};
    static const finding_grammar threads{
        {"first task", "other task"}, {"first access", "second access"}, {"await between"}};
    static const finding_grammar order{
        {"first task", "second task"}, {"first request", "second request"}, {}, "first lock"};
    static const finding_grammar circle{
        {"first task", "other task"}, {"first wait", "other wait"}, {}, "first lock"};
    static const finding_grammar signal{
        {"first task", "other task"}, {"first access", "second access"}, {"await between"}};
    static const finding_grammar passed{
        {"first task", "other task"}, {"first access", "other access"}, {"await between"}};
    const auto alone = [](finding_grammar of) {
        of.has_other = false;
        return of;
    };
    static const finding_grammar waits{
        {"first task", "other task"}, {"first wait", "other wait"}, {}, "first waits for"};
    static const std::map<std::string, finding_grammar> all{
        {"stale-write", triple},    {"check-then-act", triple},       {"torn-group", triple},
        {"unserialisable", triple}, {"use-after-close", life},        {"use-after-move", life},
        {"use-after-free", life},   {"order-violation", alone(life)}, {"single-task", life},
        {"stale-result", life},     {"iterator-invalidated", life},   {"thread-race", threads},
        {"lock-order", order},      {"lock-cycle", circle},           {"self-lock", alone(circle)},
        {"await-cycle", waits},     {"all-blocked", alone(waits)},    {"lost-wakeup", signal},
        {"starvation", passed},     {"unordered-uses", life},         {"unordered-steps", life},
    };
    return all;
}
