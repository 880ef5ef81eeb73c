#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A name says what a thing is for. Files, namespaces and types are not called utils or the like."""

import re

import cpp_text
import policy

_WORDS = ("util", "utils", "utility", "utilities", "common", "helper", "helpers", "manager",
          "managers", "misc")
_DECLARED = re.compile(r"\b(?:namespace|class|struct|enum(?:\s+class)?|concept)\s+([\w:]+)")


def forbidden_word(name):
    return next((w for w in re.split(r"[^a-z]+", name.lower()) if w in _WORDS), None)


def check(tree):
    for path in tree.paths():
        word = forbidden_word(path)
        if word:
            yield path, 1, f"'{word}' does not say what the file is for"
        if path.endswith(policy.CPP):
            code = cpp_text.code_only(tree.text(path))
            for match in _DECLARED.finditer(code):
                word = forbidden_word(match.group(1))
                if word and not match.group(1).startswith("std::"):
                    yield (path, cpp_text.line_of(code, match.start()),
                           f"'{word}' does not say what {match.group(1)} is for")


def main():
    policy.run(check,
               {"a.cpp": "#include <utility>\n// namespace utils\nstd::common_type_t<int> x;\n"},
               [{"runtime/src/string_utils.cpp": ""}, {"common/a.cpp": ""},
                {"a.hpp": "class task_manager {};\n"}, {"a.hpp": "namespace a::helpers {}\n"}])


if __name__ == "__main__":
    main()
