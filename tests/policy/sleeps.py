#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests do not sleep: they use the fake clock, or wait for what they need."""

import re

import cpp_text
import policy

_SLEEP = re.compile(r"\bthis_thread\s*::\s*sleep_(?:for|until)\b"
                    r"|(?<![\w.>])(?:usleep|nanosleep|clock_nanosleep|sleep)\s*\("
                    r"|\btime\.sleep\s*\(")


def check(tree):
    for path in tree.paths(*policy.CPP, ".py"):
        if not path.startswith("tests/") or path == "tests/policy/sleeps.py":
            continue
        text = tree.text(path)
        code = text if path.endswith(".py") else cpp_text.without_comments_and_literals(text)
        for match in _SLEEP.finditer(code):
            yield path, cpp_text.line_of(code, match.start()), f"{match.group(0)}: tests do not sleep"


def main():
    policy.run(check,
               {"tests/a.cpp": "co_await coroscope::sleep_for(1h);\n// usleep(1)\nf(\"usleep(1)\");\n"
                               "clock.sleep(3);\n",
                "runtime/src/a.cpp": "std::this_thread::sleep_for(1s);\n"},
               [{"tests/a.cpp": "std::this_thread::sleep_for(1s);\n"},
                {"tests/a.cpp": "::usleep(5);\n"}, {"tests/a.cpp": "nanosleep(&t, nullptr);\n"},
                {"tests/a.py": "time.sleep(1)\n"}])


if __name__ == "__main__":
    main()
