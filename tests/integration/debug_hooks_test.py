#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/debug_hooks: off, on, and in gdb, which stops where the exception is thrown.

usage: debug_hooks_test.py PROGRAM [TEST...]
"""

import os
import pathlib
import re
import shutil
import sys

import running_programs

SOURCE = pathlib.Path(__file__).parents[2] / "examples/debug_hooks/debug_hooks.cpp"
OUTPUT = "localhost: 42\ncaught: a host has a name\n"


def line_with(text):
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    return 1 + next(i for i, line in enumerate(lines) if text in line)


class DebugHooks(running_programs.ProgramTest):
    def setUp(self):
        super().setUp()
        os.environ.pop("COROSCOPE_DEBUG", None)
        # The leak checker cannot work under a debugger.
        os.environ["ASAN_OPTIONS"] = "detect_leaks=0"

    def check_texts(self, done):
        for text in ("pre_run of the function wrapped at", "post_run of the function wrapped at",
                     "post_mortem of the function wrapped at",
                     "std::invalid_argument: a host has a name",
                     f"debug_hooks.cpp:{line_with('co_await look_up')} in "):
            self.assertIn(text, done.stderr)
        self.assertEqual(2, done.stderr.count("pre_run"))
        self.assertEqual(1, done.stderr.count("post_run"))

    def test_off_it_writes_nothing_else(self):
        done = self.run_to_end(self.program, "--some-option")
        self.assertEqual("an argument of its own: --some-option\n" + OUTPUT, done.stdout)
        self.assertEqual("", done.stderr)

    def test_the_flag_is_taken_and_the_hooks_write(self):
        done = self.run_to_end(self.program, "--coroscope-debug", "file")
        self.assertEqual("an argument of its own: file\n" + OUTPUT, done.stdout)
        self.check_texts(done)

    def test_the_variable_does_the_same(self):
        os.environ["COROSCOPE_DEBUG"] = "1"
        done = self.run_to_end(self.program)
        self.assertEqual(OUTPUT, done.stdout)
        self.check_texts(done)

    def in_gdb(self, *commands):
        if shutil.which("gdb") is None:
            self.skipTest("gdb is not installed")
        batch = [part for command in commands for part in ("-ex", command)]
        done = self.run_to_end("gdb", "-nx", "-batch", *batch, "--args", self.program,
                               "--coroscope-debug")
        if re.search(r"ptrace: Operation not permitted|Cannot trace|not being run", done.stderr):
            self.skipTest("this machine does not let gdb trace: " + done.stderr)
        return done

    def test_a_debugger_stops_before_the_first_step_after_the_end_and_at_the_throw(self):
        done = self.in_gdb("set pagination off", "run", "echo STOP1\\n", "continue",
                           "echo STOP2\\n", "continue", "echo STOP3\\n", "continue",
                           "echo STOP4\\n", "backtrace", "continue")
        parts = re.split(r"STOP\d\n", done.stdout)
        self.assertEqual(5, len(parts), done.stdout + done.stderr)
        for part in parts[:4]:
            self.assertIn("SIGTRAP", part)
        # Only now it has been thrown: the frame that threw is still there.
        self.assertRegex(parts[4], rf"look_up.*debug_hooks\.cpp:{line_with('throw std::')}\b")
        self.assertIn(OUTPUT, parts[4])
        self.assertNotIn("post_mortem of", done.stderr)


if __name__ == "__main__":
    running_programs.main(sys.argv)
