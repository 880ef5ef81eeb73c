#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`promtool check metrics` has nothing to say about a page of everything, and would have.

usage: promtool_test.py PROGRAM

PROGRAM prints the page, between lines of Catch2's own.
"""

import shutil
import subprocess
import sys

SKIPPED = 77


def check(page):
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def main():
    if shutil.which("promtool") is None:
        print("skipped: no promtool here. On Debian or Ubuntu: apt-get install prometheus")
        return SKIPPED
    printed = subprocess.run([sys.argv[1], "prints a page"], capture_output=True, text=True, check=True)
    page = printed.stdout[printed.stdout.index("# HELP"):printed.stdout.index("====")]
    if "coroscope_call_seconds_bucket" not in page:
        print(f"this is no page:\n{page}")
        return 1
    wrong = check(page.replace("coroscope_calls_total", "coroscope_calls"))
    if "coroscope_calls" not in wrong[1]:
        print(f"promtool does not mind a counter without _total; it checks nothing: {wrong}")
        return 1
    found = check(page)
    if found != (0, ""):
        print(f"promtool says:\n{found[1]}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
