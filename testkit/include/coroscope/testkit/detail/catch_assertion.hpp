// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/detail/catch_version.hpp>
#include <coroscope/testkit/fixture.hpp>
#include <coroscope/testkit/test_run.hpp>

#include <coroscope/runtime/exception_context.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <cxxabi.h>

// What the assertion macros call. An assertion is one call: its expression is evaluated first,
// however often that suspends, and Catch2's handler, which other assertions must not interleave
// with, exists only inside the call.

namespace coroscope::testkit::detail {

/// An assertion's name, text and place: literals of the macro.
class assertion_site {
public:
    assertion_site(const char* macro, const char* text, const char* file, std::size_t line,
                   Catch::ResultDisposition::Flags disposition) noexcept
        : macro_(macro),
          text_(text),
          file_(file),
          line_(line),
          disposition_(disposition) {}

    [[nodiscard]] Catch::AssertionHandler handler() const {
        return {Catch::StringRef(macro_), Catch::SourceLineInfo(file_, line_),
                Catch::StringRef(text_), disposition_};
    }
    /// What `INFO` makes of a text here.
    [[nodiscard]] Catch::MessageBuilder message() const {
        return {Catch::StringRef(macro_), Catch::SourceLineInfo(file_, line_),
                Catch::ResultWas::Info};
    }
    [[nodiscard]] bool expects_false() const noexcept {
        return (disposition_ & Catch::ResultDisposition::FalseTest) != 0;
    }
    [[nodiscard]] bool goes_on() const noexcept {
        return (disposition_ & Catch::ResultDisposition::ContinueOnFailure) != 0;
    }
    [[nodiscard]] std::string to_text() const {
        return std::string(file_) + ":" + std::to_string(line_) + ": " + macro_ + "( " + text_
               + " )";
    }

private:
    const char* macro_;
    const char* text_;
    const char* file_;
    std::size_t line_;
    Catch::ResultDisposition::Flags disposition_;
};

/// Assertions that failed in other threads than the test's: Catch2 can be told by one thread only.
class foreign_failures {
public:
    static foreign_failures& instance() {
        static foreign_failures only;
        return only;
    }
    /// For the time that a test runs on this thread.
    class scope {
    public:
        scope() noexcept { instance().test_thread_.store(std::this_thread::get_id()); }
        scope(const scope&) = delete;
        scope& operator=(const scope&) = delete;
        ~scope() { instance().test_thread_.store({}); }
    };
    [[nodiscard]] bool is_foreign_thread() const noexcept {
        const auto id = test_thread_.load();
        return id != std::thread::id() && id != std::this_thread::get_id();
    }
    void add(std::string text) {
        const std::lock_guard lock(mutex_);
        texts_.push_back(std::move(text));
    }
    [[nodiscard]] std::vector<std::string> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(texts_, {});
    }

private:
    std::atomic<std::thread::id> test_thread_{};  ///< none: no test of ours runs
    std::mutex mutex_;
    std::vector<std::string> texts_;
};

/// Catch2 is not told of an assertion here and now: in other threads, and in explorations.
[[nodiscard]] inline bool is_kept_from_catch() {
    return keeps_assertions() || foreign_failures::instance().is_foreign_thread();
}

inline void fail_without_catch(const assertion_site& site, const std::string& why) {
    if (keeps_assertions()) {
        keep_assertion(site.to_text() + why);
        if (!site.goes_on()) { throw kept_assertion(); }
        return;
    }
    foreign_failures::instance().add("failed in another thread: " + site.to_text() + why);
    if (!site.goes_on()) { throw_test_failure(); }
}

template <class T>
[[nodiscard]] auto as_transient(const Catch::ExprLhs<T>& expression) {
    return expression.makeUnaryExpr();
}
[[nodiscard]] inline const Catch::ITransientExpression& as_transient(
    const Catch::ITransientExpression& expression) {
    return expression;
}

/// True while the report of an assertion has the async context with it.
inline thread_local bool has_async_context = false;

/// Adds the async context to what is reported while it exists: it is shown as an `INFO` is, by
/// every reporter.
class async_context {
public:
    /// Nothing if the assertion holds, or no test of ours runs.
    async_context(const assertion_site& site, bool is_failure) {
        auto text = is_failure ? describe_running_test() : std::string();
        if (text.empty()) { return; }
        // Version 3 has no operator for one that has a name.
        message_.emplace(site.message() << text);
        has_async_context = true;
    }
    async_context(const async_context&) = delete;
    async_context& operator=(const async_context&) = delete;
    ~async_context() { has_async_context = false; }

private:
    std::optional<Catch::ScopedMessage> message_;
};

/// Evaluated already: reports it.
template <class Expression>
void check(const assertion_site& site, const Expression& expression) {
    const auto& kept = as_transient(expression);
    const Catch::ITransientExpression& transient = kept;
    const bool is_failure = transient.getResult() == site.expects_false();
    if (!is_kept_from_catch()) {
        auto handler = site.handler();
        {
            const async_context context(site, is_failure);
            handler.handleExpr(transient);
        }
        handler.complete();
        return;
    }
    if (is_failure) {
        std::ostringstream expanded;
        transient.streamReconstructedExpression(expanded);
        fail_without_catch(site, "\n    with expansion: " + expanded.str());
    }
}

/// True if the exception in flight is no matter of the assertion: another assertion's failure, or
/// the cancellation of the very task that asserts.
[[nodiscard]] inline bool passes_through_assertions() {
    const auto* type = abi::__cxa_current_exception_type();
    if (type != nullptr && (ends_a_catch_test(*type) || *type == typeid(kept_assertion))) {
        return true;
    }
    try {
        throw;
    } catch (const cancelled_error&) {
        const auto task = current_task();
        return task.valid() && task.cancelling() > 0;
    } catch (...) { return false; }
}

/// Called while an exception is handled that left the expression.
inline void fail_with_current_exception(const assertion_site& site) {
    if (passes_through_assertions()) { throw; }
    if (is_kept_from_catch()) {
        fail_without_catch(
            site, "\n    due to unexpected exception: " + describe(std::current_exception()));
        return;
    }
    auto handler = site.handler();
    {
        const async_context context(site, true);
        handler.handleUnexpectedInflightException();
    }
    handler.complete();
}

/// The outcome of an expression that is to throw.
class throws_check {
public:
    explicit throws_check(const assertion_site& site) noexcept : site_(site) {}

    void note_expected() noexcept { outcome_ = outcome::expected; }
    /// Called while an exception of another type is handled.
    void note_other() {
        if (passes_through_assertions()) { throw; }
        outcome_ = outcome::other;
        exception_ = std::current_exception();
    }
    void report() const {
        if (is_kept_from_catch()) {
            report_without_catch();
            return;
        }
        auto handler = site_.handler();
        report_to(handler);
        handler.complete();
    }

private:
    enum class outcome : std::uint8_t { nothing, expected, other };

    void report_to(Catch::AssertionHandler& handler) const {
        const async_context context(site_, outcome_ != outcome::expected);
        switch (outcome_) {
        case outcome::nothing: handler.handleUnexpectedExceptionNotThrown(); break;
        case outcome::expected: handler.handleExceptionThrownAsExpected(); break;
        case outcome::other: try { std::rethrow_exception(exception_);
            } catch (...) { handler.handleUnexpectedInflightException(); }
            break;
        }
    }
    void report_without_catch() const {
        if (outcome_ == outcome::nothing) {
            fail_without_catch(site_, "\n    because no exception was thrown");
        } else if (outcome_ == outcome::other) {
            fail_without_catch(site_, "\n    due to unexpected exception: " + describe(exception_));
        }
    }

    assertion_site site_;
    outcome outcome_ = outcome::nothing;
    std::exception_ptr exception_;
};

/// Collects what `CO_FAIL` is given.
class message_text {
public:
    message_text() {}  // NOLINT(modernize-use-equals-default): no aggregate beside a co_await
    template <class T>
    message_text& operator<<(const T& value) {
        text_ << value;
        return *this;
    }
    [[nodiscard]] std::string str() const { return text_.str(); }

private:
    std::ostringstream text_;
};

inline void fail_with_message(const assertion_site& site, const message_text& message) {
    if (is_kept_from_catch()) {
        fail_without_catch(site, "\n    " + message.str());
        return;
    }
    auto handler = site.handler();
    {
        const async_context context(site, true);
        report_message(handler, Catch::ResultWas::ExplicitFailure, message.str());
    }
    handler.complete();
}

/// What expressions are decomposed by. An object of its own, because a temporary beside a
/// `co_await` is what g++ 12 gets wrong.
class decomposer_holder {
public:
    decomposer_holder() {}  // NOLINT(modernize-use-equals-default): must not be an aggregate
    [[nodiscard]] Catch::Decomposer&& get() noexcept { return std::move(decomposer_); }

private:
    Catch::Decomposer decomposer_;
};
inline decomposer_holder the_decomposer;

/// The first argument of a `TEST_CASE`.
[[nodiscard]] inline std::string test_name(const char* name, const char* = "") {
    return name;
}

/// What `CO_TEST_CASE_METHOD` runs.
template <class Fixture>
[[nodiscard]] coro<> run_fixture() {
    static constexpr auto call = [](Fixture& fixture) {
        return fixture_access::test_body(fixture);
    };
    return run_in_fixture<Fixture>(call);
}

/// Says each failure to Catch2, as a failed assertion at the place to look at.
inline void report_to_catch(const test_result& result, const test_options& options,
                            await_site where) {
    std::string more;
    for (const auto& note : result.notes) {
        more += "\nnote: " + note;
    }
    more += "\n" + facts_of(result);
    for (const auto& failure : result.failures) {
        const auto at = failure.where.line() != 0 ? failure.where : where;
        const assertion_site site("CO_TEST_CASE", options.name.c_str(), at.file_name(), at.line(),
                                  Catch::ResultDisposition::ContinueOnFailure);
        auto handler = site.handler();
        report_message(handler, Catch::ResultWas::ExplicitFailure,
                       std::exchange(more, {}).insert(0, failure.message));
        handler.complete();
    }
}

}  // namespace coroscope::testkit::detail
