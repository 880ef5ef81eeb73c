// SPDX-License-Identifier: Apache-2.0
#pragma once

// Declarations of the shape that Catch2 3 has where the test kit uses it, written for compiling
// against: nothing here is defined.

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
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
    template <class Right>
    constexpr friend BinaryExpr<Left, const Right&> operator==(ExprLhs&& l, const Right& r) {
        return {static_cast<bool>(l.left == r), l.left, StringRef("==", 2), r};
    }
    constexpr UnaryExpr<Left> makeUnaryExpr() const { return UnaryExpr<Left>(left); }

private:
    Left left;
};

struct Decomposer {
    template <class T>
    constexpr friend ExprLhs<const T&> operator<=(Decomposer&&, const T& left) {
        return ExprLhs<const T&>(left);
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
[[noreturn]] void throw_test_failure_exception();

// --- Messages

struct MessageInfo {
    MessageInfo(StringRef macro, const SourceLineInfo& line, ResultWas::OfType type);
    std::string message;
};
struct MessageBuilder {
    MessageBuilder(StringRef macro, const SourceLineInfo& line, ResultWas::OfType type);
    template <class T>
    MessageBuilder& operator<<(const T&) {
        return *this;
    }
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
    AssertionResult assertionResult;
    std::vector<MessageInfo> infoMessages;
};
class EventListenerBase {
public:
    EventListenerBase(const IConfig* config);  // NOLINT(google-explicit-constructor): as there
    virtual ~EventListenerBase();
    virtual void assertionEnded(const AssertionStats& stats);
};
template <class T>
class ListenerRegistrar {
public:
    ListenerRegistrar(StringRef name) {  // NOLINT(google-explicit-constructor): as there
        make = [](const IConfig* config) -> std::unique_ptr<EventListenerBase> {
            return std::make_unique<T>(config);
        };
        static_cast<void>(name);
    }

private:
    std::unique_ptr<EventListenerBase> (*make)(const IConfig*);
};

// --- The command line

namespace Clara {
class Opt {
public:
    template <class T>
    Opt(T& to, const std::string& hint);
    Opt& operator[](const std::string& name);
    Opt& operator()(const std::string& description);
};
class Parser {
public:
    template <class T>
    Parser operator|(const T& other) const;
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
