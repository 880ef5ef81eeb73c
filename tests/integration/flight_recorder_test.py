#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traces of examples/flight_recorder, a small one and one of a million steps: every event has what
the trace-event format asks of its phase, and what belongs together is there together.

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


def events_of(path):
    """One a line, so that a large trace need not be in memory as a whole."""
    with path.open(encoding="utf-8") as file:
        head = next(file)
        for line in file:
            if line.startswith("]"):
                json.loads(head + "{}" + line + file.read())  # what is around the events
                return
            yield json.loads(line.rstrip(",\n"))
    raise ValueError("the trace is cut off")


def problems(events, steps):
    ends = {}  # of the last slice of each track
    arrows = {"s": set(), "f": set()}
    named = set()
    slices = 0
    for event in events:
        wrong = problem_of(event)
        if event["name"] == "thread_name":
            named.add(event["tid"])
        slices += event["ph"] == "X"
        if wrong is None and event["ph"] == "X":
            if event["ts"] < ends.get(event["tid"], 0) - 0.002:
                wrong = "begins before the slice before has ended"
            ends[event["tid"]] = event["ts"] + event["dur"]
        if event["ph"] in arrows:
            arrows[event["ph"]].add((event["id"], event["cat"], event["name"]))
        if wrong is not None:
            yield f"{wrong}: {event}"
            return
    if arrows["s"] != arrows["f"] or not arrows["s"]:
        yield "arrows without a beginning or an end"
    if not set(ends) <= named:
        yield f"tracks without a name: {set(ends) - named}"
    if slices < steps:
        yield f"{slices} slices of {steps} steps"


def main():
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "trace.json"
        for steps in (0, 1_000_000):
            subprocess.run([sys.argv[1], "--steps", str(steps), "--output", path], check=True,
                           stdout=subprocess.DEVNULL)
            if steps == 0:
                json.loads(path.read_text(encoding="utf-8"))
            found += [f"{steps} steps: {p}" for p in problems(events_of(path), steps)]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
