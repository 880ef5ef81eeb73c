// SPDX-License-Identifier: Apache-2.0
// Whatever the rule, a finding has all that is needed to understand it.
#include <coroscope/instrumentation/races.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

using number = shared<int>;

coro<> add_stale(number& x) {
    const auto before = x.get();
    co_await yield_now();
    x.set(before + 1);
}

coro<> fill_if_empty(number& x) {
    if (x.get() == 0) {
        co_await yield_now();
        x.set(42);
    }
}

coro<> read_twice(number& x) {
    const int first = x.get();
    co_await yield_now();
    const int second = x.get();
    static_cast<void>(first + second);
}

coro<> set_one(number& x) {
    x.set(1);
    co_return;
}

coro<> move_one(number& from, number& to) {
    from.update([](int& value) { --value; });
    co_await yield_now();
    to.update([](int& value) { ++value; });
}

coro<> add_up(number& a, number& b, int& sum) {
    sum = a.get() + b.get();
    co_return;
}

coro<> use_it(watched<int>& object) {
    co_await sleep_for(1s);
    static_cast<void>(object.use());
}

coro<> close_it(watched<int>& object, duration when) {
    co_await sleep_for(when);
    object.close();
}

coro<> take(single_task<int>& value) {
    ++value.get();
    co_return;
}

/// What a finding must say, whoever made it.
class finding_parser {
public:
    explicit finding_parser(const report::finding& of) : of_(of) {}

    [[nodiscard]] std::vector<std::string> missing() {
        std::vector<std::string> out;
        const auto need = [&](const char* what, bool is_there) {
            if (!is_there) { out.emplace_back(of_.rule + ": " + what); }
        };
        need("a rule", !of_.rule.empty());
        need("a line", !of_.where.empty());
        need("a fingerprint", std::regex_match(of_.fingerprint, std::regex("[0-9a-f]{16}")));
        need("a name", has("variable", "'.+'|the variable made at .+:[0-9]+")
                           || has("first lock", "mutex [0-9]+ at .+"));
        const std::string unit = "(task [0-9]+ \\(.+\\)|callback [0-9]+), created at .+:[0-9]+.*";
        need("the first task's creation", has_line("first task", unit));
        need("the other task's creation", has_line("other task", unit)
                                              || has_line("second task", unit)
                                              || has_line("next task", unit));
        need("the first access's stack", has_stack("first access") || has_stack("first request"));
        need("the second access's stack", has_stack("second access") || has_stack("second request")
                                              || has_stack("next request"));
        need("an await", has("await between", ".+") || has_stack("first request"));
        need("the missing order", has("missing order", ".+"));
        need("a way to get there", of_.verdict == report::verdict::confirmed
                                       || has("schedule", "hold .+ before its .+ until .+"));
        return out;
    }

private:
    [[nodiscard]] const report::evidence_item* find(std::string_view label) const {
        const auto item = std::ranges::find(of_.evidence, label, &report::evidence_item::label);
        return item != of_.evidence.end() ? &*item : nullptr;
    }
    [[nodiscard]] bool has(std::string_view label, const std::string& pattern) const {
        const auto* item = find(label);
        return item != nullptr && std::regex_match(item->text, std::regex(pattern));
    }
    [[nodiscard]] bool has_line(std::string_view label, const std::string& pattern) const {
        return has(label, pattern) && !find(label)->where.empty();
    }
    [[nodiscard]] bool has_stack(std::string_view label) const {
        const auto* item = find(label);
        return item != nullptr && item->stack.has_value() && !item->stack->frames.empty()
               && item->stack->frames[0].line != 0;
    }
    const report::finding& of_;
};

/// Programs with one mistake each.
void run_mistakes(raced_loop& v) {
    number balance(0, "balance");
    v.start(add_stale(balance), "one");
    v.start(add_stale(balance), "two");
    number cache(0);
    v.start(fill_if_empty(cache), "three");
    v.start(fill_if_empty(cache), "four");
    number level(0, "level");
    v.start(read_twice(level), "five");
    v.start(set_one(level), "six");
    number a(1, "a");
    number b(0, "b");
    const invariant_group sums("sums", a, b);
    int sum = 0;
    v.start(move_one(a, b), "seven");
    v.start(add_up(a, b, sum), "eight");
    watched<int> early("early");
    early.open(1);
    v.start(close_it(early, 0s), "nine");
    v.start(use_it(early), "ten");
    watched<int> late("late");
    late.open(1);
    v.start(use_it(late), "eleven");
    v.start(close_it(late, 2s), "twelve");
    single_task<int> owned(0, "owned");
    v.start(take(owned), "thirteen");
    v.start(take(owned), "fourteen");
    v.run();
}

}  // namespace

TEST_CASE("each finding has both tasks, both stacks, the await, the name and the missing order") {
    raced_loop v;
    run_mistakes(v);
    std::set<std::string> rules;
    for (const auto& found : v.races.findings()) {
        rules.insert(found.rule);
        CHECK(finding_parser(found).missing() == std::vector<std::string>());
    }
    CHECK(rules
          == std::set<std::string>{"check-then-act", "single-task", "stale-write", "torn-group",
                                   "unserialisable", "use-after-close"});
}

TEST_CASE("a contract that was broken leaves nothing to explore") {
    raced_loop v;
    run_mistakes(v);
    const auto candidates = v.races.candidates();
    CHECK_FALSE(candidates.empty());
    for (const auto& each : candidates) {
        CHECK(each.what.verdict == report::verdict::predicted);
        CHECK_FALSE(each.holds.empty());
    }
}
