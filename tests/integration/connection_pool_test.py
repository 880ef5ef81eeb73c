#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/connection_pool against socat, which runs cat for each connection.

usage: connection_pool_test.py PROGRAM [TEST...]
"""

import socket
import sys

import running_programs


class ConnectionPool(running_programs.ProgramTest):
    def serve_with_socat(self, what):
        server = self.start("socat", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork", what)
        return int(server.err.wait_for(r"listening on AF=2 127\.0\.0\.1:(\d+)$").group(1))

    @staticmethod
    def unused_port():
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            return bound.getsockname()[1]

    def echoes(self, port, *options):
        done = self.run_to_end(self.program, "--port", port, *options)
        return sorted(done.stdout.splitlines()), done.stderr

    def test_messages_share_a_few_connections(self):
        port = self.serve_with_socat("EXEC:cat")
        shown, told = self.echoes(port, "--messages", 60)
        self.assertEqual(sorted(f"echo: coro_{n}" for n in range(60)), shown)
        self.assertIn(" 3 connections made", told)
        self.assertEqual(sorted(f"echo: coro_{n}" for n in range(5)), self.echoes(port)[0])
        self.assertIn(" 1 connections made", self.echoes(port, "--max-connections", 1)[1])

    def test_connections_that_the_server_closes_are_replaced(self):
        port = self.serve_with_socat("EXEC:head -n 1")
        shown, told = self.echoes(port, "--messages", 9)
        self.assertEqual(sorted(f"echo: coro_{n}" for n in range(9)), shown)
        self.assertRegex(told, r" (9|\d\d+) connections made")

    def test_a_server_that_is_not_there_or_says_nothing_is_an_error(self):
        port = self.serve_with_socat("EXEC:cat")
        told = self.run_to_end(self.program, "--port", self.unused_port(), code=1).stderr
        self.assertIn("127.0.0.1 port", told)
        mute = self.serve_with_socat("EXEC:tail -f /dev/null")
        told = self.run_to_end(self.program, "--port", mute, "--timeout", "50ms", code=1).stderr
        self.assertIn("connection_pool: ", told)
        self.assertEqual(([], "connection_pool: 0 connections made\n"),
                         self.echoes(port, "--messages", 0))
        self.check_command_line()


if __name__ == "__main__":
    running_programs.main(sys.argv)
