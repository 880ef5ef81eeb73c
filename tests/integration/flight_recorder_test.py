#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traces of examples/flight_recorder, a small one and one of a million steps: they are JSON, every
event has what the trace-event format asks of its phase, and what belongs together is there together.
Slices are complete events (X), which have no counterpart that could be missing; no event is a B or E.

usage: flight_recorder_test.py PROGRAM
"""

import json
import pathlib
import subprocess
import sys
import tempfile

COMMON = {"ph": str, "pid": int, "name": str}
TIMED = {"tid": int, "ts": float, "cat": str}
FIELDS = {  # by phase: what an event must have, besides what all have
    "M": {"args": dict},
    "X": {**TIMED, "dur": float},
    "i": {**TIMED, "s": str},
    "s": {**TIMED, "id": int},
    "f": {**TIMED, "id": int},
}
OPTIONAL = {"M": {"tid"}, "X": {"args"}, "i": {"args"}, "s": set(), "f": set()}
METADATA = ("process_name", "thread_name")


def problem_of(event):
    fields = FIELDS.get(event.get("ph"))
    if fields is None:
        return "a phase that the recorder does not write"
    for name, kind in {**COMMON, **fields}.items():
        if type(event.get(name)) is not kind:
            return f"{name} is no {kind.__name__}"
    unknown = set(event) - set(COMMON) - set(fields) - OPTIONAL[event["ph"]]
    if unknown:
        return f"unknown fields {unknown}"
    if event.get("ts", 0) < 0 or event.get("dur", 0) < 0:
        return "a negative time"
    if event["ph"] == "M" and (event["name"] not in METADATA
                               or not isinstance(event["args"].get("name"), str)):
        return "metadata without a name"
    if event["ph"] == "i" and event["s"] != "t":
        return "a mark that belongs to no track"
    return None


def check_all(path, check):
    """Calls `check` with each event, while the whole file is parsed as one text of JSON, so that a
    large trace need not be in memory as objects. Returns how many there were."""
    count = 0

    def take(value):
        nonlocal count
        if "ph" not in value:
            return value  # arguments, or what is around the events
        count += 1
        check(value)
        return None

    with path.open(encoding="utf-8") as file:
        trace = json.load(file, object_hook=take)
    if trace["traceEvents"] != [None] * count:
        raise ValueError("traceEvents are not the events")
    return count


def problems(path, steps):
    ends = {}  # of the last slice of each track
    arrows = {"s": set(), "f": set()}
    named = set()
    slices = 0
    wrong_events = []

    def check(event):
        nonlocal slices
        wrong = problem_of(event)
        if event.get("name") == "thread_name":
            named.add(event["tid"])
        slices += event.get("ph") == "X"
        if wrong is None and event["ph"] == "X":
            if event["ts"] < ends.get(event["tid"], 0) - 0.002:
                wrong = "begins before the slice before has ended"
            ends[event["tid"]] = event["ts"] + event["dur"]
        if wrong is None and event["ph"] in arrows:
            arrows[event["ph"]].add((event["id"], event["cat"], event["name"]))
        if wrong is not None and len(wrong_events) < 10:
            wrong_events.append(f"{wrong}: {event}")

    count = check_all(path, check)
    yield from wrong_events
    if arrows["s"] != arrows["f"] or not arrows["s"]:
        yield "arrows without a beginning or an end"
    if not set(ends) <= named:
        yield f"tracks without a name: {set(ends) - named}"
    if slices < steps or count < steps:
        yield f"{slices} slices in {count} events of {steps} steps"


def main():
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "trace.json"
        for steps in (0, 1_000_000):
            subprocess.run([sys.argv[1], "--steps", str(steps), "--output", path], check=True,
                           stdout=subprocess.DEVNULL)
            found += [f"{steps} steps: {p}" for p in problems(path, steps)]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
