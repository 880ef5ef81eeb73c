// SPDX-License-Identifier: Apache-2.0
#pragma once

// A `main` for tests with Catch2, 2.13 or 3, in the one source file that has it, before every other
// header of Catch2 and of the test kit:
//
//     #include <coroscope/testkit/catch_main.hpp>
//
//     int main(int argc, char** argv) {
//         return coroscope::testkit::catch_main(argc, argv);
//     }
//
// With version 2 this is Catch2's own implementation, too: do not link another one.

#if defined(COROSCOPE_CATCH_VERSION) && !defined(COROSCOPE_CATCH_RUNNER)
#error "include <coroscope/testkit/catch_main.hpp> before every other header of the test kit"
#endif
#define COROSCOPE_CATCH_RUNNER

#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/detail/run_settings.hpp>

#include <exception>
#include <iostream>
#include <utility>

namespace coroscope::testkit {
namespace detail {

/// Adds the async context to failures of Catch2's own assertions inside of a test of ours; those of
/// CO_REQUIRE and its kin have it.
class async_context_listener final : public assertion_listener {
public:
    using assertion_listener::assertion_listener;

private:
    void on_failure(Catch::AssertionStats& stats) override {
        auto text = has_async_context ? std::string() : describe_running_test();
        if (text.empty()) { return; }
        Catch::MessageInfo added(Catch::StringRef("async context"),
                                 stats.assertionResult.getSourceInfo(), Catch::ResultWas::Info);
        added.message = std::move(text);
        stats.infoMessages.push_back(std::move(added));
    }
};

inline const listener_registration<async_context_listener> the_async_context_listener(
    "coroscope: async context");

}  // namespace detail

/// Runs the tests that the command line asks for, as Catch2's own `main` does, with further
/// options:
///
///     --seed N          for tests that set none; sets COROSCOPE_TEST_SEED
///     --time-limit S    real seconds for each test, 0 for none; sets COROSCOPE_TEST_TIME_LIMIT
///     --schedules N     how many schedules explored tests run; sets COROSCOPE_TEST_SCHEDULES
///     --replay S        the schedule to run instead; sets COROSCOPE_TEST_REPLAY
///     --shard I/N       the part of them to run; sets COROSCOPE_TEST_SHARD
///
/// Including this header also has the async context (virtual time, seed, schedule, tasks) added to
/// failures of Catch2's own assertions, in the output of every reporter. Returns the exit status; 2
/// for options that make no sense.
inline int catch_main(int argc, char** argv) {
    using detail::catch_command_line::Opt;
    Catch::Session session;
    detail::run_settings given;
    auto options =
        session.cli() | Opt(given.seed, "number")["--seed"]("seed of coroutine tests that set none")
        | Opt(given.time_limit,
              "seconds")["--time-limit"]("real time for each coroutine test, 0 for none")
        | Opt(given.schedules, "number")["--schedules"]("how many schedules explored tests run")
        | Opt(given.replay, "schedule")["--replay"]("the schedule that explored tests run instead")
        | Opt(given.shard, "i/n")["--shard"]("the part of the schedules to run, 1/n to n/n");
    session.cli(options);
    const int wrong = session.applyCommandLine(argc, argv);
    if (wrong != 0) { return wrong; }
    try {
        detail::apply(given);
    } catch (const std::exception& e) {
        std::cerr << e.what() << std::endl;
        return 2;
    }
    return session.run();
}

}  // namespace coroscope::testkit
