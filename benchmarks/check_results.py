#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks with few operations and checks the file that they write.

usage: check_results.py PROGRAM FILE       asyncio's figures as well, if this Python is new enough
       check_results.py FILE              checks a file that is there already
"""

import json
import math
import pathlib
import subprocess
import sys

import asyncio_peer

PAIRS = ("yield_2", "yield_1000", "spawn_join", "bytes_per_task", "await_chain_10",
         "queue_pingpong", "generator_next", "mutex_handover", "wait_for", "timers_1m",
         "timer_cancel_1m", "post_cross_thread", "tcp_echo_50", "tcp_echo_1000", "tls_echo_50",
         "yield_2_deferred", "yield_2_concrete", "spawn_join_concrete")
SINGLES = ("rdtsc", "step_cost_stats", "step_cost_recorder", "wait_profile",
           "loop_histograms", "yield_1000_everything_on",
           "spawn_cost_table", "origin_10", "origin_10_native", "snapshot_1m",
            "snapshot_1m_disturbs", "alloc_exact", "alloc_sampled", "cpu_sampling_250",
           "cpu_sampling_1000", "profile_time_call", "profile_time_plain", "explore_executions",
           "virtual_year", "virtual_timers_1m", "race_unannotated_compute",
           "race_unannotated_await", "shared_access", "shared_access_site",
           "shared_bytes", "echo_annotated")
NAMES = [*SINGLES] + [name + suffix for name in PAIRS for suffix in ("", "_bare")]
NUMBERS = ("ours", "peer_value", "ratio")
OPTIONAL = ("asyncio",)  # numbers that benchmarks/asyncio_peer.py adds
TEXTS = ("name", "peer", "unit")


def problems_of_row(row):
    if not isinstance(row, dict) or set(row) - set(OPTIONAL) != set(NUMBERS + TEXTS):
        yield f"not a row with exactly the keys {', '.join(sorted(NUMBERS + TEXTS))}: {row}"
        return
    for key in TEXTS:
        if not isinstance(row[key], str) or not row[key]:
            yield f"{key} is not a text: {row}"
    for key in [*NUMBERS, *(k for k in OPTIONAL if k in row)]:
        value = row[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) \
                or not math.isfinite(value) or value <= 0:
            yield f"{key} is not a positive number: {row}"


def problems(rows):
    if not isinstance(rows, list):
        yield "not a list"
        return
    found = [p for row in rows for p in problems_of_row(row)]
    yield from found
    if not found:
        names = [row["name"] for row in rows]
        if sorted(names) != sorted(NAMES):
            yield (f"missing: {sorted(set(NAMES) - set(names))}, "
                   f"unknown or double: {sorted(n for n in names if names.count(n) > 1 or n not in NAMES)}")


def main():
    path = pathlib.Path(sys.argv[-1])
    if len(sys.argv) > 2:
        subprocess.run([sys.argv[1], "--quick", "--rounds", "1", "--scale", "0.001",
                        "--output", str(path)], check=True)
    found = []
    if len(sys.argv) > 2 and sys.version_info >= asyncio_peer.OLDEST:
        subprocess.run([sys.executable, "-B", asyncio_peer.__file__, "--rounds", "1", "--scale",
                        "0.001", "--program", sys.argv[1], str(path)], check=True)
        rows = json.loads(path.read_text(encoding="utf-8"))
        found += [f"no asyncio in {row}" for row in rows
                  if (row["name"] in asyncio_peer.ROWS) != ("asyncio" in row)]
    found += problems(json.loads(path.read_text(encoding="utf-8")))
    for problem in found:
        print(f"{path}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
