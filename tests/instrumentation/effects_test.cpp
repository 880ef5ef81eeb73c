// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/effects.hpp>

#include "support/catch.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace detail = coroscope::instrumentation::detail;
using coroscope::instrumentation::effect;
using coroscope::instrumentation::op_scope;

namespace {

class listener final : public detail::effect_sink {
public:
    listener() : before_(std::exchange(detail::effect_listener, this)) {}
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    ~listener() { detail::effect_listener = before_; }

    void on_effect(std::string_view name, std::string value) override {
        heard.push_back(std::string(name) + "=" + value);
    }
    std::uint64_t on_operation_begins(std::string_view name) override {
        heard.push_back("begins " + std::string(name));
        return heard.size();
    }
    void on_operation_ends(std::uint64_t which) noexcept override {
        heard.push_back("ends " + std::to_string(which));
    }

    std::vector<std::string> heard;

private:
    detail::effect_sink* before_;
};

enum class colour { red, green };

}  // namespace

TEST_CASE("effects are shown as values of their kind", "[effects]") {
    const listener l;
    effect("number", 3);
    effect("flag", true);
    effect("text", "abc");
    effect("string", std::string("def"));
    effect("enumerator", colour::green);
    effect("optional", std::optional<int>());
    effect("pair", std::pair(1, std::string("one")));
    effect("vector", std::vector{1, 2});
    effect("map", std::map<std::string, int>{{"a", 1}, {"b", 2}});
    CHECK(l.heard
          == std::vector<std::string>{"number=3", "flag=true", "text=abc", "string=def",
                                      "enumerator=1", "optional=nothing", "pair=(1, one)",
                                      "vector=[1, 2]", "map=[(a, 1), (b, 2)]"});
}

TEST_CASE("an operation ends with its scope", "[effects]") {
    const listener l;
    {
        const op_scope outer("pay");
        effect("x", 1);
    }
    CHECK(l.heard == std::vector<std::string>{"begins pay", "x=1", "ends 1"});
}

TEST_CASE("nobody is told of what nobody listens to", "[effects]") {
    effect("unheard", 1);
    std::optional<op_scope> begun;
    begun.emplace("unheard");
    const listener l;
    begun.reset();  // began when nobody listened
    CHECK(l.heard.empty());
}
