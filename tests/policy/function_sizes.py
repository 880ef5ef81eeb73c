#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No function is longer than 60 lines, from its name to its closing brace."""

import re

import cpp_text
import policy

LIMIT = 60
_NOT_A_FUNCTION = re.compile(r"^(?:if|for|while|switch|catch|do|else|try|return|co_return)\b"
                             r"|\b(?:class|struct|union|enum|namespace|concept)\b[^()]*$"
                             r"|(?<![=!<>])=(?!=)[^()]*$")


def is_function(head):
    head = re.sub(r"^\s*(?:public|private|protected)\s*:", "", head).strip()
    return "(" in head and not _NOT_A_FUNCTION.search(head) \
        and not re.match(r"(?:template\s*<.*>\s*)?(?:class|struct|union|enum)\b", head, re.DOTALL)


def functions(code):
    """(first line, last line, head) of each function body in the code."""
    partner = cpp_text.brackets(code)
    for match in re.finditer(r"\{", code):
        begin = match.start()
        if begin not in partner:
            continue
        start = max(code.rfind(c, 0, begin) for c in ";{}") + 1
        head = code[start:begin]
        if is_function(head):
            start += len(head) - len(head.lstrip())
            yield (cpp_text.line_of(code, start), cpp_text.line_of(code, partner[begin]),
                   " ".join(head.split()))


def check(tree):
    for path in tree.paths(*policy.CPP):
        for first, last, head in functions(cpp_text.code_only(tree.text(path))):
            if last - first + 1 > LIMIT:
                yield path, first, f"{last - first + 1} lines: {head[:60]}"


def main():
    def body(lines):
        return "{\n" + "    f();\n" * (lines - 2) + "}\n"
    policy.run(check,
               {"a.cpp": "void f() " + body(60) + "namespace n {\n" + ("void g();\n" * 80) + "}\n",
                "b.cpp": "struct s final : public base {\n" + "    void g();\n" * 80 + "};\n"
                         "const char* text = R\"(\nvoid f() {\n" + "\n" * 80 + "})\";\n",
                "c.cpp": "static const table rows = {\n" + "{1, f(2)},\n" * 70 + "};\n"},
               [{"a.cpp": "void f() " + body(61)},
                {"a.cpp": "namespace n {\ntemplate <class T>\nauto s<T>::f(int a) const -> int "
                          + body(60) + "}\n"},
                {"a.cpp": 'TEST_CASE("a { b", "[x]") ' + body(61)}])


if __name__ == "__main__":
    main()
