#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the thread sanitizer says of tasks, and that it says nothing without a reason.

usage: report_test.py PROGRAM [TEST...]
"""

import os
import re
import subprocess
import sys
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
SOURCE = "raced_program.cpp"
PATIENCE = 300  # seconds

RACE = """\
access by 'coroscope-1': balance += balance / 100;
access by 'task 2 (teller) of loop 1': balance += amount;
'coroscope-1' was created by 'task 2 (teller) of loop 1': \
auto job = coroscope::get_running_loop().run_in_executor([&balance] { add_interest(balance); });
'task 2 (teller) of loop 1' was created by another: \
auto teller = coroscope::get_running_loop().create_task(serve_teller(balance), "teller");
"""


def own_line(stack):
    """The innermost line of the program's in a stack of the sanitizer's."""
    found = re.search(re.escape(SOURCE) + r":(\d+)", stack)
    if not found:
        return "?"
    with open(os.path.join(FOLDER, SOURCE), encoding="utf-8") as source:
        return source.read().splitlines()[int(found[1]) - 1].strip()


def essence(told):
    """Who accessed what and was created where, in an order that does not depend on who was first."""
    names = dict(re.findall(r"Thread (T\d+) ('[^']*')", told))
    lines = set()
    for head, stack in re.findall(r"^  (\S.*):\n((?:    #.*\n)+)", told, re.M):
        if made := re.match(r"Thread (T\d+) .* created by (?:thread )?(T\d+|main thread)", head):
            lines.add(f"{names[made[1]]} was created by {names.get(made[2], 'another')}: "
                      + own_line(stack))
        elif made := re.match(r".*(?:[Rr]ead|[Ww]rite) of size \d+ at \S+ by (?:thread )?"
                              r"(T\d+|main thread)", head):
            lines.add(f"access by {names.get(made[1], made[1])}: " + own_line(stack))
    return "".join(line + "\n" for line in sorted(lines, key=lambda l: (l[0] == "'", l)))


class Reports(unittest.TestCase):
    maxDiff = None

    def told_of(self, program):
        """What the sanitizer writes; the program ends as it should in any case."""
        done = subprocess.run([sys.argv[1], program], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", timeout=PATIENCE,
                              env={**os.environ, "TSAN_OPTIONS": "exitcode=66"}, check=False)
        self.assertRegex(done.stdout, r"(?m)^done$")
        self.assertEqual(66 if "WARNING" in done.stdout else 0, done.returncode, done.stdout)
        return done.stdout

    def check_is_one_race(self, told):
        self.assertEqual(1, told.count("WARNING: ThreadSanitizer"), told)
        self.assertIn("WARNING: ThreadSanitizer: data race", told)

    def test_a_race_with_a_job_names_the_task_and_where_it_was_created(self):
        told = self.told_of("race")
        self.check_is_one_race(told)
        self.assertEqual(RACE, essence(told))

    def test_who_waits_for_the_job_races_with_nobody(self):
        self.assertEqual("done\n", self.told_of("hand-over"))

    def test_tasks_of_one_loop_do_not_race(self):
        self.assertEqual("done\n", self.told_of("tasks-of-one-thread"))

    def test_loops_of_two_threads_name_their_tasks_apart(self):
        told = self.told_of("two-loops")
        self.check_is_one_race(told)
        self.assertTrue(essence(told).startswith("""\
access by 'task 1 (main) of loop 1': balance += amount;
access by 'task 1 (main) of loop 2': balance += amount;
"""), told)

    def test_a_task_that_begins_inside_of_another_is_told_from_it(self):
        told = self.told_of("race-inside")
        self.check_is_one_race(told)
        self.assertIn("access by 'task 2 (teller) of loop 1': balance += amount;\n", essence(told))

    def test_what_goes_on_after_a_task_began_inside_is_its_creators(self):
        told = self.told_of("race-around")
        self.check_is_one_race(told)
        self.assertIn("access by 'task 1 (main) of loop 1': balance += amount;\n", essence(told))

    def test_a_later_name_is_shown_and_a_long_one_is_cut(self):
        told = self.told_of("rename")
        self.check_is_one_race(told)
        self.assertIn("'task 2 (teller of the second counter, who came late ) of loop 1'", told)

    def test_tasks_are_many_more_than_what_is_shown_of_them(self):
        self.assertEqual("300000 tasks ended\ndone\n", self.told_of("many"))

    def test_where_one_was_shown_as_several_tasks_its_name_says_so(self):
        told = self.told_of("race-after-many")
        self.check_is_one_race(told)
        self.assertIn("access by 'task 2002 (teller) of loop 1, or an ended one': ", essence(told))

    def test_a_callback_is_the_loops_thread(self):
        told = self.told_of("callback")
        self.check_is_one_race(told)
        self.assertIn("access by main thread: balance += amount;\n", essence(told))

    def test_nothing_is_said_of_tasks_that_fail_are_cancelled_or_never_begin(self):
        self.assertNotIn("ThreadSanitizer", self.told_of("ends"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
