#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SPDX line, #pragma once, and the order of includes: own component, other components, third
parties, standard library; one group each, a blank line between groups."""

import re

import cpp_text
import policy

_SPDX = "SPDX-License-Identifier: Apache-2.0"
_THIRD_PARTY = re.compile(r"(?:boost|nlohmann|CLI|catch2|openssl|elfutils|gperftools|benchmark)/"
                          r"|(?:libunwind[^/]*|zlib|dwarf)\.h$")
_NAMES = ("its own component", "other components", "third parties", "the standard library")


def own_segment(path):
    match = re.match(r"(report|runtime|instrumentation|testkit|profiler-server)/", path)
    return match.group(1).replace("-", "_") if match else None


def rank(path, quote, name):
    own = own_segment(path)
    if quote == '"':
        return 0
    if name.startswith("coroscope/"):
        # Outside the components all of them are equally near.
        return 0 if own is None or name.split("/")[1] == own else 1
    return 2 if _THIRD_PARTY.match(name) else 3


def check_order(path, text):
    lines = text.splitlines()
    previous = None
    for line, quote, name, conditional in cpp_text.includes(text):
        if quote == '"' and name.startswith("coroscope/"):
            yield path, line, f"public headers are included with <>: {name}"
        if conditional:
            previous = None
            continue
        current = rank(path, quote, name)
        if previous:
            before, before_line = previous
            between = lines[before_line:line - 1]
            if current < before:
                yield path, line, f"{_NAMES[current]} come before {_NAMES[before]}: {name}"
            elif current > before and "" not in between:
                yield path, line, f"a blank line belongs before the group of {name}"
        previous = (current, line)


def check(tree):
    for path in tree.paths():
        text = tree.text(path)
        code = path.endswith(policy.CPP)
        if code or path.endswith((".cmake", "CMakeLists.txt", ".py")) or text.startswith("#!"):
            if _SPDX not in "\n".join(text.splitlines()[:2]):
                yield path, 1, f"the line '{_SPDX}' is missing at the top"
        if path.endswith(".hpp"):
            first = cpp_text.without_comments(text).strip().partition("\n")[0]
            if first != "#pragma once":
                yield path, 1, "#pragma once is not the first line of code"
        if code:
            yield from check_order(path, text)


def main():
    spdx = f"// {_SPDX}\n"
    policy.run(check,
               {"testkit/src/a.cpp": spdx + '#include "a.hpp"\n#include <coroscope/testkit/a.hpp>\n'
                                     "\n#include <coroscope/runtime/b.hpp>\n\n"
                                     "#include <boost/asio.hpp>\n\n#include <vector>\n",
                "runtime/include/coroscope/runtime/a.hpp": spdx + "#pragma once\n",
                "scripts/x": f"#!/bin/sh\n# {_SPDX}\n", "README.md": "x"},
               [{"a.cpp": "int x;\n"},
                {"a.hpp": spdx + "#include <vector>\n"},
                {"scripts/x": "#!/bin/sh\nexit 0\n"},
                {"a.cpp": spdx + "#include <vector>\n\n#include <boost/asio.hpp>\n"},
                {"a.cpp": spdx + "#include <boost/asio.hpp>\n#include <vector>\n"},
                {"runtime/src/a.cpp": spdx + '#include "coroscope/runtime/a.hpp"\n'},
                {"testkit/src/a.cpp": spdx + "#include <coroscope/runtime/b.hpp>\n\n"
                                      "#include <coroscope/testkit/a.hpp>\n"}])


if __name__ == "__main__":
    main()
