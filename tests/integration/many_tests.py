#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs ten thousand test cases in one process, one after another, then in several processes at once.

usage: many_tests.py PROGRAM [MOST_GROWTH_KIB]

All must pass. In the one process memory must not grow once it is warm; the others, which all run all
test cases at the same time, must not notice each other.
"""

import re
import subprocess
import sys
import time

PROCESSES = 4
TEST_CASES = 10_000


def begin(program):
    return subprocess.Popen([program, "--seed", "1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)


def problems_of(process):
    output = process.communicate()[0]
    if process.returncode != 0:
        yield f"ended with status {process.returncode}:\n{output[-3000:]}"
    elif f"in {TEST_CASES} test cases" not in output:
        yield f"did not run {TEST_CASES} test cases:\n{output[-1000:]}"
    process.output = output


def main():
    program = sys.argv[1]
    most_growth = int(sys.argv[2]) if len(sys.argv) > 2 else None
    began = time.monotonic()
    alone = begin(program)
    found = list(problems_of(alone))
    took = time.monotonic() - began
    growth = re.search(r"grew by (-?\d+) KiB", alone.output)
    print(f"one process: {took:.1f} s, memory grew by {growth.group(1) if growth else '?'} KiB")
    if most_growth is not None and growth and int(growth.group(1)) > most_growth:
        found.append(f"memory grew by {growth.group(1)} KiB; at most {most_growth} are expected")
    began = time.monotonic()
    together = [begin(program) for _ in range(PROCESSES)]
    for process in together:
        found += problems_of(process)
    print(f"{PROCESSES} processes at once: {time.monotonic() - began:.1f} s")
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
