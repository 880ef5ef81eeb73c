#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A note of work to do names its owner and links to where it is tracked."""

import re

import cpp_text
import policy

_NOTE = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\([\w.-]+\): https?://\S+)")


def check(tree):
    for path in tree.paths():
        if path == "tests/policy/todos.py" or path.endswith(".md"):
            continue
        text = tree.text(path)
        for match in _NOTE.finditer(text):
            yield path, cpp_text.line_of(text, match.start()), f"{match.group(0)} without owner and link"


def main():
    policy.run(check,
               {"a.cpp": "// TODO(ada): https://example.org/7 faster\n"},
               [{"a.cpp": "// TODO: faster\n"}, {"a.py": "# FIXME(ada) later\n"}])


if __name__ == "__main__":
    main()
