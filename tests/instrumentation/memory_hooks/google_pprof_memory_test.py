#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""google-pprof reads the memory profiles of a program, and sees the bytes of each task.

Where google-pprof is not installed, says so and ends with 77, which ctest takes for a skipped test.

usage: google_pprof_memory_test.py PROGRAM COROSCOPE
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
MEBIBYTE = 1 << 20

# By file: what each task has at least (bytes, or blocks), and what it may have beside that.
EXPECTED = {
    "heap.prof": {"one": 2 * MEBIBYTE, "other": 6 * MEBIBYTE},
    "allocated.prof": {"one": 4 * MEBIBYTE, "other": 12 * MEBIBYTE},
    "objects.prof": {"one": 2, "other": 2},
    "growth.prof": {"one": 4 * MEBIBYTE, "other": 12 * MEBIBYTE},
    "leaks.prof": {"loser": 5 * MEBIBYTE},
}
# What the vector that keeps the blocks allocates, and a loop for itself.
TOLERANCE = {"objects.prof": 8}
OTHERWISE = 64 * 1024


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout


def by_task(collapsed):
    """Of lines `[task NAME];outer;inner COUNT`."""
    sums = {}
    for line in collapsed.splitlines():
        stack, count = line.rsplit(" ", 1)
        outermost = stack.split(";", 1)[0]
        if outermost.startswith("[task "):
            name = outermost[len("[task "):-1]
            sums[name] = sums.get(name, 0) + int(count)
    return sums


def problems(file):
    if not run("google-pprof", "--text", file).startswith("Total:"):
        yield f"{file.name}: --text has no total"
    found = by_task(run("google-pprof", "--collapsed", file))
    for task, amount in EXPECTED[file.name].items():
        beside = found.get(task, 0) - amount
        if not 0 <= beside <= TOLERANCE.get(file.name, OTHERWISE):
            yield f"{file.name}: task {task} has {found.get(task, 0)}, not {amount}"


def main():
    program, coroscope = sys.argv[1:]
    if shutil.which("google-pprof") is None:
        print("google-pprof is not installed (Debian's google-perftools): nothing was checked")
        return SKIPPED
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        run(program, folder)
        run(coroscope, "convert", "--to", "pprof", folder / "leaks.json",
            "--output", folder / "leaks.prof")
        for name in EXPECTED:
            wrong += problems(folder / name)
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
