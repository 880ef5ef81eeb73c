#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each public header x.hpp has tests/<component>/x_test.cpp, whose first include is that header."""

import re

import cpp_text
import policy

_HEADER = re.compile(r"(?P<folder>[^/]+)(?:/(?P<part>[^/]+))?/include/"
                     r"(?P<name>coroscope/(?P<segment>[^/]+)/(?P<stem>.+)\.hpp)$")


def mirrors_of(match):
    tests = "tests/" + match["folder"]
    stem = match["stem"] + "_test.cpp"
    out = [f"{tests}/{stem}"]
    if match["part"]:
        out.append(f"{tests}/{match['part']}/{stem}")
    return out


def check(tree):
    for path in tree.paths(".hpp"):
        match = _HEADER.match(path)
        if not match or "detail" in match["stem"].split("/"):
            continue
        mirror = next((m for m in mirrors_of(match) if m in tree), None)
        if mirror is None:
            yield path, 1, f"its test {mirrors_of(match)[0]} is missing"
            continue
        found = cpp_text.includes(tree.text(mirror))
        if not found or found[0][2] != match["name"]:
            yield mirror, 1, f"its first include is not <{match['name']}>"


def main():
    header = "runtime/include/coroscope/runtime/a.hpp"
    test = "tests/runtime/a_test.cpp"
    part = "profiler-server/server/include/coroscope/profiler_server/server.hpp"
    policy.run(check,
               {header: "", test: "// why\n#include <coroscope/runtime/a.hpp>\n",
                "runtime/include/coroscope/runtime/detail/b.hpp": "", "runtime/src/c.hpp": "",
                part: "", "tests/profiler-server/server_test.cpp":
                    "#include <coroscope/profiler_server/server.hpp>\n"},
               [{header: ""},
                {part: ""},
                {header: "", test: "#include <vector>\n#include <coroscope/runtime/a.hpp>\n"},
                {header: "", test: "int main() {}\n"}])


if __name__ == "__main__":
    main()
