#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/self_spawn with its other half, and each half against Python's sockets.

usage: self_spawn_test.py PROGRAM [TEST...]
"""

import os
import re
import socket
import sys
import tempfile

import running_programs


class SelfSpawn(running_programs.ProgramTest):
    def check_conversation(self, done, where):
        self.assertRegex(done.stdout, rf"\Aself_spawn: listening on {where}\n"
                                      r"Handler started\nHi there!\nHi yourself!\n\Z")
        self.assertEqual("", done.stderr)

    def test_a_primary_talks_with_the_secondary_that_it_starts(self):
        for host in ("127.0.0.1", "localhost"):
            done = self.run_to_end(self.program, "primary", "--host", host, "--port", 0)
            self.check_conversation(done, re.escape(host) + r" port [1-9]\d*")

    def test_over_a_unix_socket_which_is_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "talk")
            for _ in range(2):
                done = self.run_to_end(self.program, "primary", "--path", path)
                self.check_conversation(done, re.escape(path))
                self.assertFalse(os.path.exists(path))

    def test_a_secondary_puts_the_parts_of_a_greeting_together(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            secondary = self.start(self.program, "secondary", "--port", listening.getsockname()[1])
            listening.settimeout(running_programs.PATIENCE)
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(running_programs.PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for part in (b"Hi", b" there", b"!\n"):
                    connection.sendall(part)
                self.assertEqual("Hi yourself!\n", connection.makefile().readline())
                self.assertEqual(b"", connection.recv(1))
            self.assertEqual(0, secondary.wait())
            self.assertEqual("Hi there!\n", secondary.out.wait_for_end())

    def test_a_secondary_that_hears_half_a_greeting_says_so(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            secondary = self.start(self.program, "secondary", "--port", port)
            listening.settimeout(running_programs.PATIENCE)
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"Hi the")
            self.assertEqual(1, secondary.wait())
            self.assertIn(f"127.0.0.1:{port} hung up in the middle of a line, 'Hi the'",
                          secondary.err.wait_for_end())

    def test_a_secondary_alone_names_whom_it_did_not_find(self):
        with socket.socket() as unheard:  # bound, so that nobody else listens there
            unheard.bind(("127.0.0.1", 0))
            port = unheard.getsockname()[1]
            told = self.run_to_end(self.program, "secondary", "--port", port, code=1).stderr
            self.assertIn(f"127.0.0.1 port {port}", told)
            self.assertIn("refused", told)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nobody")
            told = self.run_to_end(self.program, "secondary", "--path", path, code=1).stderr
            self.assertIn(path, told)

    def test_a_primary_that_cannot_listen_says_where(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            told = self.run_to_end(self.program, "primary", "--port", port, code=1).stderr
            self.assertIn(f"127.0.0.1:{port}", told)

    def test_wrong_usage(self):
        self.check_command_line()
        for wrong in ([], ["tertiary"], ["primary", "--port", "70000"], ["secondary", "--port", 0],
                      ["primary", "--path", "p", "--port", 5], ["primary", "secondary"]):
            self.assertTrue(self.run_to_end(self.program, *wrong, code=2).stderr)


if __name__ == "__main__":
    running_programs.main(sys.argv)
