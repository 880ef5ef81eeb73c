// SPDX-License-Identifier: Apache-2.0
// For tests in the unannotated mode: a race detector watches each run of a loop, whoever made the
// loop, and what it finds fails the test case. The linker puts these functions in front of the
// loop's own (coroscope_watch_all_loops).
#include "support/catch.hpp"

#include <coroscope/instrumentation/races/race_detector.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/loop.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using coroscope::detail::access_listener;

namespace {

/// What the whole process has seen.
struct totals {
    std::atomic<std::uint64_t> runs{0};
    std::atomic<std::uint64_t> unwatched{0};  ///< the thread had a detector already
    std::atomic<std::uint64_t> accesses{0};
    std::atomic<std::uint64_t> benign{0};
    std::atomic<std::uint64_t> findings{0};
    std::atomic<std::uint64_t> findings_elsewhere{0};  ///< on threads that may not fail a test case
};
totals seen;

const std::thread::id main_thread = std::this_thread::get_id();

/// Stands before the detector in the chain of those who are told of accesses.
class counting_sink final : public coroscope::detail::access_sink {
public:
    counting_sink() noexcept : before_(access_listener) { access_listener = this; }
    counting_sink(const counting_sink&) = delete;
    counting_sink& operator=(const counting_sink&) = delete;
    ~counting_sink() {
        access_listener = before_;
        seen.accesses += count_;
    }
    void on_access(const coroscope::detail::access& made) noexcept override {
        if (made.bytes != 0) { ++count_; }
        if (before_ != nullptr) { before_->on_access(made); }
    }
    void on_end_of_life(const void* begin, std::size_t bytes) noexcept override {
        if (before_ != nullptr) { before_->on_end_of_life(begin, bytes); }
    }
    void on_begin_of_life(const void* begin, std::size_t bytes) noexcept override {
        if (before_ != nullptr) { before_->on_begin_of_life(begin, bytes); }
    }

private:
    coroscope::detail::access_sink* before_;
    std::uint64_t count_ = 0;
};

/// What is found in a test and is there on purpose.
[[nodiscard]] coroscope::instrumentation::race_options with_what_is_meant() {
    const std::string lost = "the recipe is about the update that is lost";
    coroscope::instrumentation::race_options options;
    options.suppressions = {
        {.reason = lost, .rule = "stale-write", .symbol = "add_with_delay"},
        {.reason = lost, .rule = "stale-write", .symbol = "delayed_add"},
        {.reason = lost, .rule = "stale-write", .symbol = "add_in_two_parts"},
        {.reason = "that it throws is what is tested", .rule = "self-lock", .symbol = "lock_twice"},
        {.reason = "puts back what was there before, whatever has been written since",
         .rule = "stale-write",
         .symbol = "trade"},
    };
    return options;
}

void tell(const coroscope::report::finding& found) {
    std::cerr << found.rule << " (" << coroscope::report::to_string(found.verdict)
              << "): " << found.message << '\n';
    for (const auto& item : found.evidence) {
        std::cerr << "  " << item.label << ": " << item.text << '\n';
    }
}

/// One run of a loop, on the thread that runs it.
class watched_run {
public:
    explicit watched_run(coroscope::loop& of) {
        ++seen.runs;
        try {
            races_.attach_to(of);
        } catch (const std::logic_error&) { ++seen.unwatched; }
    }
    watched_run(const watched_run&) = delete;
    watched_run& operator=(const watched_run&) = delete;
    ~watched_run() {
        races_.detach();
        const auto found = races_.findings();
        seen.findings += found.size();
        seen.benign += races_.benign_count();
        for (const auto& one : found) {
            tell(one);
        }
        if (std::this_thread::get_id() != main_thread) {
            seen.findings_elsewhere += found.size();
        } else {
            CHECK(found.empty());
        }
    }

private:
    counting_sink counts_;
    coroscope::instrumentation::race_detector races_{with_what_is_meant()};
};

}  // namespace

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
void __real__ZN9coroscope4loop11run_foreverEv(coroscope::loop* self);
void __wrap__ZN9coroscope4loop11run_foreverEv(coroscope::loop* self) {
    const watched_run watched(*self);
    __real__ZN9coroscope4loop11run_foreverEv(self);
}

void __real__ZN9coroscope4loop14run_until_doneERNS_6detail10completionE(
    coroscope::loop* self, coroscope::detail::completion* until);
void __wrap__ZN9coroscope4loop14run_until_doneERNS_6detail10completionE(
    coroscope::loop* self, coroscope::detail::completion* until) {
    const watched_run watched(*self);
    __real__ZN9coroscope4loop14run_until_doneERNS_6detail10completionE(self, until);
}
// NOLINTEND(bugprone-reserved-identifier)
}

namespace {

/// At the process's end, when no test case can fail any more.
struct summary {
    summary() = default;
    summary(const summary&) = delete;
    summary& operator=(const summary&) = delete;
    ~summary() {
        std::cerr << "watched: " << seen.runs << " runs of loops, " << seen.unwatched
                  << " of them not, " << seen.accesses << " accesses, " << seen.findings
                  << " findings, " << seen.benign << " benign\n";
        if (seen.findings_elsewhere != 0) { std::_Exit(EXIT_FAILURE); }
    }
};
const summary at_exit;

}  // namespace
