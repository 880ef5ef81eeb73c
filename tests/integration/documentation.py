#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what the documentation tells people to run.

usage: documentation.py ROOT COROSCOPE [EXAMPLES]

Every `coroscope` command in README.md and docs/ must be one that the program understands: the
subcommand exists and has every option that is shown. So must the programs of examples/, which are
built below EXAMPLES. Every script that is named must exist and explain itself with --help. The
README's snippets must be the examples that are compiled and run, and so must the snippets of pages
about one example.
"""

import pathlib
import re
import subprocess
import sys


PAGES_OF_EXAMPLES = {"debug-hooks.md": "debug_hooks", "flight-recorder.md": "flight_recorder",
                     "cpu-profile.md": "cpu_profile", "exploration.md": "exploration",
                     "leaks.md": "leaks", "lints.md": "lints",
                     "long-running.md": "long_running", "memory.md": "memory_profile",
                     "mocks.md": "mocks", "outcomes.md": "outcomes",
                     "profiling.md": "profiling", "races.md": "races",
                     "races-unannotated.md": ["freed_memory", "thread_races"],
                     "remote-profiles.md": "remote_profiles",
                     "stalls.md": "stalls", "testing-frameworks.md": "test_frameworks",
                     "testing-recipes.md": "testing_recipes",
                     "waiting-profile.md": "waiting_profile"}


def commands(text, program):
    for line in text.splitlines():
        found = re.match(rf"(?:\$ |    )((?:{program})(?=[ \n]|$)[^|#\[]*)", line)
        if found:
            yield found.group(1).split()


def problems_of_command(words, coroscope):
    if words[1] == "--version":
        return []
    shown = subprocess.run([coroscope, words[1], "--help"], capture_output=True, text=True)
    if shown.returncode != 0 or words[1] not in shown.stdout:
        return [f"`coroscope {words[1]}` is no command"]
    options = [w for w in words[2:] if w.startswith("--")]
    return [f"`coroscope {words[1]}` has no option {o}" for o in options
            if not re.search(re.escape(o) + r"\b(?!-)", shown.stdout)]


def problems_of_script(words, root):
    script = root / words[0]
    if not script.is_file():
        return [f"{words[0]} does not exist"]
    shown = subprocess.run([script, "--help"], capture_output=True, text=True)
    ok = shown.returncode == 0 and "usage:" in shown.stdout
    return [] if ok else [f"{words[0]} --help does not explain it"]


def problems_of_example(words, examples):
    program = examples / words[0].split("/examples/")[1]
    if not program.is_file():
        return [f"{words[0]} is not built by examples/"]
    shown = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    return [f"`{program.name}` has no option {o}" for o in words[1:]
            if o.startswith("--") and not re.search(re.escape(o) + r"\b(?!-)", shown)]


def problems_of_blocks(page, examples, skipped=0):
    """Code and output on a page about examples are the examples' own, from some block on."""
    parts = {"cpp": [file for example in examples for file in sorted(example.glob("*.cpp"))],
             "text": [example / "expected_output.txt" for example in examples]}
    blocks = re.findall(r"```(cpp|text)\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    blocks = blocks[skipped:]
    if not blocks:
        yield f"{page.name}: has no code of {examples[0].name}"
    for kind, block in blocks:
        if not any(block in part.read_text(encoding="utf-8") for part in parts[kind]):
            first = block.split("\n", 1)[0]
            names = ", ".join(part.name for part in parts[kind])
            yield f"{page.name}: not in {names}: `{first.strip()}` and what follows"


def problems(root, coroscope, examples):
    pages = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md"))]
    count = 0
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for words in commands(text, "coroscope"):
            if len(words) > 1 and words[1] != "[COMMAND]":
                count += 1
                yield from (f"{page.name}: {p}" for p in problems_of_command(words, coroscope))
        for words in commands(text, r"scripts/[a-z]+|examples/\w+/\w+\.sh"):
            count += 1
            yield from (f"{page.name}: {p}" for p in problems_of_script(words, root))
        for words in commands(text, r"build/release/examples/\w+/\w+") if examples else ():
            count += 1
            yield from (f"{page.name}: {p}" for p in problems_of_example(words, examples))
    if count < 10:
        yield f"only {count} commands were found: the pages are written in another way"
    snippet = re.search(r"```cpp\n(.*?)```", pages[0].read_text(encoding="utf-8"), re.S).group(1)
    example = (root / "examples/first_test/first_test.cpp").read_text(encoding="utf-8")
    if example.split("\n", 1)[1] != snippet:
        yield "README.md: the first snippet is not examples/first_test/first_test.cpp"
    yield from problems_of_blocks(pages[0], [root / "examples/lost_update"], skipped=1)
    for page, names in PAGES_OF_EXAMPLES.items():
        examples_of = [root / "examples" / n for n in ([names] if isinstance(names, str) else names)]
        yield from problems_of_blocks(root / "docs" / page, examples_of)


def main():
    examples = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    found = list(problems(pathlib.Path(sys.argv[1]), sys.argv[2], examples))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
