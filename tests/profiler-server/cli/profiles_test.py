#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The profiles that `coroscope` makes of a program that runs.

usage: profiles_test.py COROSCOPE PROFILED_PROGRAM [TEST...]
"""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

SOURCE_FOLDER = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE_FOLDER / "tests" / "integration"))

import running_programs  # noqa: E402

PROFILED = ""
MOST_TRIES = 30


class Profiles(running_programs.ProgramTest):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.profiled = self.start(PROFILED)
        port = self.profiled.out.wait_for(r"^serves on (\d+)$").group(1)
        self.profiled.out.wait_for("^working$")
        self.address = f"127.0.0.1:{port}"

    def ask(self, command, *arguments, code=0):
        return self.run_to_end(self.program, command, self.address, *arguments, code=code)

    def json_of(self, command, *arguments):
        return json.loads(self.ask(command, *arguments, "--to", "json").stdout)

    def try_cpu_profile(self):
        """Whether it could be made; the only reason against is that one is being made."""
        done = subprocess.run([self.program, "cpu-profile", self.address, "--seconds", "1"],
                              capture_output=True, text=True, check=False,
                              timeout=running_programs.PATIENCE)
        if done.returncode != 0:
            self.assertIn("is being made already", done.stderr)
            self.assertEqual(2, done.returncode)
        return done.returncode == 0

    def begin_long_profile(self):
        for _ in range(MOST_TRIES):
            profiling = self.start(self.program, "cpu-profile", self.address, "--seconds", "300")
            if not self.try_cpu_profile():
                return profiling
            profiling.stop(signal.SIGKILL)  # it came too late
        raise AssertionError("no profile has begun")

    def test_cpu_profile(self):
        for _ in range(MOST_TRIES):  # until the program was scheduled meanwhile
            output = self.folder / "cpu.collapsed"
            self.ask("cpu-profile", "--seconds", "1", "--to", "collapsed", "-o", output)
            if "[task computing]" in output.read_text():
                break
        line = re.search(r"^\[task computing\];.*compute.* (\d+)$", output.read_text(), re.M)
        self.assertTrue(line, output.read_text())
        self.assertIn("cpu profile: ", self.ask("cpu-profile", "--seconds", "1").stdout)

    def test_wait_profile(self):
        profile = self.json_of("wait-profile")
        self.assertEqual("wait", profile["kind"])
        stacks = [[profile["frames"][frame] for frame in sample["stack"]]
                  for sample in profile["samples"]]
        sleeping = [stack for stack in stacks if stack[0]["function"] == "[sleep]"]
        self.assertEqual(1, len(sleeping))
        self.assertTrue(sleeping[0][1]["file"].endswith("profiled_program.cpp"))

    def test_formats_from_a_running_program(self):
        self.assertIn("<!DOCTYPE html>", self.ask("wait-profile", "--to", "html").stdout)
        speedscope = json.loads(self.ask("wait-profile", "--to", "speedscope").stdout)
        self.assertIn("profiles", speedscope)
        self.ask("wait-profile", "--to", "pprof", "-o", self.folder / "wait.pprof")
        self.assertGreater((self.folder / "wait.pprof").stat().st_size, 0)

    def test_memory(self):
        if not memory_is_profiled(self):
            self.assertIn("memory_profiler", self.ask("memory-profile", code=2).stderr)
            return
        table = json.loads(self.ask("memory", "--json").stdout)
        self.assertEqual(1, table["make_list"]["returned"])
        self.assertEqual(1001, table["make_list"]["total"]["allocated_blocks"])
        self.assertIn("make_list", self.ask("memory", "--by", "filename").stdout)
        profile = self.json_of("memory-profile")
        self.assertEqual("heap", profile["kind"])
        blocks = [value["name"] for value in profile["values"]].index("inuse_objects")
        self.assertGreaterEqual(sum(s["values"][blocks] for s in profile["samples"]), 1000)

    def test_who_is_killed_ends_the_profile(self):
        profiling = self.begin_long_profile()
        self.assertEqual("waiting", self.tasks()["sleeping"]["state"])  # others are answered
        profiling.stop(signal.SIGINT)
        for _ in range(MOST_TRIES):
            if self.try_cpu_profile():
                return
        self.fail("the profile goes on")

    def test_the_program_ends_in_the_middle(self):
        profiling = self.begin_long_profile()
        self.profiled.end_input()
        self.assertEqual(0, self.profiled.wait())
        self.assertEqual(2, profiling.wait())
        self.assertIn("gave no whole answer", profiling.err.wait_for_end())

    def tasks(self):
        return {task["name"]: task for task in json.loads(self.ask("ps", "--json").stdout)}


def memory_is_profiled(test):
    done = subprocess.run([test.program, "memory-profile", test.address], capture_output=True,
                          text=True, check=False, timeout=running_programs.PATIENCE)
    return done.returncode == 0


def main(argv):
    global PROFILED
    if len(argv) < 3:
        raise SystemExit(f"usage: {argv[0]} COROSCOPE PROFILED_PROGRAM [TEST...]")
    PROFILED = argv[2]
    running_programs.main([argv[0], argv[1], *argv[3:]])


if __name__ == "__main__":
    main(sys.argv)
