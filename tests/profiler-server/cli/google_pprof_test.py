#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""google-pprof reads what `coroscope convert --to pprof` writes, and sees the same stacks.

Where google-pprof is not installed, says so and ends with 77, which ctest takes for a skipped test.

usage: google_pprof_test.py COROSCOPE PROFILES
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77

# By profile: lines of the text (flat, flat %, cum, name) and all collapsed stacks.
EXPECTED = {
    "waits": (
        {("60000", "60.0%", "60000", "read_request at app.cpp:3"),
         ("40000", "40.0%", "40000", "idle- -wait at app.cpp:20"),
         ("0", "0.0%", "100000", "serve at app.cpp:9"),
         ("0", "0.0%", "100000", "[task fetch]")},
        {"[task fetch];serve at app.cpp:9;read_request at app.cpp:3 60000",
         "[task fetch];serve at app.cpp:9;idle- -wait(int) at app.cpp:20 40000"}),
    "cpu": (
        {("70", "70.0%", "70", "gzip"), ("30", "30.0%", "30", "parse"),
         ("0", "0.0%", "60", "[task compressor]"), ("0", "0.0%", "30", "[task reader]"),
         ("0", "0.0%", "60", "compress at app.cpp:3"), ("0", "0.0%", "90", "serve at app.cpp:9")},
        {"[task compressor];serve at app.cpp:9;compress at app.cpp:3;gzip(char const*, int) 60",
         "[task reader];serve at app.cpp:9;parse(char const*) 30",
         "gzip(char const*, int) 10"}),
    "heap": (
        {("3.0", "75.0%", "3.0", "make_cache"), ("1.0", "25.0%", "4.0", "main")},
        {"main;make_cache 3145728", "main 1048576"}),
    "one_stack": (
        {("60000", "100.0%", "60000", "read_request at app.cpp:3"),
         ("0", "0.0%", "60000", "serve at app.cpp:9"),
         ("0", "0.0%", "60000", "[task fetch]")},
        {"[task fetch];serve at app.cpp:9;read_request at app.cpp:3 60000"}),
    "nothing": (set(), set()),
}


def profiles(folder):
    waits = json.loads((folder / "waits.json").read_text(encoding="utf-8"))
    return {"waits": waits,
            "cpu": json.loads((folder / "cpu.json").read_text(encoding="utf-8")),
            "heap": json.loads((folder / "heap.json").read_text(encoding="utf-8")),
            "one_stack": {**waits, "samples": waits["samples"][:1]},
            "nothing": {**waits, "samples": []}}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout


def text_lines(output):
    """Without the header, and without the running sum."""
    for line in output.splitlines():
        if not line.startswith("Total:") and line.strip():
            flat, percent, _, cumulative, _, name = line.split(None, 5)
            yield flat, percent, cumulative, name


def collapsed_lines(output):
    """Without the stack of no weight that keeps google-pprof from dropping second frames."""
    return {line for line in output.splitlines() if not line.endswith(" 0")}


def main():
    if shutil.which("google-pprof") is None:
        print("google-pprof is not installed (Debian's google-perftools): nothing was checked")
        return SKIPPED
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        source, made = pathlib.Path(scratch, "source"), pathlib.Path(scratch, "made")
        for name, profile in profiles(pathlib.Path(sys.argv[2])).items():
            source.write_text(json.dumps(profile), encoding="utf-8")
            run(sys.argv[1], "convert", "--to", "pprof", source, "-o", made)
            found = (set(text_lines(run("google-pprof", "--text", made))),
                     collapsed_lines(run("google-pprof", "--collapsed", made)))
            if found != EXPECTED[name]:
                wrong.append(f"{name}: expected {EXPECTED[name]}, found {found}")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
