// SPDX-License-Identifier: Apache-2.0
#pragma once

// Declarations of the shape that Catch2 3 has where the test kit uses it, written for compiling
// against: nothing here is defined. What can be called on which kind of value, what is explicit,
// deleted, const or noexcept is as in the headers of version 3; where these differ, what the test
// kit does has to be right with the stricter one, which is what stands here.

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace Catch {

class StringRef {
public:
    constexpr StringRef() noexcept = default;
    StringRef(const char* text) noexcept;  // NOLINT(google-explicit-constructor): as there
    constexpr StringRef(const char* text, std::size_t size) noexcept : text_(text), size_(size) {}

private:
    const char* text_ = "";
    std::size_t size_ = 0;
};

struct SourceLineInfo {
    constexpr SourceLineInfo(const char* f, std::size_t l) noexcept : file(f), line(l) {}
    const char* file;
    std::size_t line;
};

struct ResultWas {
    enum OfType { Ok = 0, Info = 1, ExplicitFailure = 0x11 };
};
struct ResultDisposition {
    enum Flags { Normal = 1, ContinueOnFailure = 2, FalseTest = 4 };
};
ResultDisposition::Flags operator|(ResultDisposition::Flags, ResultDisposition::Flags);

// --- Assertions

class ITransientExpression {
public:
    constexpr bool getResult() const { return result_; }
    virtual void streamReconstructedExpression(std::ostream& out) const;
    constexpr ITransientExpression(bool is_binary, bool result)
        : is_binary_(is_binary),
          result_(result) {}

protected:
    ~ITransientExpression() = default;

private:
    bool is_binary_;
    bool result_;
};

template <class Left, class Right>
class BinaryExpr : public ITransientExpression {
public:
    constexpr BinaryExpr(bool result, Left l, StringRef, Right r)
        : ITransientExpression(true, result),
          left(l),
          right(r) {}

private:
    Left left;
    Right right;
};

template <class Left>
class UnaryExpr : public ITransientExpression {
public:
    constexpr explicit UnaryExpr(Left l)
        : ITransientExpression(false, static_cast<bool>(l)),
          left(l) {}

private:
    Left left;
};

template <class Left>
class ExprLhs {
public:
    constexpr explicit ExprLhs(Left l) : left(l) {}
    template <class Right, std::enable_if_t<!std::is_scalar_v<std::remove_cvref_t<Right>>, int> = 0>
    constexpr friend BinaryExpr<Left, const Right&> operator==(ExprLhs&& l, Right&& r) {
        return {static_cast<bool>(l.left == r), l.left, StringRef("==", 2), r};
    }
    template <class Right, std::enable_if_t<std::is_scalar_v<Right>, int> = 0>
    constexpr friend BinaryExpr<Left, Right> operator==(ExprLhs&& l, Right r) {
        return {static_cast<bool>(l.left == r), l.left, StringRef("==", 2), r};
    }
    constexpr UnaryExpr<Left> makeUnaryExpr() const { return UnaryExpr<Left>(left); }

private:
    Left left;
};

struct Decomposer {
    template <class T, std::enable_if_t<!std::is_scalar_v<std::remove_cvref_t<T>>, int> = 0>
    constexpr friend ExprLhs<const T&> operator<=(Decomposer&&, T&& left) {
        return ExprLhs<const T&>(left);
    }
    template <class T, std::enable_if_t<std::is_scalar_v<T>, int> = 0>
    constexpr friend ExprLhs<T> operator<=(Decomposer&&, T left) {
        return ExprLhs<T>(left);
    }
};

class AssertionHandler {
public:
    AssertionHandler(StringRef macro, const SourceLineInfo& line, StringRef expression,
                     ResultDisposition::Flags disposition);
    ~AssertionHandler();
    template <class T>
    constexpr void handleExpr(const ExprLhs<T>& expression) {
        handleExpr(expression.makeUnaryExpr());
    }
    void handleExpr(const ITransientExpression& expression);
    void handleMessage(ResultWas::OfType type, std::string&& message);
    void handleExceptionThrownAsExpected();
    void handleUnexpectedExceptionNotThrown();
    void handleUnexpectedInflightException() noexcept;
    void complete();
};

struct TestFailureException {};
struct TestSkipException {};
[[noreturn]] void throw_test_failure_exception();

// --- Messages

struct MessageInfo {
    MessageInfo(StringRef macro, const SourceLineInfo& line, ResultWas::OfType type);
    std::string message;
};
struct MessageStream {
    template <class T>
    MessageStream& operator<<(const T&) {
        return *this;
    }
};
struct MessageBuilder : MessageStream {
    MessageBuilder(StringRef macro, const SourceLineInfo& line, ResultWas::OfType type);
    template <class T>
    MessageBuilder&& operator<<(const T&) && {
        return static_cast<MessageBuilder&&>(*this);
    }
    MessageInfo m_info;
};
class ScopedMessage {
public:
    explicit ScopedMessage(MessageBuilder&& builder);
    ScopedMessage(ScopedMessage&) = delete;
    ScopedMessage(ScopedMessage&& old) noexcept;
    ~ScopedMessage();
};

// --- Listeners

class IConfig;
class AssertionResult {
public:
    bool isOk() const;
    SourceLineInfo getSourceInfo() const;
};
struct AssertionStats {
    AssertionStats(const AssertionStats&) = default;
    AssertionStats(AssertionStats&&) = default;
    AssertionStats& operator=(const AssertionStats&) = delete;
    AssertionStats& operator=(AssertionStats&&) = delete;
    ~AssertionStats() = default;

    AssertionResult assertionResult;
    std::vector<MessageInfo> infoMessages;
};
class IEventListener {
public:
    IEventListener(const IConfig* config);  // NOLINT(google-explicit-constructor): as there
    virtual ~IEventListener();
    virtual void assertionEnded(const AssertionStats& stats) = 0;
};
class EventListenerBase : public IEventListener {
public:
    using IEventListener::IEventListener;
    void assertionEnded(const AssertionStats& stats) override;
};
template <class T>
class ListenerRegistrar {
public:
    ListenerRegistrar(StringRef name) {  // NOLINT(google-explicit-constructor): as there
        make = [](const IConfig* config) -> std::unique_ptr<IEventListener> {
            return std::make_unique<T>(config);
        };
        static_cast<void>(name);
    }

private:
    std::unique_ptr<IEventListener> (*make)(const IConfig*);
};

// --- The command line

namespace Clara {
class Opt {
public:
    template <class T>
    Opt(T& to, StringRef hint);
    Opt& operator[](StringRef name) &;
    Opt&& operator[](StringRef name) &&;
    Opt& operator()(StringRef description) &;
    Opt&& operator()(StringRef description) &&;
};
class Parser {
public:
    friend Parser& operator|=(Parser& to, const Opt& other);
    friend Parser& operator|=(Parser& to, Opt&& other);
    template <class T>
    friend Parser operator|(const Parser& to, T&& other) {
        Parser all(to);
        all |= other;
        return all;
    }
    template <class T>
    friend Parser operator|(Parser&& to, T&& other) {
        to |= std::forward<T>(other);
        return std::move(to);
    }
};
}  // namespace Clara

class Session {
public:
    Session();
    ~Session();
    int applyCommandLine(int argc, const char* const* argv);
    int run();
    const Clara::Parser& cli() const;
    void cli(const Clara::Parser& parser);
};

}  // namespace Catch

// --- Macros

#define CATCH_INTERNAL_START_WARNINGS_SUPPRESSION
#define CATCH_INTERNAL_STOP_WARNINGS_SUPPRESSION
#define CATCH_INTERNAL_SUPPRESS_PARENTHESES_WARNINGS
#define COROSCOPE_CATCH3_JOIN_2(a, b) a##b
#define COROSCOPE_CATCH3_JOIN(a, b) COROSCOPE_CATCH3_JOIN_2(a, b)
#define INTERNAL_CATCH_UNIQUE_NAME(name) COROSCOPE_CATCH3_JOIN(name, __COUNTER__)

constexpr Catch::StringRef operator""_catch_sr(const char* text, std::size_t size) noexcept {
    return {text, size};
}
#define INTERNAL_CATCH_INFO(name, text)                                                   \
    const Catch::ScopedMessage INTERNAL_CATCH_UNIQUE_NAME(catch3_message_)(               \
        Catch::MessageBuilder(name##_catch_sr, Catch::SourceLineInfo(__FILE__, __LINE__), \
                              Catch::ResultWas::Info)                                     \
        << text)

#define COROSCOPE_CATCH3_TEST_CASE(function, test)                                                \
    static void function();                                                                       \
    [[maybe_unused]] static void (*const COROSCOPE_CATCH3_JOIN(test, _registered))() = &function; \
    static void function()
#define TEST_CASE(...)                                                       \
    COROSCOPE_CATCH3_TEST_CASE(INTERNAL_CATCH_UNIQUE_NAME(catch3_function_), \
                               INTERNAL_CATCH_UNIQUE_NAME(catch3_test_))

template <template <class> class Runner, class... Types>
[[maybe_unused]] inline void catch3_run_for_each() {
    (Runner<Types>::run(), ...);
}
#define COROSCOPE_CATCH3_TEMPLATE(runner, registered, ...) \
    namespace {                                            \
    template <class TestType>                              \
    struct runner {                                        \
        static void run();                                 \
    };                                                     \
    }                                                      \
    [[maybe_unused]] static void (*const registered)() =   \
        &catch3_run_for_each<runner, __VA_ARGS__>;         \
    template <class TestType>                              \
    void runner<TestType>::run()
#define TEMPLATE_TEST_CASE(name, tags, ...)                               \
    COROSCOPE_CATCH3_TEMPLATE(INTERNAL_CATCH_UNIQUE_NAME(catch3_runner_), \
                              INTERNAL_CATCH_UNIQUE_NAME(catch3_registered_), __VA_ARGS__)
