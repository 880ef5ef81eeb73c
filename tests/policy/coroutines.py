#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No coroutine code that g++ 12 miscompiles, in the tree and in the documentation's snippets.

A co_await is a full statement, an initialiser, a return operand or a plain call argument. It is not
  - inside the parentheses of if, while, do-while or switch, or in a for's condition or step;
  - in a conditional expression;
  - in a braced list;
  - in one statement with a temporary lambda that captures by copy, or with designated initialisers.
Lambdas that are coroutines capture nothing.

A snippet that shows what not to do starts with ```cpp wrong.
"""

import re

import cpp_text
import policy

_WORD = re.compile(r"\b(?:co_await|co_yield|co_return)\b")
_BLOCK_WORDS = {"else", "do", "try", "const", "noexcept", "override", "final", "mutable"}
_FENCE = re.compile(r"^```cpp[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Code:
    """One source text with what the rules ask about it."""

    def __init__(self, text):
        self.text = cpp_text.code_only(text)
        self.partner = cpp_text.brackets(self.text)
        self.opening = sorted(p for p in self.partner if self.text[p] in "([{")
        self.lambdas = [found for p in self.opening if self.text[p] == "["
                        for found in [self.lambda_at(p)] if found]
        self.bodies = {body for _, _, body in self.lambdas}

    def enclosing(self, position):
        """Opening brackets around the position, innermost first."""
        return [p for p in reversed(self.opening) if p < position < self.partner[p]]

    def word_before(self, position):
        before = self.text[:position].rstrip()
        match = re.search(r"\w+$", before)
        return match.group(0) if match else before[-1:]

    def lambda_at(self, begin):
        """(begin, captures, begin of the body) if a lambda starts at this bracket."""
        before = self.word_before(begin)
        word = re.match(r"[A-Za-z_0-9]", before) and before not in ("return", "co_return", "co_await",
                                                                    "co_yield", "case", "else", "do")
        if word or before in (")", "]", "[") or self.text[begin + 1] == "[":
            return None
        end = self.partner[begin]
        after = re.compile(r"\s*(?:<[^{}]*?>\s*)?").match(self.text, end + 1).end()
        if self.text[after:after + 1] == "(" and after in self.partner:
            after = self.partner[after] + 1
        head = re.compile(r"[^{};()=]*(?:\([^(){};]*\)[^{};()=]*)*\{").match(self.text, after)
        if not head or head.end() - 1 not in self.partner:
            return None
        if self.text[end + 1:head.end() - 1].strip().startswith((",", ".", "=")):
            return None
        return begin, self.text[begin + 1:end].strip(), head.end() - 1

    def is_block(self, brace):
        """Whether this brace opens a block of statements (or a type), not a list of values."""
        if brace in self.bodies:
            return True
        before = self.word_before(brace)
        if before == "" or before in ");{}:" or before in _BLOCK_WORDS:
            return True
        start = max(self.text.rfind(c, 0, brace) for c in ";{}") + 1
        head = self.text[start:brace]
        if re.search(r"\b(?:class|struct|union|enum|namespace|concept|extern|requires)\b", head):
            return True
        return bool(re.search(r"\)[\w\s]*->[^()=;]*(?:\([^()]*\)[^()=;]*)*$", head))

    def statement(self, position):
        """(begin, end) of the statement around the position, within its innermost block."""
        block = next((p for p in self.enclosing(position)
                      if self.text[p] == "{" and self.is_block(p)), None)
        cursor = block + 1 if block is not None else 0
        begin = cursor
        limit = self.partner[block] if block is not None else len(self.text)
        while cursor < limit:
            c = self.text[cursor]
            if c in "([{" and cursor in self.partner:
                closing = self.partner[cursor]
                ends = c == "{" and self.is_block(cursor) and cursor not in self.bodies
                cursor = closing
                c = ";" if ends else ")"
            if c == ";":
                if cursor >= position:
                    return begin, cursor
                begin = cursor + 1
            cursor += 1
        return begin, limit

    def at_level(self, begin, end):
        """The text from begin to end with everything inside nested brackets blanked."""
        out = []
        cursor = begin
        while cursor < end:
            closing = self.partner.get(cursor) if self.text[cursor] in "([{" else None
            if closing is not None and closing < end:
                out.append(self.text[cursor] + " " * (closing - cursor - 1) + self.text[closing])
                cursor = closing + 1
            else:
                out.append(self.text[cursor])
                cursor += 1
        return "".join(out)


def in_condition(code, position):
    for bracket in code.enclosing(position):
        if code.text[bracket] == "{" and code.is_block(bracket):
            return None
        if code.text[bracket] != "(":
            continue
        word = code.word_before(bracket)
        if word == "constexpr":
            word = "if"
        if word in ("if", "while", "switch"):
            return word
        if word == "for":
            before = code.at_level(bracket + 1, position)
            if ";" in before:
                return "for"
    return None


def in_conditional_expression(code, position):
    begin, end = code.statement(position)
    levels = [p for p in code.enclosing(position) if p >= begin]
    for low, high in [(p + 1, code.partner[p]) for p in levels] + [(begin, end)]:
        text = code.at_level(low, high)
        offset = position - low
        left = max(text.rfind(c, 0, offset) for c in ",;") + 1
        rights = [text.find(c, offset) for c in ",;"]
        right = min([r for r in rights if r >= 0], default=len(text))
        if "?" in text[left:right]:
            return True
    return False


def in_braced_list(code, position):
    for bracket in code.enclosing(position):
        if code.text[bracket] == "{":
            return not code.is_block(bracket)
    return False


def copies(captures):
    """Whether a capture list captures anything other than by reference."""
    return any(not c.strip().startswith("&") for c in captures.split(",")) if captures else False


def directly_inside(code, position, begin, end):
    """Whether the position is in this statement and not in a lambda's body within it."""
    return begin <= position < end and not any(
        begin <= body < position < code.partner[body] for _, _, body in code.lambdas)


def beside_temporary(code, position):
    begin, end = code.statement(position)
    for lambda_begin, captures, body in code.lambdas:
        inside = body < position < code.partner[body]
        if copies(captures) and not inside and directly_inside(code, lambda_begin, begin, end):
            return "a temporary lambda that captures by copy; name the lambda first"
    for match in re.finditer(r"\{\s*\.\s*[A-Za-z_]", code.text[begin:end]):
        if directly_inside(code, begin + match.start(), begin, end):
            return "a temporary aggregate; name it first"
    return None


def coroutine_lambdas(code):
    for begin, captures, body in code.lambdas:
        if not captures:
            continue
        inner = [(b, code.partner[b]) for _, _, b in code.lambdas if body < b < code.partner[body]]
        for word in _WORD.finditer(code.text, body, code.partner[body]):
            if not any(b < word.start() < e for b, e in inner):
                yield begin, f"a lambda that is a coroutine captures [{captures}]; pass arguments"
                break


def problems_in(text):
    """(position, message) for each offence in one source text."""
    if not _WORD.search(text):
        return
    code = Code(text)
    for match in re.finditer(r"\bco_await\b", code.text):
        position = match.start()
        condition = in_condition(code, position)
        beside = beside_temporary(code, position)
        if condition:
            yield position, f"co_await inside {condition}(...); name the result first"
        elif in_braced_list(code, position):
            yield position, "co_await in a braced list; name the result first"
        elif in_conditional_expression(code, position):
            yield position, "co_await in a conditional expression; use if"
        elif beside:
            yield position, f"co_await beside {beside}"
    yield from coroutine_lambdas(code)


def check(tree):
    for path in tree.paths(*policy.CPP):
        text = tree.text(path)
        for position, message in problems_in(text):
            yield path, cpp_text.line_of(text, position), message
    for path in tree.paths(".md"):
        text = tree.text(path)
        for fence in _FENCE.finditer(text):
            for position, message in problems_in(fence.group(1)):
                yield path, cpp_text.line_of(text, fence.start(1) + position), message


_GOOD = """
coro<int> f(loop& l, std::vector<int> v = {1, 2}) {
    auto name = [p] { return *p; };
    int got = co_await g(name);
    if (got > 0) { co_await g(1); } else { co_await g(2); }
    for (;;) { co_await yield_now(); }
    for (auto x : co_await all()) { use(x ? 1 : 2); }
    while (more()) co_await g(3);
    std::vector<task<int>> tasks{make(), make()};
    auto both = co_await gather(one(), two(c ? 1 : 2));
    co_await h([&] { ++got; });
    co_await h([] { return 1; }, v[0]);
    l.create_task([](loop& in) -> coro<void> { co_await in.nothing(); }(l));
    auto later = [&l, got] { return got; };
    std::function<coro<void>()> table[] = {[]() -> coro<void> { co_await x(); }};
    static_cast<void>(co_await g(4));
    switch (got) {
    case 1: co_await g(5); break;
    default: co_return co_await g(6);
    }
    // if (co_await x) {}
    const char* text = "if (co_await x) {}";
    try { co_await g(7); } catch (const error& e) { throw; }
    do { co_await g(8); } while (got);
    got = c ? 1 : 2;
    co_await g(9);
    l.call_soon([got] { run(got); });
    [[maybe_unused]] auto y = co_await g(10);
}
auto k(int x) noexcept -> coro<std::vector<int>> { co_await x; }
template <class T> coro<T> m(T t) requires thing<T> { co_return co_await t; }
CO_TEST_CASE("name [x]", "[tag]") { co_await g(11); }
struct s { coro<void> go() const { co_await g(12); } };
"""

_BAD = [
    "coro<void> f() { if (co_await g()) { x(); } }",
    "coro<void> f() { if (auto x = co_await g(); x) { y(); } }",
    "coro<void> f() { while (!co_await g()) { x(); } }",
    "coro<void> f() { do { x(); } while (co_await g()); }",
    "coro<void> f() { switch (h(co_await g())) { default: break; } }",
    "coro<void> f() { for (int i = 0; i < co_await g(); ++i) { x(); } }",
    "coro<int> f() { co_return c ? co_await g() : 0; }",
    "coro<int> f() { int x = h(co_await g() ? 1 : 2); }",
    "coro<void> f() { auto x = thing{co_await g()}; }",
    "coro<void> f() { std::vector<int> v = {1, co_await g()}; }",
    "coro<void> f() { co_return {co_await g(), 1}; }",
    "coro<void> f() { co_await g([p] { return p; }); }",
    "coro<void> f() { co_await g(1, [this, &q](int a) mutable -> int { return a; }); }",
    "coro<void> f() { int x = co_await g(options{.size = 1}); }",
    "auto f = [x]() -> coro<void> { co_await x; };",
    "void f() { spawn([&]() -> coro<int> { co_return 1; }); }",
    "coro<void> f() { CO_CHECK(x({co_await g()})); }",
]


def main():
    documented = "text\n```cpp\n{}\n```\n"
    policy.run(check,
               {"a.cpp": _GOOD, "docs/a.md": documented.format(_GOOD),
                "docs/limitations.md": "```cpp wrong\n" + _BAD[0] + "\n```\n"},
               [{"a.cpp": text} for text in _BAD] + [{"docs/a.md": documented.format(_BAD[0])}])


if __name__ == "__main__":
    main()
