# SPDX-License-Identifier: Apache-2.0
"""What every policy script shares: the tree, the exceptions, and how a script is run.

A policy is a function check(tree) that yields (path, line, message). A script runs it on the
source tree given as its argument; with --self-test it runs on its own small trees and proves that
the policy accepts what is right and rejects what is wrong.
"""

import pathlib
import subprocess
import sys

CPP = (".hpp", ".cpp")
COMPONENT_FOLDERS = ("report", "runtime", "instrumentation", "testkit", "profiler-server")


class Tree:
    """Files by path relative to the root; text is read when asked for."""

    def __init__(self, texts, exceptions=""):
        self._texts = texts
        self.exceptions = parse_exceptions(exceptions)

    @staticmethod
    def of_folder(root):
        root = pathlib.Path(root)
        texts = {name: root / name for name in listed_files(root)}
        exceptions = root / "tests/policy/exceptions.txt"
        return Tree(texts, exceptions.read_text() if exceptions.exists() else "")

    def paths(self, *suffixes):
        return sorted(p for p in self._texts if not suffixes or p.endswith(suffixes))

    def text(self, path):
        value = self._texts[path]
        if isinstance(value, str):
            return value
        return value.read_text(encoding="utf-8", errors="replace")

    def __contains__(self, path):
        return path in self._texts


def listed_files(root):
    """What git tracks or would track; without git, everything outside build/."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
               "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        names = [n for n in done.stdout.split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
        names = [n for n in names if not n.startswith(("build/", ".git/", ".cache/"))
                 and "__pycache__" not in n]
    return [n for n in names if (root / n).is_file()]


def parse_exceptions(text):
    """Lines 'policy path reason'; a set of paths for each policy."""
    out = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(maxsplit=2)
        if len(words) < 3:
            raise SystemExit(f"exceptions.txt: a policy, a path and a reason, not: {line}")
        out.setdefault(words[0], set()).add(words[1])
    return out


def problems(name, check, tree):
    """All problems that no exception covers, and every exception that covers nothing."""
    excepted = tree.exceptions.get(name, set())
    used = set()
    out = []
    for path, line, message in check(tree):
        if path in excepted:
            used.add(path)
        else:
            out.append(f"{path}:{line}: {message}")
    out += [f"tests/policy/exceptions.txt:1: '{name} {path}' is no longer needed"
            for path in sorted(excepted - used)]
    return out


def run(check, good, bad):
    """good: texts of one tree that passes. bad: for each a tree with exactly one problem."""
    name = pathlib.Path(sys.argv[0]).stem
    if sys.argv[1:] == ["--self-test"]:
        self_test(name, check, good, bad)
        return
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {name}.py SOURCE_TREE | --self-test")
    found = problems(name, check, Tree.of_folder(sys.argv[1]))
    for line in found:
        print(line)
    if found:
        raise SystemExit(1)


def self_test(name, check, good, bad):
    found = problems(name, check, Tree(good))
    if found:
        raise SystemExit("the good tree is rejected:\n" + "\n".join(found))
    for texts in bad:
        found = problems(name, check, Tree(texts))
        if len(found) != 1:
            raise SystemExit(f"expected one problem in {texts}\nfound: {found}")
        path = found[0].split(":")[0]
        excepted = Tree(texts, f"{name} {path} a reason")
        if problems(name, check, excepted):
            raise SystemExit(f"an exception for {path} is not honoured")
    if not problems(name, check, Tree(good, f"{name} nowhere.cpp a reason")):
        raise SystemExit("an exception that covers nothing is accepted")
    print(f"{name}: the good tree passes, {len(bad)} bad ones do not")
