#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Locks of the whole process are such as a fork waits for: see fork_safe_mutex.hpp."""

import re

import cpp_text
import policy

# Of a namespace, which begins its line, or static in a function or class.
_LOCK = re.compile(r"^(?:(?:constinit|inline)\s+)*(?:[ \t]*static\s+(?:constinit\s+)?)?"
                   r"std::(?:shared_|recursive_)?(?:timed_)?mutex\s+\w+\s*[;{=]", re.MULTILINE)


def check(tree):
    for path in tree.paths(*policy.CPP):
        if not path.startswith("instrumentation/"):
            continue
        code = cpp_text.without_comments_and_literals(tree.text(path))
        for match in _LOCK.finditer(code):
            yield path, cpp_text.line_of(code, match.start()), "a process-wide lock: make it a fork_safe_mutex"


def main():
    policy.run(check,
               {"instrumentation/src/a.cpp": "constinit fork_safe_mutex a;\nstruct b {\n    std::mutex c;\n};\n"
                                             "void f(std::mutex& d);\n",
                "runtime/src/a.cpp": "constinit std::mutex a;\n"},
               [{"instrumentation/src/a.cpp": "std::mutex a;\n"},
                {"instrumentation/src/a.cpp": "constinit std::mutex a;\n"},
                {"instrumentation/src/a.cpp": "void f() {\n    static std::mutex a;\n}\n"}])


if __name__ == "__main__":
    main()
