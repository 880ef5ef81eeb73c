#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The task table of programs that run, and of their core files, read by `coroscope ps` and by gdb.

usage: task_table_test.py COROSCOPE PARKED_PROGRAM [TEST...]
"""

import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE_FOLDER = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE_FOLDER / "tests" / "integration"))

import running_programs  # noqa: E402

PARKED = ""
GDB_SCRIPT = SOURCE_FOLDER / "scripts" / "coroscope-gdb.py"
MARKED_LINE = re.compile(r"// (.*)$")


def marked_lines():
    """The lines of the parked program's source that end with a comment: its text, and their number."""
    lines = {}
    source = pathlib.Path(__file__).parent / "parked_program.cpp"
    for number, line in enumerate(source.read_text().splitlines(), 1):
        mark = MARKED_LINE.search(line)
        if mark and not line.startswith("//"):
            lines[mark.group(1)] = number
    return lines


class TaskTable(running_programs.ProgramTest):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.lines = marked_lines()

    def park(self, *mode, program=None):
        """A program that has done what the mode says, and its process id."""
        parked = self.start(program or PARKED, *mode)
        parked.out.wait_for("^ready$")
        return parked, parked._process.pid

    def ps(self, *arguments, code=0):
        return self.run_to_end(self.program, "ps", *arguments, code=code)

    def tasks(self, *arguments):
        return {task["name"]: task for task in json.loads(self.ps(*arguments, "--json").stdout)}

    def core_of(self, pid):
        """A core file, made while the process stands still for a moment."""
        self.run_to_end("gcore", "-o", self.folder / "core", pid)
        return self.folder / f"core.{pid}"

    def stripped(self):
        copy = self.folder / "stripped"
        self.run_to_end("strip", "-o", copy, PARKED)
        return copy

    def stack_of(self, task):
        return [frame["line"] for frame in task["async_stack"]["frames"]]

    def check_parked(self, tasks):
        """What the parked tasks wait on, and their lines."""
        lines = self.lines
        long_name = "a name that is longer than what a record has room for"
        self.assertEqual({"sleeper", "holder", "wants mutex", "wants future", "wants item",
                          "wants sleeper", long_name, "task-8", "parent", "child"}, set(tasks))
        for task in tasks.values():
            self.assertEqual("waiting", task["state"])
            self.assertEqual(1, task["steps"])
            self.assertTrue(task["await_site"]["file"].endswith("parked_program.cpp"))
        waits = {name: task["wait"] for name, task in tasks.items()}
        self.assertEqual("sleep", waits["sleeper"]["kind"])
        self.assertEqual("task 2 'holder'", waits["wants mutex"]["owner"])
        self.assertRegex(waits["wants mutex"]["object"], r"mutex \d+")
        self.assertRegex(waits["wants future"]["object"], r"future \d+")
        self.assertRegex(waits["wants item"]["object"], r"queue \d+")
        self.assertEqual("task 1 'sleeper'", waits["wants sleeper"]["object"])
        for name, mark in (("wants mutex", "the mutex"), ("wants future", "the future"),
                           ("wants item", "the queue"), ("wants sleeper", "the task"),
                           ("sleeper", "innermost")):
            self.assertEqual(lines[mark], tasks[name]["await_site"]["line"])
        self.assertEqual([lines["innermost"], lines["in the middle"], lines["outermost"]],
                         self.stack_of(tasks["sleeper"]))
        self.assertEqual([lines["the call"], lines["the call of the call"],
                          lines["its call in turn"]],
                         [site["line"] for site in tasks["child"]["origin"]])
        self.assertEqual(9, tasks["child"]["parent_id"])
        self.assertRegex(tasks["sleeper"]["async_stack"]["frames"][1]["function"], "nap_deeper$")

    def test_of_a_process(self):
        _, pid = self.park("parked")
        self.check_parked(self.tasks(pid, "--stacks"))
        for task in self.tasks(pid).values():
            self.assertNotIn("async_stack", task)

    def test_as_text(self):
        _, pid = self.park("parked")
        table = self.ps(pid).stdout
        self.assertRegex(table, r"\A *ID +NAME +STATE +WAITS ON +FOR +STEPS +BUSY +AT +CREATED AT\n")
        self.assertRegex(table, r"\n *3 +wants mutex +waiting +mutex \d+, held by task 2 'holder' ")
        stacks = self.ps(pid, "--stacks").stdout
        where = r"\S*parked_program\.cpp"
        self.assertRegex(stacks, r"\Atask 1 \(sleeper\), waiting: sleep, for \S+ \S+\n"
                                 rf"  {where}:{self.lines['innermost']} in \S*nap\n"
                                 rf"  {where}:{self.lines['in the middle']} in \S*nap_deeper\n"
                                 rf"  {where}:{self.lines['outermost']} in \S*nap_deepest\n"
                                 rf"created at\n  {where}:\d+ in \S*park\n\ntask 2 ")

    def test_of_a_stripped_process(self):
        _, pid = self.park("parked", program=self.stripped())
        self.check_parked(self.tasks(pid, "--stacks"))

    def test_of_a_process_whose_loop_is_blocked(self):
        _, pid = self.park("blocked")
        tasks = self.tasks(pid, "--stacks")
        self.assertEqual("running", tasks["blocked"]["state"])
        self.assertNotIn("wait", tasks["blocked"])
        self.assertEqual([self.lines["innermost"]], self.stack_of(tasks["sleeper"]))

    def test_of_a_process_whose_tasks_never_stand_still(self):
        parked, pid = self.park("busy", 500)
        steps = {}
        for _ in range(20):
            tasks = json.loads(self.ps(pid, "--stacks", "--json", "--limit", 100000).stdout)
            ids = [task["id"] for task in tasks]
            self.assertEqual(len(ids), len(set(ids)))
            self.assertEqual(set(range(1, 601)), set(ids) & set(range(1, 601)))
            for task in tasks:
                self.assertGreaterEqual(task["steps"], steps.get(task["id"], 0))
                steps[task["id"]] = task["steps"]
                if task["id"] <= 500:
                    self.assertEqual("waiting", task["state"])
                    self.assertEqual([self.lines["innermost"]], self.stack_of(task))
        parked.end_input()
        self.assertEqual(0, parked.wait())

    def test_of_a_process_without_tasks(self):
        _, pid = self.park("idle")
        self.assertEqual("no tasks are alive\n", self.ps(pid).stdout)

    def test_limit(self):
        _, pid = self.park("parked")
        done = self.ps(pid, "--limit", 2)
        self.assertEqual(3, len(done.stdout.splitlines()))
        self.assertEqual("coroscope: 8 more tasks; see them with a higher --limit\n", done.stderr)

    def test_what_cannot_be_read_says_what_to_do(self):
        parked, pid = self.park("idle")
        parked.end_input()
        self.assertEqual(0, parked.wait())
        gone = self.ps(pid, code=2)
        self.assertEqual("", gone.stdout)
        self.assertIn(f"there is no process {pid}", gone.stderr)
        self.assertIn(f"write :{pid}", gone.stderr)
        # We ourselves are a program without coroscope; where Yama asks, let others read us.
        ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_long(-1), 0, 0, 0)
        other = self.ps(os.getpid(), code=2)
        self.assertIn(f"no coroscope runtime in process {os.getpid()}", other.stderr)
        self.assertIn("is not a core file", self.ps("--core", __file__, code=2).stderr)
        self.assertIn("is a program", self.ps("--core", PARKED, code=2).stderr)
        self.assertIn("cannot read /nowhere", self.ps("--core", "/nowhere", code=2).stderr)
        for wrong in (["0"], ["99999999999999999999"], ["--exe", "x"], ["1", "--core", "x"]):
            self.assertTrue(self.ps(*wrong, code=2).stderr)

    def test_of_a_core_file(self):
        parked, pid = self.park("parked")
        core = self.core_of(pid)
        parked.end_input()
        parked.wait()
        self.check_parked(self.tasks("--core", core, "--stacks"))

    def test_of_a_core_file_whose_program_has_moved(self):
        program = self.stripped()
        parked, pid = self.park("parked", program=program)
        core = self.core_of(pid)
        parked.end_input()
        parked.wait()
        moved = self.folder / "moved"
        program.rename(moved)
        lost = self.ps("--core", core)
        self.assertIn("wants mutex", lost.stdout)
        self.assertIn("--exe", lost.stderr)
        self.check_parked(self.tasks("--core", core, "--exe", moved, "--stacks"))
        wrong = self.ps("--core", core, "--exe", self.program)
        self.assertIn("is not the file that ran", wrong.stderr)

    def test_of_a_core_file_that_is_cut(self):
        _, pid = self.park("parked")
        core = self.core_of(pid)
        with open(core, "r+b") as file:
            file.truncate(core.stat().st_size // 3)
        done = subprocess.run([self.program, "ps", "--core", core], capture_output=True, text=True,
                              check=False)
        self.assertIn(done.returncode, (0, 2))
        self.assertIn("is cut", done.stderr)

    def gdb(self, *arguments, command="coroscope-tasks --stacks", code=0):
        done = self.run_to_end("gdb", "-q", "-nx", "-batch", *arguments, "-ex",
                               f"source {GDB_SCRIPT}", "-ex", command, code=code)
        return done.stdout, done.stderr

    def check_in_gdb(self, text):
        where = r"\S*parked_program\.cpp"
        lines = self.lines
        self.assertRegex(text, r"(?m)^task 3 \(wants mutex\), waiting, waits on mutex \d+, held by "
                               r"task 2 'holder', 1 steps$")
        self.assertRegex(text, r"(?m)^task 6 \(wants sleeper\), waiting, waits on task 1 'sleeper'")
        self.assertIn("task 7 (a name that is longer than what a record has room for), waiting",
                      text)
        self.assertRegex(text, r"(?m)^task 1 \(sleeper\), waiting, waits on sleep, 1 steps\n"
                               rf"  {where}:{lines['innermost']} in .*\n"
                               rf"  {where}:{lines['in the middle']} in .*\n"
                               rf"  {where}:{lines['outermost']} in .*\ncreated at\n")
        self.assertRegex(text, r"(?m)^task 10 \(child\), .*\n  .*\ncreated at\n"
                               rf"  {where}:{lines['the call']} in .*\n"
                               rf"  {where}:{lines['the call of the call']} in .*\n"
                               rf"  {where}:{lines['its call in turn']} in .*$")

    def test_gdb_with_a_process(self):
        _, pid = self.park("parked")
        self.check_in_gdb(self.gdb("-p", pid)[0])

    def test_gdb_with_a_core_file(self):
        _, pid = self.park("parked")
        self.check_in_gdb(self.gdb(PARKED, self.core_of(pid))[0])

    def test_gdb_with_a_stripped_program(self):
        program = self.stripped()
        _, pid = self.park("parked", program=program)
        self.check_in_gdb(self.gdb("-p", pid)[0])
        self.check_in_gdb(self.gdb(program, self.core_of(pid))[0])

    def test_gdb_with_a_blocked_loop_and_short_lines(self):
        _, pid = self.park("blocked")
        text, _ = self.gdb("-p", pid, command="coroscope-tasks")
        self.assertRegex(text, r"(?m)^task 2 \(blocked\), running, waits on -, 0 steps$")
        self.assertNotIn("created at", text)

    def test_gdb_with_nothing_to_read(self):
        _, error = self.gdb(code=1)
        self.assertIn("no coroscope runtime here", error)
        _, error = self.gdb(command="coroscope-tasks --wrong", code=1)
        self.assertIn("usage: coroscope-tasks", error)


def main(argv):
    global PARKED
    if len(argv) < 3:
        raise SystemExit(f"usage: {argv[0]} COROSCOPE PARKED_PROGRAM [TEST...]")
    PARKED = argv[2]
    running_programs.main([argv[0], argv[1], *argv[3:]])


if __name__ == "__main__":
    main(sys.argv)
