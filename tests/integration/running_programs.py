# SPDX-License-Identifier: Apache-2.0
"""Programs that run beside a test: what they write is waited for, and none outlives its test.

Nothing here sleeps. A test waits for a text, or for a program's end, and fails with all that was
written if it does not come in time.
"""

import re
import signal
import subprocess
import threading
import unittest

PATIENCE = 30  # seconds, for what should come at once: sanitizers and busy machines are slow


class Transcript:
    """Collects what comes out of a pipe."""

    def __init__(self, pipe):
        self._text = ""
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        with pipe:
            while True:
                part = pipe.read1(65536)
                with self._changed:
                    self._text += part.decode("utf-8", "replace")
                    self._ended = not part
                    self._changed.notify_all()
                if not part:
                    return

    @property
    def text(self):
        with self._changed:
            return self._text

    def wait_for(self, pattern):
        """The first match of a regular expression within a line, once there is one."""
        wanted = re.compile(pattern, re.M)
        seen = 0  # up to there nothing matches: there may be megabytes
        found = None

        def has_come():
            nonlocal seen, found
            found = wanted.search(self._text, seen)
            seen = self._text.rfind("\n") + 1
            return found or self._ended

        with self._changed:
            self._changed.wait_for(has_come, PATIENCE)
            if not found:
                raise AssertionError(f"{pattern!r} did not come; what came:\n{self._text[-2000:]}")
            return found

    def wait_for_end(self):
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended, PATIENCE):
                raise AssertionError(f"no end; what came:\n{self._text[-2000:]}")
            return self._text


class Program:
    """A running program: `out` and `err` are transcripts. Killed when the test ends."""

    def __init__(self, test, *command):
        self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        test.addCleanup(self._end)
        self.out = Transcript(self._process.stdout)
        self.err = Transcript(self._process.stderr)

    def _end(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    def send(self, text):
        self._process.stdin.write(text if isinstance(text, bytes) else text.encode())
        self._process.stdin.flush()

    def end_input(self):
        self._process.stdin.close()

    def send_signal(self, number):
        self._process.send_signal(number)

    def wait(self):
        """The exit code."""
        return self._process.wait(PATIENCE)

    def stop(self, number=signal.SIGTERM):
        self.send_signal(number)
        return self.wait()


class ProgramTest(unittest.TestCase):
    """A test of the program that is named on the command line."""

    program = ""

    def start(self, *command):
        return Program(self, *command)

    def serve(self, *options):
        """Starts the program and waits for the line with its port."""
        server = self.start(self.program, "--port", 0, *options)
        port = int(server.out.wait_for(r"listening on \S+ port (\d+)$").group(1))
        return server, port

    def run_to_end(self, *command, code=0, stdin=""):
        done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, code, f"{command}\n{done.stdout}{done.stderr}")
        return done

    def check_command_line(self):
        """What all examples have in common."""
        self.assertIn("--port", self.run_to_end(self.program, "--help").stdout)
        for wrong in (["--port", "70000"], ["--no-such-option"]):
            self.assertTrue(self.run_to_end(self.program, *wrong, code=2).stderr)


def main(argv):
    """For a test script: `main(sys.argv)` with the program as its argument."""
    if len(argv) < 2:
        raise SystemExit(f"usage: {argv[0]} PROGRAM [TEST...]")
    ProgramTest.program = argv[1]
    unittest.main(module="__main__", argv=[argv[0], *argv[2:]], verbosity=2)
