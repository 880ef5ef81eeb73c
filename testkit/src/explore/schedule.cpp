// SPDX-License-Identifier: Apache-2.0
#include "schedule.hpp"

#include "agent_tree.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

constexpr std::string_view prefix = "co1:";

/// Reads from the front of a text and knows where it is.
class schedule_reader {
public:
    explicit schedule_reader(std::string_view text) : text_(text) {}

    [[nodiscard]] schedule read() {
        if (!text_.starts_with(prefix)) {
            fail(text_.starts_with("co") && text_.find(':') != std::string_view::npos
                     ? "it is of another version; this one reads those that begin with 'co1:'"
                     : "it begins with 'co1:'");
        }
        at_ = prefix.size();
        schedule result;
        result.seed = number<std::uint64_t>("the seed");
        expect(':', "after the seed");
        if (at_ == text_.size()) { return result; }
        read_entry(result);
        while (at_ < text_.size()) {
            expect(',', "between two entries");
            read_entry(result);
        }
        return result;
    }

private:
    void read_entry(schedule& into) {
        const auto begin = at_;
        const auto end = std::min(text_.find_first_of("=tf@,", at_), text_.size());
        const char what = end < text_.size() ? text_[end] : '\0';
        if (what == '@') {
            into.holds.push_back(read_hold());
            return;
        }
        const auto step = number<std::uint64_t>("a step");
        if (what == '=' || what == 't') {
            expect(what, "after a step");
            into.deviations.push_back({step, path(), what == 't'});
            expect_growing_steps(into, begin);
        } else {
            expect('f', "or '=' after a step");
            into.faults.push_back({step, number<std::uint32_t>("the number of a fault point")});
            if (into.faults.size() > 1) { expect_order(into, begin); }
        }
    }

    void expect_growing_steps(const schedule& s, std::size_t begin) {
        if (s.deviations.size() < 2) { return; }
        const auto place_of = [](const deviation& d) {
            return std::pair(d.step, !d.in_place_of_time);
        };
        if (place_of(s.deviations[s.deviations.size() - 2]) >= place_of(s.deviations.back())) {
            at_ = begin;
            fail("steps of deviations grow");
        }
    }

    void expect_order(const schedule& s, std::size_t begin) {
        const auto& before = s.faults[s.faults.size() - 2];
        const auto& last = s.faults.back();
        const bool grows =
            before.step != last.step ? before.step < last.step : before.number < last.number;
        if (!grows) {
            at_ = begin;
            fail("faults are in order");
        }
    }

    [[nodiscard]] hold read_hold() {
        hold result;
        result.agent = path();
        expect('@', "after a task that is held");
        result.await = number<std::uint32_t>("the number of an await");
        expect('-', "before the task that is waited for");
        result.until = path();
        expect('@', "after the task that is waited for");
        result.passed = number<std::uint32_t>("the number of an await");
        return result;
    }

    [[nodiscard]] std::string path() {
        const auto end = std::min(text_.find_first_not_of("0123456789.c", at_), text_.size());
        const auto text = text_.substr(at_, end - at_);
        if (!hash_of_path(text).has_value()) { fail("a task is named as in 0.2 or 0.1c0"); }
        at_ = end;
        return std::string(text);
    }

    template <class T>
    [[nodiscard]] T number(const char* what) {
        T value = 0;
        const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
        if (parsed.ec != std::errc()) { fail(std::string(what) + " is a whole number"); }
        at_ = static_cast<std::size_t>(parsed.ptr - text_.data());
        return value;
    }

    void expect(char c, const char* where) {
        if (at_ >= text_.size() || text_[at_] != c) { fail(std::string("'") + c + "' " + where); }
        ++at_;
    }

    [[noreturn]] void fail(const std::string& expected) const {
        constexpr std::size_t most = 200;
        const auto shown =
            text_.size() <= most ? std::string(text_) : std::string(text_.substr(0, most)) + "...";
        throw std::invalid_argument("not a schedule: '" + shown + "'; expected at character "
                                    + std::to_string(at_ + 1) + ": " + expected);
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::string to_text(const schedule& s) {
    auto text = std::string(prefix) + std::to_string(s.seed) + ":";
    const char* separator = "";
    const auto add = [&](const std::string& entry) {
        text += separator + entry;
        separator = ",";
    };
    auto next = s.deviations.begin();
    const auto add_deviations_to = [&](std::uint64_t step) {
        for (; next != s.deviations.end() && next->step <= step; ++next) {
            add(std::to_string(next->step) + (next->in_place_of_time ? "t" : "=") + next->agent);
        }
    };
    for (const auto& f : s.faults) {
        add_deviations_to(f.step);
        add(std::to_string(f.step) + "f" + std::to_string(f.number));
    }
    add_deviations_to(~std::uint64_t{0});
    for (const auto& h : s.holds) {
        add(h.agent + "@" + std::to_string(h.await) + "-" + h.until + "@"
            + std::to_string(h.passed));
    }
    return text;
}

schedule parse_schedule(std::string_view text) {
    return schedule_reader(text).read();
}

}  // namespace coroscope::testkit::detail
