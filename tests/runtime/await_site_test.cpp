// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/await_site.hpp>

#include <coroscope/runtime/coro.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <string>

using coroscope::await_site;
using coroscope::plain_function_name;

namespace {

namespace inner {
template <class T>
coroscope::coro<T> coroutine_template(await_site& where, T value) {
    where = await_site::current();
    co_return value;
}
}  // namespace inner

await_site here() {
    return await_site::current();
}

}  // namespace

TEST_CASE("a site is a file and a line, and an unknown one a question mark") {
    const auto site = here();
    const auto text = coroscope::to_string(site);
    CHECK(text.find("await_site_test.cpp:" + std::to_string(site.line())) != std::string::npos);
    CHECK(coroscope::to_string(await_site{}) == "?");
    CHECK(coroscope::function_name(await_site{}) == "?");
}

TEST_CASE("a site's function has neither return type nor parameters") {
    CHECK(coroscope::function_name(here()).ends_with("here"));
    await_site where;
    virtual_loop v;
    v.loop.run_until_complete(inner::coroutine_template(where, 5));
    const auto name = coroscope::function_name(where);
    CHECK(name.find("inner::coroutine_template") != std::string::npos);
    CHECK(name.find("coro<") == std::string::npos);
    CHECK(name.find('(') == std::string(name).find("(anonymous"));
}

TEST_CASE("compilers' spellings of functions are evened out") {
    CHECK(plain_function_name("int f(int)") == "f");
    CHECK(plain_function_name("coroscope::coro<> docserver::serve_client(int, char*)")
          == "docserver::serve_client");
    CHECK(plain_function_name("void a::b<c<d>, e(*)(f)>::g() const") == "a::b<c<d>, e(*)(f)>::g");
    CHECK(plain_function_name("main()::<lambda(int)>") == "main()::<lambda(int)>");
    CHECK(plain_function_name("auto main()::(anonymous class)::operator()(int) const")
          == "main()::(anonymous class)");
    CHECK(plain_function_name("void (anonymous namespace)::f(int)") == "(anonymous namespace)::f");
    CHECK(plain_function_name("std::atomic<bool>::operator bool() const")
          == "std::atomic<bool>::operator bool");
    CHECK(plain_function_name("main") == "main");
    CHECK(plain_function_name("") == "?");
    CHECK(plain_function_name(nullptr) == "?");
}
