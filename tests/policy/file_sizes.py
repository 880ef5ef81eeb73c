#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Headers up to 350 lines, sources up to 400, tests up to 500."""

import policy


def limit_for(path):
    if path.startswith("tests/"):
        return 500
    return 350 if path.endswith(".hpp") else 400


def check(tree):
    for path in tree.paths(*policy.CPP):
        lines = tree.text(path).count("\n")
        if lines > limit_for(path):
            yield path, lines, f"{lines} lines; the limit is {limit_for(path)}"


def main():
    policy.run(check,
               {"a.hpp": "\n" * 350, "a.cpp": "\n" * 400, "tests/a.cpp": "\n" * 500},
               [{"a.hpp": "\n" * 351}, {"a.cpp": "\n" * 401}, {"tests/a.cpp": "\n" * 501}])


if __name__ == "__main__":
    main()
