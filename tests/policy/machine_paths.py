#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing in the tree depends on, or mentions, the folders of one machine."""

import re

import cpp_text
import policy

_PATH = re.compile(r"(?<![\w.}/])/(?:work|root)/[\w.-]*")


def check(tree):
    for path in tree.paths():
        if path == "tests/policy/machine_paths.py":
            continue
        text = tree.text(path)
        for match in _PATH.finditer(text):
            yield path, cpp_text.line_of(text, match.start()), f"a path of one machine: {match.group(0)}"


def main():
    policy.run(check,
               {"a.md": "serves /usr/share/doc, see docs/work/x and ${HOME}/root/x, /home/ada/x\n"},
               [{"a.md": "see /work/x\n"}, {"a.cpp": 'open("/root/x");\n'},
                {"a.cmake": "set(x /root/x)\n"}])


if __name__ == "__main__":
    main()
